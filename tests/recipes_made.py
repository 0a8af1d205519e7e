"""What the tests of the recipes share: apps made with recipes, and their environments."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from recipes import find_recipe, put_in
from test_new import copy_gallery, require_ready, running

__all__ = ["MOST_MEMORY", "environment", "made_and_served", "make_app", "require_ready", "running"]
__all__ += ["environment_of_recipes", "smoke_passes", "use_trained_network"]

# for programs: getrusage would count the process too that started them
MOST_MEMORY = """
def most_memory():
    'Return the most memory that this process has had, in MB.'
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1000
"""


def make_app(place, recipes="", source=""):
    """Make an app in a copy of the gallery below `place`; return its folder."""
    gallery = copy_gallery(place)
    settings = ["NAME=my_app", f"WITH={recipes}", f"FROM={source}"]
    command = [sys.executable, "scripts", "new", *settings]
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
    return python


def environment_of_recipes(place):
    """Make an environment with the packages of all recipes for a classifier, below `place`."""
    together = "many_images,not_sure,lab_images,heat_map,agents"
    folder = make_app(place, together, "resnet")
    apart = [find_recipe(name) for name in ("faster", "efficientnet_lite0")]
    more = [each.packages("requirements.txt").split() for each in apart]
    page = find_recipe("not_sure").page.read_text(encoding="utf-8")
    fitting = re.search(r"pip install (.*)", page)[1].split()
    environment(folder, *fitting, *itertools.chain(*more))


def made_and_served(source, *more, recipes=""):
    """Return two fixtures for the tests of a starting point.

    `made` is the app's folder and the Python of an environment with what that names, and `more`;
    `app` is the address of the running app and a client.
    """

    @pytest.fixture(scope="module")
    def made(tmp_path_factory):
        folder = make_app(tmp_path_factory.mktemp(source), recipes, source)
        return folder, environment(folder, *more)

    @pytest.fixture(scope="module")
    def app(made):
        with running(*made) as (url, client):
            yield url, client

    return made, app


def smoke_passes(folder, python):
    """Assert that an app passes its own smoke test, with its reference predictions."""
    command = [python, "checks/smoke.py", "main.py"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert "FAIL" not in ended.stdout, ended.stdout
    assert re.search(r"reference predictions: \d calls?, within 0\.0", ended.stdout), ended.stdout
    assert ended.returncode == 0


def use_trained_network(folder):
    """Put the network whose trained weights come as a package into a classifier."""
    assert put_in([find_recipe("efficientnet_lite0")], folder) == {}
