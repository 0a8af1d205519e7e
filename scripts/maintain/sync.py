"""Make a shared change in the folders of all three classifiers, after it was made in one.

What differs between them is their model: in `main.py` the first docstring, the imports and the
part marked as the model, in `download_model.py` the first line and the block of constants. All
else in these files, and the files of IDENTICAL as a whole, are copied from one to the others.
Imports are not: a new one must be added by hand. Needs nothing but Python.
"""

import argparse
import ast
import re
import shutil
import sys

from apps import ROOT, SUFFIX

FOLDERS = ("flower_classification", "resnet_image_classification", "vgg11_image_classification")
IDENTICAL = ("requirements.txt", "start-script.sh", "Dockerfile", ".dockerignore")


def place(beginning, text, file):
    """Return where in a text the one line is that begins so."""
    found = [match.start() for match in re.finditer(f"(?m)^{beginning}", text)]
    if len(found) != 1:
        sys.exit(f"{file} has {len(found)} lines, and not one, that begin: {beginning}")
    return found[0]


def cut(file):
    """Return the parts of a file: one of the folder's own, one that all share, and so on."""
    text = file.read_bytes().decode()
    if file.name == "main.py":
        nodes = ast.parse(text).body[1:]  # [0] is the docstring
        first = next(n for n in nodes if not isinstance(n, (ast.Import, ast.ImportFrom)))
        begin = sum(map(len, text.splitlines(keepends=True)[: first.lineno - 1]))
        model, end = "# ---- Your model", "# ---- End of your model"
        cuts = [begin, place(model, text, file), place(end, text, file)]
    elif file.name == "download_model.py":
        last = place("MAX_BYTES = ", text, file)
        cuts = [text.index("\n"), place("FILE = ", text, file), text.index("\n", last)]
    else:
        cuts = [0]
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def merged(source, target):
    """Return the target's text with the shared parts of the source's."""
    theirs, own = cut(source), cut(target)
    return "".join(theirs[i] if i % 2 else own[i] for i in range(len(own)))


def main(argv=None):
    names = {SUFFIX.sub("", folder): folder for folder in FOLDERS}
    parser = argparse.ArgumentParser(description="Make a shared change in all three classifiers.")
    parser.add_argument("--from", choices=names, dest="source", help="where you made the change")
    parser.add_argument("--check", action="store_true", help="only say which files differ")
    options = parser.parse_args(argv)
    if not (options.source or options.check):
        parser.error("say where you made the change: --from " + ", ".join(names))
    source = ROOT / names[options.source or "resnet"]
    new = {}
    for target in (ROOT / folder for folder in FOLDERS if folder != source.name):
        for name in (*IDENTICAL, "main.py", "download_model.py"):
            text = merged(source / name, target / name)
            same_mode = (source / name).stat().st_mode == (target / name).stat().st_mode
            if text.encode() != (target / name).read_bytes() or not same_mode:
                new[target / name] = text
    for file, text in new.items():
        print(f"{'differs' if options.check else 'changed'}: {file.relative_to(ROOT)}")
        if not options.check:
            file.write_bytes(text.encode())
            shutil.copymode(source / file.name, file)
    if not new:
        print("The three folders are in step.")
    elif any(file.name == "main.py" for file in new) and not options.check:
        print("Imports are not copied: add new ones by hand. Then: make lint, make test-quick")
    return int(options.check and bool(new))


if __name__ == "__main__":
    sys.exit(main())
