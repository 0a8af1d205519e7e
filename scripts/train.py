"""Train the model of one app, by the `train_model.py` in its folder; first install what it needs.

Whatever else the command is given goes to that program.
"""

import argparse
import subprocess
import sys

from apps import find_app, find_apps
from install import install, requirement_lines, venv_python


def main(argv=None):
    parser = argparse.ArgumentParser(description="Train the model of one app.", add_help=False)
    parser.add_argument("app", help="its name, as in `make list`")
    arguments, options = parser.parse_known_args(argv)
    app = find_app(arguments.app)
    program = app.folder / "train_model.py"
    if not program.exists():
        names = [other.name for other in find_apps() if (other.folder / program.name).exists()]
        sys.exit(f"{app.name} has no train_model.py. These have one: {', '.join(names)}.")
    install(requirement_lines(app.folder / "requirements-train.txt"))
    try:
        return subprocess.run([venv_python(), program, *options]).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
