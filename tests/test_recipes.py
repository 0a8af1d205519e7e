"""What holds for every recipe and starting point: it goes into an app, alone and with others.

What each one gives is tested in test_recipe_NAME.py: a short part here and there, the rest by
`make test-recipes`.
"""

import ast
import base64
import itertools
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pins
import pytest
import tifffile
from conftest import ROOT
from gradio.media import get_image
from gradio_client import handle_file
from install import requirement_lines
from PIL import Image
from placing import NoPlace, place
from random_weights import make_checkpoint
from recipes import FOLDERS, TOPICS, clash, find_recipe, find_recipes, put_in
from recipes_made import make_app, require_ready, running
from test_constraints import ENVIRONMENTS, versions
from test_new import OUTPUT, copy_gallery, left, run

RECIPES, POINTS = find_recipes(), find_recipes("starting point")
NAMES = [recipe.name for recipe in RECIPES]
PAIRS = [*itertools.combinations(RECIPES, 2)]
TOGETHER = [pair for pair in PAIRS if not clash(*pair)]
INDEX = ROOT / "docs" / "recipes" / "README.md"
# what a recipe's own program makes, by the page, before the app can be packaged
MADE = {"smaller": ["data/model.onnx", "data/labels.txt"]}


def new_by_program(gallery, *words, works=False):
    """Run what is behind `make new`; return what it prints, or its complaint."""
    return run(gallery, "new", *words, works=works)


# ---- Alone ----


@pytest.mark.slow
@pytest.mark.parametrize("each", [*RECIPES, *POINTS], ids=lambda each: each.name)
def test_an_app_made_with_it_is_ready_for_serve_and_fixes_all_versions(tmp_path, each):
    is_recipe = each in RECIPES
    folder = make_app(tmp_path, each.name * is_recipe, each.name * (not is_recipe))
    for file in MADE.get(each.name, ()):
        (folder / file).write_text("a\n")
    require_ready(folder)
    require_fixed(folder)
    main = (folder / "main.py").read_text()
    assert len(main.splitlines()) <= 76
    if is_recipe:
        assert 1 <= len(each.lines) <= 3
        assert all(line in main for line in each.lines)


@pytest.mark.slow
def test_its_lines_find_their_place_in_each_app_that_it_begins_with(copies):
    begins = [(recipe, source) for recipe in RECIPES for source in recipe.sources]
    for recipe, source in [*begins, (find_recipe("lab_images"), "sepia")]:
        assert put_in([recipe], copies(source)) == {}, (recipe.name, source)


def require_fixed(folder, systems=ENVIRONMENTS):
    named = [line for line in requirement_lines(folder / "requirements.txt") if "==" in line]
    fixed = (folder / "constraints.txt").read_text().splitlines()
    for system in systems:
        assert versions(named, system).items() <= versions(fixed, system).items()


def test_a_newcomer_gets_what_the_list_says(tmp_path):
    gallery = copy_gallery(tmp_path)
    listed = run(gallery, "list")
    for each in (*RECIPES, *POINTS):
        assert re.search(rf"(?m)^    {each.name} +{re.escape(each.summary)}$", listed)
    topics = [line.strip() for line in listed.splitlines() if line.strip() in TOPICS]
    assert {*topics} == {*TOPICS}
    said = new_by_program(gallery, "NAME=leaf", "WITH=many_images,not_sure", works=True)
    assert "Made leaf, from resnet_image_classification, without its weights, with many_im" in said
    pages = re.findall(r"docs/\S+\.md", said)
    assert [page.split("/")[2] for page in pages] == ["many_images", "not_sure"]
    assert all((gallery / page).exists() for page in pages)
    said = new_by_program(gallery, "NAME=leaf2", "FROM=cells", works=True)
    assert said.startswith("Made leaf2, from the starting point cells. What to do next: docs/start")
    assert "\nStart it: make run APP=leaf2 " in said
    said = new_by_program(gallery, "NAME=leaf3", "FROM=leaf2/main.py", works=True)
    assert said.startswith("Made leaf3, from leaf2.")


# ---- Together ----


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Return a function that gives a new copy of an app to put recipes into, in no time."""
    place, made = tmp_path_factory.mktemp("copies"), {}
    numbers = itertools.count()

    def copy(source):
        if source not in made:
            made[source] = make_app(place / source, "", source)
        return shutil.copytree(made[source], place / f"{next(numbers)}_{source}")

    copy.place = place
    return copy


def source_of(*recipes):
    return next(s for s in recipes[0].sources if all(s in each.sources for each in recipes))


def rows(folder):
    """Return what is in a main.py, whatever the order of the parts of the page."""
    page = next(n for n in ast.parse((folder / "main.py").read_text()).body if type(n) is ast.With)
    lines = (folder / "main.py").read_text().splitlines()
    return lines[: page.lineno], sorted(lines[page.lineno : page.end_lineno]), lines[-3:]


@pytest.mark.slow
def test_every_pair_that_makes_sense_goes_together_in_both_orders(copies):
    combined, by_order = [], {}
    for pair in TOGETHER:
        orders = [copies(source_of(*pair)) for _ in range(2)]
        for folder, recipes in zip(orders, (pair, pair[::-1]), strict=True):
            assert put_in(recipes, folder) == {}, [each.name for each in recipes]
            text = (folder / "main.py").read_text()
            for line in itertools.chain(*(each.lines for each in recipes)):
                # a setting is together with others in one call
                assert re.sub(r"^settings\(demo(, .*)\)$", r"\1", line) in text
        require_fixed(orders[0], ENVIRONMENTS[::7])
        assert rows(orders[0]) == rows(orders[1])
        for name in ("requirements.txt", "constraints.txt"):
            by_order[name] = [(folder / name).read_text() for folder in orders]
            assert by_order[name][0] == by_order[name][1]
        combined += orders
    assert len(combined) == 2 * len(TOGETHER) > 50
    for arguments in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", *combined]
        command += ["--config", ROOT / "pyproject.toml"]
        linted = subprocess.run(command, cwd=copies.place, **OUTPUT)
        assert linted.returncode == 0, linted.stdout + linted.stderr


def test_pairs_that_do_not_go_together_say_so_and_the_pages_know(tmp_path):
    gallery, apart = copy_gallery(tmp_path), [pair for pair in PAIRS if clash(*pair)]
    for one, other in apart:
        assert other.name in one.not_with
        assert one.name in other.not_with
        message = new_by_program(gallery, "NAME=leaf", f"WITH={one.name},{other.name}")
        assert re.match(f"{one.name} and {other.name} do not go together: ", message)
    assert left(gallery) == []
    said = [{one.name, other} for one in RECIPES for other in one.not_with]
    assert all(names in [{one.name, other.name} for one, other in apart] for names in said)


@pytest.mark.recipes
def test_uv_finds_the_versions_of_all_recipes_that_go_together(tmp_path, copies):
    """What make new puts together without a network is what a resolver would take."""
    names = [name for name in NAMES if name not in ("faster", "own_images")]
    for chosen in (names, ["faster", *(name for name in names if name != "heat_map")]):
        chosen = [find_recipe(n) for n in chosen if n != "efficientnet_lite0" or "faster" in chosen]
        folder = copies("resnet")
        assert put_in(chosen, folder) == {}
        uv = [shutil.which("uv", path=str(ROOT / ".venv" / "bin")) or "uv", "pip", "compile"]
        uv += ["--universal", "--python-version=3.10", "--quiet", "--no-header", "--no-annotate"]
        done = subprocess.run([*uv, "requirements.txt"], cwd=folder, **OUTPUT)
        assert done.returncode == 0, done.stderr
        found = [line for line in done.stdout.splitlines() if "==" in line]
        fixed = (folder / "constraints.txt").read_text().splitlines()
        for system in ENVIRONMENTS:
            assert versions(found, system).items() <= versions(fixed, system).items()


# ---- In an app of one's own ----

OWN = '''"""My app."""
import os; import sys
from pathlib import Path

import gradio as gr
from image import (
    read_image,  # as it was
    refuse,
)
from guard import prepare_uploads, settings

HERE = Path(__file__).parent
LABELS = ["cat",
          "dog"]
model = len  # my own
preprocess = sorted


def other(image):
    return image


@other
def predict(image):
    # my own way
    return {label: 0.5 for label in LABELS if read_image(image)}


prepare_uploads()
with gr.Blocks() as demo:
  image = gr.Image(); submit = gr.Button()
  clear = gr.ClearButton()

# the end of the page
if __name__ == "__main__":
    demo.launch(
        **settings(
            demo,
            show_error=False,  # å
        ),
    )
'''


def test_lines_find_their_place_whatever_the_app_looks_like():
    found = OWN
    for name in ("not_sure", "many_images", "lab_images", "faster"):
        found = place(found, find_recipe(name).lines)
    compile(found, "main.py", "exec")
    added = [line for line in found.splitlines() if line not in OWN.splitlines()]
    assert added == [
        "import faster",
        "import lab_image",
        "import many_images",
        "import thresholds",
        "from image import refuse",
        "from lab_image import read_image",
        "model = faster.compile(model, preprocess)",
        "@thresholds.not_sure(LABELS)",
        "  thresholds.add_to_page(LABELS)",
        "  many_images.add_to_page(predict)",
        "  lab_image.add_to_page(image)",
        "            show_error=False, max_file_size=many_images.MAX_UPLOAD,  # å",
    ]
    gone = {*OWN.splitlines()} - {*found.splitlines()}
    assert gone == {
        "from image import (",
        "    read_image,  # as it was",
        "    refuse,",
        ")",
        "            show_error=False,  # å",
    }
    assert found.index("@thresholds") < found.index("@other") < found.index("def predict")
    assert found.index("lab_image.add") < found.index("# the end of the page")
    for name in ("not_sure", "many_images", "lab_images", "faster"):  # they are there already
        assert place(found, find_recipe(name).lines) == found
    own = place(OWN, ['LABELS = ["a"]', "settings(demo, quiet=True)"])
    assert 'LABELS = ["a"]\nmodel = len' in own


@pytest.mark.parametrize(
    ("old", "new", "name", "reason"),
    [
        ("def predict", "def classify", "many_images", "has no `predict`"),
        ("with gr.Blocks() as demo:", "if True:", "many_images", "has no page that begins with"),
        ("LABELS", "NAMES", "not_sure", "has no `LABELS`"),
        ("model = len", "network = len", "faster", "has no `model`"),
        ("show_error", "max_file_size", "many_images", "a `max_file_size` of its own"),
        ("model = len  # my own", "model = len; size = 5", "own_images", "two statements in line"),
        ("submit = ", "button = ", "heat_map", "has no `submit`"),
    ],
)
def test_a_line_without_a_place_says_what_is_missing(old, new, name, reason):
    assert old in OWN
    lines = ["model = LABELS"] if name == "own_images" else find_recipe(name).lines
    text = OWN.replace(old, new).replace("(); ", "()\n  ")
    with pytest.raises(NoPlace, match=re.escape(reason)):
        place(text, lines)


def test_lines_without_a_place_are_printed_and_nothing_else_is_done_by_halves(tmp_path):
    gallery = copy_gallery(tmp_path)
    new_by_program(gallery, "NAME=own_app", "FROM=resnet", works=True)
    main = gallery / "own_app" / "main.py"
    main.write_text(main.read_text().replace("predict", "classify"))
    words = ("NAME=leaf", "FROM=own_app", "WITH=not_sure,lab_images")
    said = new_by_program(gallery, *words, works=True)
    assert "Lines of not_sure are missing: main.py has no function `predict`." in said
    assert "Write them into leaf/main.py where they belong in your app:" in said
    for line in find_recipe("not_sure").block.splitlines():
        assert f"    {line}\n" in said
    text = (gallery / "leaf" / "main.py").read_text()
    assert "thresholds" not in text  # or the page would promise what the app does not do
    assert "lab_image.add_to_page(image)" in text
    assert (gallery / "leaf" / "thresholds.py").exists()
    require_ready(gallery / "leaf")


def test_a_recipe_that_does_not_fit_at_all_makes_nothing(tmp_path):
    gallery = copy_gallery(tmp_path)
    for words, reason in (
        (("FROM=hello", "WITH=lab_images"), "lab_images needs image.py, which this app does not"),
        (("FROM=cells", "WITH=many_images"), "main.py has no `predict`, which many_images needs"),
    ):
        message = new_by_program(gallery, "NAME=leaf", *words)
        assert message.startswith("leaf was not made: ")
        assert reason in message
        assert left(gallery) == []


def test_unknown_recipes_and_those_from_different_apps_get_a_message(tmp_path):
    gallery = copy_gallery(tmp_path)
    message = new_by_program(gallery, "NAME=leaf", "WITH=many_images,quicker")
    assert 'There is no recipe "quicker".' in message
    assert {*NAMES} <= {*re.findall(r"\w+", message)}
    pages = {page: find_recipe(page).page for page in ("faster", "lab_images")}
    copy = gallery / pages["faster"].relative_to(ROOT)
    copy.write_text(copy.read_text().replace("begins with: `resnet`, `vgg11`,", "begins with:"))
    copy = gallery / pages["lab_images"].relative_to(ROOT)
    copy.write_text(copy.read_text().replace("`vgg11`, `flower`", "`vgg11`"))
    message = new_by_program(gallery, "NAME=leaf", "WITH=faster,lab_images")
    assert "faster from flower; lab_images from resnet or vgg11. Choose one: FROM=..." in message


# ---- Packages ----


def test_packages_of_an_app_and_of_recipes_are_put_together():
    own = '-c constraints.txt\n# mine\ngradio==6.31.0\ntorch==2.14.1\nnumpy==2.4.6; x > "1"\n'
    more = {"a": 'captum==1.0\nnumpy == 2.4.6 ;x>"1"\n', "b": "captum==1.0\n", "c": "gradio[mcp]\n"}
    assert pins.add_requirements(own, more).splitlines() == [
        "-c constraints.txt",
        "# mine",
        "captum==1.0",
        "gradio[mcp]==6.31.0",
        "torch==2.14.1",
        'numpy==2.4.6; x > "1"',
    ]
    fixed = pins.add_constraints("b==1\nd==1\n", {"x": "a==2\nd==0 ; y\nd==2 ; z\n", "y": "a==2\n"})
    assert fixed.splitlines() == ["a==2", "b==1", "d==0 ; y", "d==2 ; z"]


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda: pins.add_requirements("a==1\n", {"r": "A==2\n"}), "your app needs a==1, and r A="),
        (lambda: pins.add_requirements("", {"r": "a==1\n", "s": "a==2\n"}), "r needs a==1, and s"),
        (lambda: pins.add_constraints("", {"r": "a==1\n", "s": "a==2\n"}), "r needs a==1, and s"),
        (lambda: pins.add_constraints("", {"r": "a==1\n"}, "a==2\n"), "needs a==2, and r a==1"),
    ],
)
def test_two_versions_of_a_package_are_named(add, message):
    with pytest.raises(pins.Conflict, match=re.escape(message)):
        add()


def test_a_conflict_of_packages_makes_nothing(tmp_path):
    gallery = copy_gallery(tmp_path)
    new_by_program(gallery, "NAME=own_app", "FROM=resnet", works=True)
    file = gallery / "own_app" / "requirements.txt"
    file.write_text(file.read_text() + "captum==0.8.0\n")
    message = new_by_program(gallery, "NAME=leaf", "FROM=own_app", "WITH=heat_map")
    assert "leaf was not made: your app needs captum==0.8.0, and heat_map captum==0.9.0" in message
    assert left(gallery) == []


# ---- The index ----


def index():
    """Return the tables of the index, from the first lines of the pages."""
    text = []
    for kind, setting in (("starting point", "FROM="), ("recipe", "WITH=")):
        text += ["", f"| topic | `{setting}` | what it gives |", "|---|---|---|"]
        for each in find_recipes(kind):
            page = f"../{FOLDERS[kind].removeprefix('docs/')}/{each.name}/README.md"
            page = page.removeprefix("../recipes/")
            text.append(f"| {each.topic} | [{each.name}]({page}) | {each.summary} |")
    apart = [[], ["| | does not go with | because |", "|---|---|---|"]]
    for each in RECIPES:
        said = re.search(r"(?m)^- not with: (.*(?:\n  .*)*)", each.page.read_text("utf-8"))
        if said:
            names, _, why = " ".join(said[1].split()).rpartition("`: ")
            apart[1].append(f"| `{each.name}` | {names}` | {why} |")
    return "\n".join([*text, "", *apart[1]]).strip()


def test_the_index_is_what_the_pages_say():
    """A new recipe needs no more than its folder: this test writes its line."""
    text = INDEX.read_text(encoding="utf-8")
    begin, end = "<!-- index -->\n", "\n<!-- end of index -->"
    old = text.partition(begin)[2].partition(end)[0]
    INDEX.write_text(text.replace(f"{begin}{old}{end}", f"{begin}{index()}{end}"), "utf-8")
    assert old == index(), "The index has been written anew. Look at it, and commit it."


# ---- The common pairs, run ----


def made(place, recipes):
    """Make a copy of resnet with recipes and random weights, away from the gallery."""
    folder = make_app(place, recipes, "resnet")
    make_checkpoint(folder / "data" / "image_classification_resnet18.pth")
    away = shutil.move(folder, place / "away")  # nothing of the gallery is needed at run time
    shutil.rmtree(folder.parent)
    return away


def stack(file):
    """Write a stack of three planes, the third of them a photo; return the file."""
    grey = np.asarray(Image.open(get_image("lion.jpg")).convert("L"), "uint16") * 16
    planes = np.stack([grey // 9, 0 * grey, grey])
    tifffile.imwrite(file, planes, imagej=True, metadata={"axes": "ZYX"})
    return file


@pytest.mark.recipes
@pytest.mark.parametrize(
    "recipes",
    ["faster,many_images", "many_images,not_sure,lab_images,heat_map,agents"],
)
def test_recipes_work_together(tmp_path, python_of_recipes, recipes):
    folder, lion = made(tmp_path, recipes), get_image("lion.jpg")
    with running(folder, python_of_recipes) as (_, client):
        alone = client.predict(handle_file(lion), api_name="/predict")
        label, found = alone["label"], alone["confidences"]
        assert label.startswith("not sure (closest: ") == ("not_sure" in recipes)
        assert len(found) == 5
        if "many_images" in recipes:
            with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
                archive.write(lion, "lion.jpg")
                archive.write(stack(tmp_path / "a.tif"), "stack.tif")
            table, _ = client.predict([handle_file(tmp_path / "a.zip")], api_name="/predict_many")
            photo, planes = table["data"]
            assert photo[1] == f"{label} {found[0]['confidence']:.3f}"
            reason = 'Open it under "TIFF' if "lab_images" in recipes else "more than one plane"
            assert reason in planes[-1]
        if "lab_images" in recipes:
            file = handle_file(stack(tmp_path / "b.tif"))
            png = client.predict(file, 3, 0, api_name="/open_tiff")
            assert client.predict(handle_file(png), api_name="/predict")["label"]
        if "heat_map" in recipes:
            drawn = Image.open(client.predict(handle_file(lion), api_name="/draw_heat_map"))
            assert np.ptp(np.asarray(drawn, "int16")[..., 0] - np.asarray(drawn)[..., 2]) > 100
        if "agents" in recipes:
            uri = f"data:image/jpeg;base64,{base64.b64encode(Path(lion).read_bytes()).decode()}"
            assert label in client.predict(uri, api_name="/classify")
