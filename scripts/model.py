"""Fetch the weights of one app, by the `download_model.py` in its folder."""

import argparse
import subprocess
import sys

from apps import find_app


def main(argv=None):
    parser = argparse.ArgumentParser(description="Fetch the weights of one app.")
    parser.add_argument("app", help="its name, as in `make list`")
    parser.add_argument("--if-missing", action="store_true", help="only where there are none yet")
    arguments = parser.parse_args(argv)
    app = find_app(arguments.app)
    program = app.folder / "download_model.py"
    if not program.exists():
        if not arguments.if_missing:
            print(f"{app.name} needs no model.")
        return 0
    command = [sys.executable, str(program)] + ["--if-missing"] * arguments.if_missing
    try:
        return subprocess.run(command).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
