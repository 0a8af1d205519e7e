"""Tell which app and which weights made a prediction, by how the digests of their files begin.

guard.py shows it at the foot of the page, describe() in the API; CSV files have it in a column.
"""

import functools
import hashlib
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
WEIGHTS = (".pth", ".pt", ".ckpt", ".safetensors", ".onnx", ".data", ".keras", ".h5")
WEIGHTS += (".skops", ".joblib", ".pkl")


@functools.cache
def version():
    """Return for instance "app 1f3870be, model f37072fd": the first digits of SHA-256 digests.

    That of the app is of main.py, of the files that it imports and of the labels. There is none
    for a step of the workshop, which has no folder of its own.
    """
    if not (HERE / "main.py").exists():
        return ""
    models = sorted(file for file in HERE.glob("data/[!.]*") if file.suffix in WEIGHTS)
    parts = [f"app {digest(*code(), *HERE.glob('data/labels.txt'))}"]
    return ", ".join([*parts, *(f"model {digest(file)}" for file in models)])


def describe(function):
    """Return what a function's docstring says, and the version, for the API."""
    return f"{function.__doc__ or ''} Version: {version()}.".strip()


def with_version(rows):
    """Yield the rows of a table, of which the first has the titles, with a column `version`."""
    for number, row in enumerate(rows):
        yield [*row, version() if number else "version"]


def code():
    """Return main.py and the files beside it that are imported, by name."""
    found, todo = set(), [HERE / "main.py", HERE / "app.py"]  # the latter in the image of a step
    while todo:
        file = todo.pop()
        if file.is_file() and file not in found:
            found.add(file)
            text = file.read_text(encoding="utf-8")
            imports = " ".join(re.findall(r"(?m)^ *(?:from|import) (.*)", text))
            for name in {*re.findall(r"\w+", imports)}:
                todo += [HERE / f"{name}.py", *HERE.glob(f"{name}/*.py")]
    return sorted(found)


def digest(*files):
    found = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            while block := stream.read(2**20):
                # Git may give text other line ends on Windows
                text = file.suffix in (".py", ".txt")
                found.update(block.replace(b"\r\n", b"\n") if text else block)
    return found.hexdigest()[:8]
