"""List the apps of the gallery, or find one by name.

An app is a file `example_apps/*_app.py`, or a folder with a `main.py`. Its names come from the
file or folder name, and from the first line of its docstring ("Step 1.3, multi-input: ...");
there is no other registry. Needs nothing but Python.
"""

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SUFFIX = re.compile(r"(_image)?_classification$")
STEP = re.compile(r"Step [\d.]+, ([\w-]+): ")
# endings of files with weights or a whole model
WEIGHTS = (".pt", ".pth", ".ckpt", ".safetensors", ".onnx", ".h5", ".keras")
WEIGHTS += (".joblib", ".pkl", ".skops")


class App(NamedTuple):
    """One app: its names (the one to show first), the file that starts it, what it teaches."""

    names: tuple
    file: Path
    summary: str

    @property
    def name(self):
        return self.names[0]

    @property
    def folder(self):
        return self.file.parent

    @property
    def is_step(self):
        return self.file.name != "main.py"

    @property
    def weights(self):
        """The file that the app's download_model.py fetches; None if that names none."""
        program = self.folder / "download_model.py"
        text = program.read_text(encoding="utf-8") if program.exists() else ""
        name = re.search(r'"data" / "([^"]+)"', text)
        return self.folder / "data" / name[1] if name else None


def typed(command, app):
    """Return what to type for a command; in a repository of its own, an app has no `make`."""
    own = {
        "expect": "python checks/reference_predictions.py main.py",
        "model": "python download_model.py",
    }
    return own[command] if (ROOT / "main.py").exists() else f"make {command} APP={app.name}"


def first_docstring_line(file):
    try:
        docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    except (SyntaxError, ValueError) as error:
        return f"(not valid Python: {error})"
    return docstring.splitlines()[0] if docstring else "(no docstring)"


def find_apps(root=ROOT):
    """Return all apps below `root`: the steps in their order, then the folders by name."""
    steps = []
    for file in (root / "example_apps").glob("*_app.py"):
        summary = first_docstring_line(file)
        short = file.stem[: -len("_app")]
        step = STEP.match(summary)
        names = (step.group(1), short) if step and step.group(1) != short else (short,)
        steps.append(App(names, file, summary))
    steps.sort(key=lambda app: (not app.summary.startswith("Step"), app.summary))
    folders = []
    for file in sorted(root.glob("[!.]*/main.py")):
        short, folder = SUFFIX.sub("", file.parent.name), file.parent.name
        names = (short, folder) if short and short != folder else (folder,)
        folders.append(App(names, file, first_docstring_line(file)))
    return steps + folders


def find_app(name, root=ROOT):
    """Return the app called `name`, or end the program with a message that lists the names.

    `name` may also be the path of an app's file, wherever that is, or of a folder elsewhere.
    """
    if (main := Path(name, "main.py")).is_file() and root not in main.resolve().parents:
        name = str(main)
    if name.endswith(".py") and Path(name).is_file():
        file = Path(name).resolve()
        return App((file.parent.name,), file, first_docstring_line(file))
    apps = find_apps(root)
    name = name.strip().rstrip("/")
    # a folder's own name wins: a copy called "resnet" is the copy
    for app in apps:
        if not app.is_step and app.folder.name == name:
            return app
    for app in apps:
        files = (app.file.name if app.is_step else "", str(app.file.relative_to(root)))
        if name and name in (*app.names, *files):
            return app
    names = ", ".join(app.name for app in apps)
    problem = f'There is no app "{name}".' if name else "Which app? Set APP=..., such as APP=sepia."
    sys.exit(f"{problem} The apps are: {names}.\n`make list` shows more.")


def show():
    rows = [
        (" or ".join(a.names[: 2 if a.is_step else 1]), str(a.file.relative_to(ROOT)), a.summary)
        for a in find_apps()
    ]
    rows.insert(0, ("APP=", "file", "what it teaches"))
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    for row in rows:
        print(f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}")
