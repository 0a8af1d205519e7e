"""The weights of one app, which the `download_model.py` in its folder fetches."""

import re
import subprocess
import sys

from apps import WEIGHTS

PACKAGES = ("pooch", "requests", "tqdm")  # that such a program needs


def is_needed(app):
    """Tell whether an app's download_model.py fetches what its main.py loads."""
    if not (app.folder / "download_model.py").exists():
        return False
    endings = "|".join(map(re.escape, WEIGHTS))
    named = re.findall(rf"[\w.-]+(?:{endings})\b", app.file.read_text(encoding="utf-8"))
    return not named or not app.weights or app.weights.name in named


def is_there(app):
    return bool(app.weights and app.weights.exists())


def fetch(app, if_missing=False):
    """Fetch an app's weights, or only where there are none yet; end the program if that fails."""
    if is_needed(app):
        command = [sys.executable, app.folder / "download_model.py"] + ["--if-missing"] * if_missing
        if status := subprocess.run(command).returncode:
            sys.exit(status)
    elif not if_missing:
        print(f"{app.name} needs no model.")
