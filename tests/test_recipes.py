"""What holds for every recipe: it can be put into a copy, in each way that its page names.

What each one gives is tested in test_recipe_NAME.py: a short part here and there, the rest by
`make test-recipes`.
"""

import re
import subprocess
import sys

import pytest
from conftest import ROOT
from install import requirement_lines
from recipes import find_recipe, find_recipes, put_in
from recipes_made import make_app, require_ready
from test_constraints import ENVIRONMENTS, versions
from test_new import copy_gallery, left, new, run

NAMES = [recipe.name for recipe in find_recipes()]
PAGES = ROOT / "docs" / "recipes"
# what a recipe's own program makes, by the page, before the app can be packaged
MADE = {"smaller": ["data/model.onnx", "data/labels.txt"], "iris": ["model.skops"]}
MADE |= {"five_classes": ["data/labels.txt"]}
TOOLS = {"git": ["git", "apply"], "patch": ["patch", "--fuzz=0", "-p1", "-i"]}


@pytest.mark.parametrize("name", NAMES)
def test_an_app_with_a_recipe_is_ready_for_serve(tmp_path, name):
    folder = make_app(tmp_path, name)
    for file in MADE.get(name, ()):
        (folder / file).write_text("a\n")
    require_ready(folder)


@pytest.mark.parametrize("source", ["vgg11", "flower"])
def test_faster_is_for_each_classifier(tmp_path, source):
    require_ready(make_app(tmp_path, "faster", source))


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_can_be_put_in_by_hand_with_the_same_result(tmp_path, name, tool):
    recipe, gallery = find_recipe(name), copy_gallery(tmp_path)
    by_hand = new(gallery, "my_app", recipe.sources[0])
    by_hand = by_hand.rename(gallery / "by_hand")
    command = [*TOOLS[tool], recipe.diff]
    done = subprocess.run(command, cwd=by_hand, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    by_command = new(gallery, "my_app", recipe.sources[0])
    put_in(recipe, by_command)
    for file in by_hand.rglob("*"):
        name = file.relative_to(by_hand)
        ours = file.is_file() and file.suffix != ".orig"  # which `patch` keeps of what has moved
        if ours and not (recipe.diff.parent / "files" / name).exists():
            assert file.read_bytes() == (by_command / name).read_bytes(), file


@pytest.mark.parametrize("name", NAMES)
def test_an_app_with_a_recipe_fixes_the_version_of_each_package(tmp_path, name):
    folder = make_app(tmp_path, name)
    named = [line for line in requirement_lines(folder / "requirements.txt") if "==" in line]
    fixed = (folder / "constraints.txt").read_text().splitlines()
    for environment in ENVIRONMENTS:
        assert versions(named, environment).items() <= versions(fixed, environment).items()


def new_by_program(gallery, *words):
    """Run what is behind `make new`, without making an environment; return its complaint."""
    command = [sys.executable, "scripts/new.py", *words]
    ended = subprocess.run(command, cwd=gallery, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1, ended.stdout
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_recipe_that_does_not_fit_makes_nothing_and_says_for_which_app_it_is(tmp_path):
    gallery = copy_gallery(tmp_path)
    message = new_by_program(gallery, "leaf", "--from=sepia", "--with=faster")
    assert "leaf was not made" in message
    assert "FROM=resnet or vgg11 or flower" in message
    assert left(gallery) == []


def test_make_new_takes_the_app_that_the_recipe_is_for(tmp_path):
    gallery = copy_gallery(tmp_path)
    printed = run(gallery, "new", "NAME=leaf", "WITH=iris")
    assert "Made leaf, from scripts/bare" in printed
    assert "docs/recipes/iris/README.md" in printed
    assert (gallery / "leaf" / "train_iris.py").exists()
    assert "skops" in (gallery / "leaf" / "main.py").read_text()


def test_an_unknown_recipe_lists_those_that_there_are(tmp_path):
    message = new_by_program(copy_gallery(tmp_path), "leaf", "--with=quicker")
    assert {*NAMES} <= {*re.findall(r"\w+", message)}


def test_the_list_and_the_index_name_each_recipe(tmp_path):
    listed = run(copy_gallery(tmp_path), "list")
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    for recipe in find_recipes():
        assert re.search(rf"(?m)^{recipe.name} .*{re.escape(recipe.summary)}$", listed)
        assert f"({recipe.name}/README.md)" in index
        assert (recipe.diff.parent / "README.md").exists()
