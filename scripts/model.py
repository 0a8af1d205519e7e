"""The weights of one app, which the `download_model.py` in its folder fetches."""

import subprocess
import sys

PACKAGES = ("pooch", "requests", "tqdm")  # that such a program needs


def is_needed(app):
    return (app.folder / "download_model.py").exists()


def is_there(app):
    return bool(app.weights and app.weights.exists())


def fetch(app, if_missing=False):
    """Fetch an app's weights, or only where there are none yet; return the program's status."""
    if not is_needed(app):
        if not if_missing:
            print(f"{app.name} needs no model.")
        return 0
    command = [sys.executable, app.folder / "download_model.py"] + ["--if-missing"] * if_missing
    return subprocess.run(command).returncode
