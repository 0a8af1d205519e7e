"""Tell which app and which weights made a prediction: by digests of their files.

The page shows it at its foot, the API in what it says about a function, CSV files in a column.
"""

import functools
import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WEIGHTS = (".pth", ".pt", ".safetensors", ".onnx", ".keras", ".skops")


@functools.cache
def version():
    """Return for instance "app 1f3870be, model f37072fd": how their SHA-256 digests begin.

    That of the app is of its Python files that run, that of the model of each file with weights.
    """
    loaded = [getattr(module, "__file__", None) or "" for module in [*sys.modules.values()]]
    files = sorted({HERE / "main.py", *(f for f in map(Path, loaded) if f.parent == HERE)})
    models = sorted(file for file in HERE.glob("data/[!.]*") if file.suffix in WEIGHTS)
    parts = [f"app {digest(*files)}", *(f"model {digest(file)}" for file in models)]
    return ", ".join(parts)


def describe(function):
    """Return what a function's docstring says, and the version, for the API."""
    return f"{function.__doc__} Version: {version()}."


def digest(*files):
    found = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            while block := stream.read(2**20):
                # Git may give text other line ends on Windows
                found.update(block.replace(b"\r\n", b"\n") if file.suffix == ".py" else block)
    return found.hexdigest()[:8]
