"""Copy a shared change from one classifier to wherever else it belongs.

Some files are the same in several folders: PLACES says where. In the classifiers' `main.py` and
`download_model.py` only the model differs: the first docstring, the imports and the part "Your
model"; the first line and the block of constants. All else in them is shared. A new import must be
added by hand. Needs nothing but Python.
"""

import ast
import re
import shutil
import sys

from apps import ROOT, SUFFIX

CLASSIFIERS = ("flower_classification", "resnet_image_classification", "vgg11_image_classification")
PLACES = {name: CLASSIFIERS for name in ("main.py", "cores.py", "weights.py", "download_model.py")}
PLACES |= {name: CLASSIFIERS for name in ("requirements.txt", "constraints.txt")}
PLACES |= {name: CLASSIFIERS for name in ("Dockerfile", ".dockerignore")}
PLACES |= {name: (*CLASSIFIERS, "example_apps") for name in ("image.py", "pixels.py")}
for name in ("guard.py", "middleware.py", "version.py", "start-script.sh"):
    PLACES[name] = (*CLASSIFIERS, "example_apps", "scripts/bare")


def find_line(beginning, text, file):
    """Return where in a text the one line is that begins so."""
    found = [match.start() for match in re.finditer(f"(?m)^{beginning}", text)]
    if len(found) != 1:
        sys.exit(f"{file} must have one line that begins with {beginning}, but has {len(found)}.")
    return found[0]


def cut(file):
    """Return the parts of a file: one of the folder's own, one that all share, and so on."""
    text = file.read_bytes().decode()
    if file.name == "main.py":
        nodes = ast.parse(text).body[1:]  # [0] is the docstring
        first = next(n for n in nodes if not isinstance(n, ast.Import | ast.ImportFrom))
        begin = sum(map(len, text.splitlines(keepends=True)[: first.lineno - 1]))
        model, end = "# ---- Your model", "# ---- End of your model"
        cuts = [begin, find_line(model, text, file), find_line(end, text, file)]
    elif file.name == "download_model.py":
        last = find_line("MAX_BYTES = ", text, file)
        cuts = [text.index("\n"), find_line("FILE = ", text, file), text.index("\n", last)]
    else:
        cuts = [0]
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def differing(source):
    """Return the files that differ from those in the folder `source`, each with its new text."""
    new = {}
    for name, folders in PLACES.items():
        original = source / name if (source / name).exists() else ROOT / folders[0] / name
        shared = cut(original)[1::2]
        for file in (ROOT / folder / name for folder in folders):
            text = "".join(map("".join, zip(cut(file)[::2], shared, strict=True)))
            same_mode = file.stat().st_mode == original.stat().st_mode
            if text.encode() != file.read_bytes() or not same_mode:
                new[file] = original, text
    return new


def main(source):
    names = {SUFFIX.sub("", folder): folder for folder in CLASSIFIERS}
    if source not in names:
        choices = ", ".join(f"FROM={name}" for name in names)
        sys.exit(f"Set the classifier in which you made the change: {choices}.")
    new = differing(ROOT / names[source])
    for file, (original, text) in new.items():
        file.write_bytes(text.encode())
        shutil.copymode(original, file)
        print(f"changed: {file.relative_to(ROOT)}")
    if not new:
        print("All folders agree.")
    elif any(file.name == "main.py" for file in new):
        print("Imports are not copied: add new ones by hand. Then: make lint, make test-quick")
