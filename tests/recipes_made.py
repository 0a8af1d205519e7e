"""What the tests of the recipes share: apps made with recipes, and their environments."""

import subprocess
import sys
from pathlib import Path

from recipes import find_recipe, put_in
from test_new import copy_gallery, require_ready, running

__all__ = ["environment", "make_app", "require_ready", "running", "use_trained_network"]


def make_app(place, recipes="", source=""):
    """Make an app in a copy of the gallery below `place`; return its folder."""
    gallery = copy_gallery(place)
    command = [sys.executable, "scripts/new.py", "my_app", f"--with={recipes}", f"--from={source}"]
    made = subprocess.run(command, cwd=gallery, capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "are missing" not in made.stdout
    return gallery / "my_app"


def environment(folder, *more):
    """Return the Python of a new environment beside a folder: what that names, and no more.

    uv makes it in seconds where it has installed the same packages before.
    """
    venv = folder.parent / "venv"
    python = venv / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    command = [uv, "pip", "install", "--quiet", "--python", python, *more]
    subprocess.run([*command, "-r", folder / "requirements.txt"], check=True, timeout=900)
    # the first import compiles: on a busy machine, longer than `running` waits
    subprocess.run([python, "-c", "import gradio"], check=True, timeout=300)
    return python


def use_trained_network(folder):
    """Put the network whose trained weights come as a package into a classifier."""
    assert put_in([find_recipe("efficientnet_lite0")], folder) == {}
