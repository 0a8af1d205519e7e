"""Apps of one's own: `make new`, the examples of the chapter "Your own app", and `make sync`."""

import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import check_app
import images
import pytest
from conftest import CLASSIFIERS, ROOT, STEPS, start_main, wait_until_open
from gradio.media import get_image
from gradio_client import Client, handle_file
from list_apps import SUFFIX, find_app
from playwright.sync_api import expect
from smoke_test import free_port
from sync_folders import FOLDERS, IDENTICAL

CHAPTER = ROOT / "docs" / "workshop" / "your-own-app"
NOT_COPIED = ("*.pth", "*.replaced", ".download-*", "__pycache__", ".gradio", ".venv", ".*_cache")
ON_TERMINAL = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


@pytest.fixture
def gallery(tmp_path):
    """A copy of what the gallery is made of, without weights."""
    return copy_gallery(tmp_path)


def copy_gallery(place):
    for folder in ("example_apps", "scripts", *FOLDERS):
        ignore = shutil.ignore_patterns(*NOT_COPIED)
        shutil.copytree(ROOT / folder, place / "gallery" / folder, ignore=ignore)
    for file in ("Makefile", "LICENSE", "pyproject.toml"):
        shutil.copy(ROOT / file, place / "gallery")
    return place / "gallery"


def run(gallery, program, *arguments):
    """Run a program of the gallery and return the finished process."""
    command = [sys.executable, f"scripts/{program}", *arguments]
    return subprocess.run(command, cwd=gallery, timeout=200, **ON_TERMINAL)


def new(gallery, name, source):
    """Make a new app and return its folder."""
    made = run(gallery, "new_app.py", name, "--from", source)
    assert made.returncode == 0, made.stderr
    return gallery / name


def entries(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "__pycache__")


def files(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix() for path in paths if "__pycache__" not in str(path)}


def edit(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
    file.write_text(text.replace(old, new), encoding="utf-8")


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason", "possible"),
    [
        ("Leaf Disease", "a space", "leaf_disease"),
        (" leaf", "a space", "leaf"),
        ("Leaf", "a capital letter", "leaf"),
        ("leaf-disease", "other characters", "leaf_disease"),
        ("leaf/disease", "other characters", "leaf_disease"),
        ("../leaf", "other characters", "leaf"),
        ("blåbär", "other characters", "blabar"),
        ("叶", "other characters", "app"),
        ("--help-me", "other characters", "help_me"),
        ("2cells", "does not begin with a letter", "my_2cells"),
        ("_leaf", "does not begin with a letter", "leaf"),
        ("leaf_", "_ at its end", "leaf"),
        ("leaf__disease", "two in a row", "leaf_disease"),
        ("leaf" * 20, "more than 40", "leafleafleafleafleafleafleafleafl"),
        ("class", "word of the Python language", "my_class"),
        ("all", "every app", "my_all"),
        ("scripts", "there already", "my_scripts"),
        ("resnet_image_classification", "there already", "my_resnet_image_classification"),
        ("license", "there already", "my_license"),
        ("resnet", "resnet_image_classification/main.py", "my_resnet"),
        ("hello2", "example_apps/hello2_app.py", "my_hello2"),
        ("vgg11_classification", "vgg11_image_classification", "my_vgg11_classification"),
    ],
)
def test_an_impossible_name_gets_a_sentence_with_a_possible_one(gallery, name, reason, possible):
    before = files(gallery)
    ended = run(gallery, "new_app.py", "--from", "hello", "--", name)
    assert ended.returncode != 0
    assert ended.stdout == ""
    assert re.fullmatch(rf'The name ".*{reason}.*; NAME={possible} is possible\.\n', ended.stderr)
    assert files(gallery) == before
    assert new(gallery, possible, "hello").is_dir()


@pytest.mark.parametrize("name", ["", "  "])
def test_no_name_gets_a_sentence(gallery, name):
    ended = run(gallery, "new_app.py", name, "--from", "hello")
    assert ended.returncode != 0
    assert ended.stderr == "A new app needs a name, such as NAME=leaf_disease.\n"


def test_a_name_cannot_be_given_twice(gallery):
    folder = new(gallery, "leaf", "hello")
    (folder / "main.py").write_text("# my work\n")
    ended = run(gallery, "new_app.py", "leaf", "--from", "resnet")
    assert "is there already; NAME=my_leaf is possible" in ended.stderr
    assert (folder / "main.py").read_text() == "# my work\n"
    # nor one that differs only in what short names leave out
    ended = run(gallery, "new_app.py", "leaf_classification", "--from", "resnet")
    assert "would be mixed up with leaf/main.py" in ended.stderr


def test_a_wrong_from_lists_the_apps(gallery):
    ended = run(gallery, "new_app.py", "leaf", "--from", "resnt")
    assert ended.returncode != 0
    for name in (*STEPS, *CLASSIFIERS):
        assert name in ended.stderr
    assert not (gallery / "leaf").exists()


# --- what is in the folder -----------------------------------------------------------------------


@pytest.mark.parametrize("source", CLASSIFIERS)
def test_a_copied_classifier_has_everything_but_weights_and_caches(gallery, source):
    original = find_app(source, gallery).folder
    wanted = files(original)
    for name in ("data/a.pth", "data/a.pth.replaced", "data/.download-1/a.part", ".gradio/log.csv"):
        (original / name).parent.mkdir(exist_ok=True)
        (original / name).write_text("not to be copied")
    (original / "__pycache__").mkdir()
    (original / "__pycache__" / "main.pyc").touch()
    folder = new(gallery, "leaf_disease", source)
    assert files(folder) == wanted
    assert not (folder / "__pycache__").exists()
    for name in wanted - {"main.py", "README.md"}:
        assert (folder / name).read_bytes() == (original / name).read_bytes()
    assert os.access(folder / "start-script.sh", os.X_OK)


@pytest.mark.parametrize("source", CLASSIFIERS)
def test_the_new_name_is_where_the_old_one_was(gallery, source):
    original = find_app(source, gallery)
    old_title = re.search(r"(?m)^title: (.*)$", (original.folder / "README.md").read_text())[1]
    folder = new(gallery, "leaf_disease", source)
    main = (folder / "main.py").read_text()
    assert main.startswith('"""Leaf disease: to be written')
    assert 'TITLE = "Leaf disease"\n' in main
    card = (folder / "README.md").read_text()
    assert card.startswith("---\ntitle: Leaf disease\n")
    assert "docker build -t leaf_disease:v1 .\n" in card
    assert "docker run --rm -p 8080:8080 leaf_disease:v1\n" in card
    assert old_title not in main + card
    # two lines are new in the code, and no more
    old_lines = original.file.read_text().splitlines()
    assert sum(a != b for a, b in zip(old_lines, main.splitlines(), strict=True)) == 2


@pytest.mark.parametrize("source", CLASSIFIERS)
def test_the_old_model_card_is_not_passed_off_as_the_new_one(gallery, source):
    card = (new(gallery, "leaf_disease", source) / "README.md").read_text()
    _, _, below = card.partition("# Leaf disease\n\n")
    assert below.startswith("> **To be written.** This folder was copied from `")
    assert find_app(source).folder.name in below.splitlines()[0]
    assert "**not of yours**" in below.partition("\n\n")[0]


BARE = {"main.py", "requirements.txt", "Dockerfile", ".dockerignore", "start-script.sh"}


@pytest.mark.parametrize("source", STEPS)
def test_a_bare_folder_has_the_least_that_an_app_needs(gallery, source):
    folder = new(gallery, "leaf_disease", source)
    assert files(folder) == BARE | {"README.md"}
    for name in BARE | {"README.md"}:
        text = (folder / name).read_text().lower()
        assert "torch" not in text, name
        assert "data/" not in text, name
    assert os.access(folder / "start-script.sh", os.X_OK)
    pinned = [line.split("==")[0] for line in (folder / "requirements.txt").read_text().split("\n")]
    packages = {"gradio", "numpy", "pillow"} if source == "sepia" else {"gradio"}
    assert {*pinned} - {""} == packages
    lines = (gallery / "example_apps" / "requirements.txt").read_text().splitlines()
    assert {*(folder / "requirements.txt").read_text().splitlines()} <= {*lines}
    card = (folder / "README.md").read_text()
    header = (ROOT / "resnet_image_classification" / "README.md").read_text().split("---\n")[1]
    assert card.split("---\n")[1].splitlines()[1:] == header.splitlines()[1:]
    assert "docker build -t leaf_disease:v1 ." in card


@pytest.mark.parametrize(
    ("file", "old"),
    [
        ("example_apps/hello_app.py", "server_port=8080"),
        ("example_apps/hello_app.py", "import gradio as gr\n"),
        ("example_apps/Dockerfile", "# Packages come before the code"),
        ("resnet_image_classification/main.py", 'if __name__ == "__main__":'),
        ("resnet_image_classification/Dockerfile", "# Packages come before the code"),
        ("resnet_image_classification/Dockerfile", "# The weights and the examples"),
        ("resnet_image_classification/Dockerfile", "# The app."),
    ],
)
def test_a_bare_folder_is_not_made_from_files_that_changed_their_form(gallery, file, old):
    edit(gallery / file, old, "pass  # something new\n")
    ended = run(gallery, "new_app.py", "leaf", "--from", "hello")
    assert ended.returncode != 0
    assert str(gallery / file) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [name for name in entries(gallery) if "leaf" in name] == []


@pytest.mark.parametrize("source", ["hello", "resnet"])
def test_five_lines_say_what_to_edit_next(gallery, source):
    lines = run(gallery, "new_app.py", "leaf_disease", "--from", source).stdout.splitlines()
    assert len(lines) == 5
    named = [word for word in " ".join(lines).split() if word.startswith("leaf_disease/")]
    assert len(named) == 3
    assert all((gallery / name).is_file() for name in named)
    for command in ("make run APP=leaf_disease", "make smoke", "make check", "make docker"):
        assert command in lines[-1]
    assert all(len(line) <= 100 for line in lines)


# --- an interruption -----------------------------------------------------------------------------


@contextlib.contextmanager
def copying(gallery):
    """Start to copy a folder that takes long to copy, and return the process when it is at it."""
    large = gallery / "resnet_image_classification" / "data" / "large.bin"
    with large.open("wb") as file:
        file.truncate(8 * 2**30)  # takes no room on the disk; the copy would
    command = [sys.executable, "scripts/new_app.py", "leaf", "--from", "resnet"]
    process = subprocess.Popen(command, cwd=gallery, **ON_TERMINAL)
    try:
        while not [name for name in entries(gallery) if "leaf" in name]:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait()
        large.unlink()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing(gallery, stop):
    with copying(gallery) as process:
        process.send_signal(stop)
        printed = "".join(process.communicate(timeout=60))
    assert process.returncode != 0
    assert printed == "\nStopped. leaf was not made.\n"
    assert [name for name in entries(gallery) if "leaf" in name] == []


def test_a_run_that_was_killed_leaves_no_app_and_the_next_one_tidies_up(gallery):
    with copying(gallery) as process:
        process.kill()
        process.communicate(timeout=60)
    assert not (gallery / "leaf").exists()
    assert "leaf" not in run(gallery, "list_apps.py").stdout
    folder = new(gallery, "leaf", "resnet")
    assert not (folder / "data" / "large.bin").exists()
    assert [name for name in entries(gallery) if "leaf" in name] == ["leaf"]


def test_a_file_that_cannot_be_copied_gets_a_sentence_and_leaves_nothing(gallery):
    (gallery / "resnet_image_classification" / "data" / "absent.jpg").symlink_to("/no/such/file")
    ended = run(gallery, "new_app.py", "leaf", "--from", "resnet")
    assert ended.returncode != 0
    assert re.fullmatch(r"leaf was not made: .*No such file.*/absent\.jpg'\n", ended.stderr)
    assert [name for name in entries(gallery) if "leaf" in name] == []


# --- the other commands know the new app ---------------------------------------------------------


def lint(folder):
    """See to it that `make lint` finds nothing; it brings its own packages, as CI does first."""
    if not importlib.util.find_spec("ruff"):
        pytest.skip("ruff is not installed here; `make lint` brings it")
    for arguments in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", folder]
        linted = subprocess.run(command, cwd=folder.parent, **ON_TERMINAL)
        assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("source", [*STEPS, *CLASSIFIERS])
def test_the_new_app_is_ready_for_serve(gallery, source):
    new(gallery, "leaf_disease", source)
    checked = run(gallery, "check_app.py", "leaf_disease", "--allow-missing-weights")
    assert checked.stdout.count("\n") == 1, checked.stdout + checked.stderr
    assert "leaf_disease: ready for SciLifeLab Serve" in checked.stdout


@pytest.mark.parametrize("source", [*STEPS, *CLASSIFIERS])
def test_the_new_app_has_the_style_of_the_gallery(gallery, source):
    lint(new(gallery, "leaf_disease", source))


def test_the_new_app_is_known_at_once(gallery):
    for source in ("hello", "resnet"):
        folder = new(gallery, f"leaf_{source}", source)
        assert find_app(folder.name, gallery).file == folder / "main.py"
        row = rf"(?m)^leaf_{source} +leaf_{source}/main\.py +Leaf {source}: to be written"
        assert re.search(row, run(gallery, "list_apps.py").stdout)
        app = find_app(folder.name, gallery)
        name, _, tag = images.image_name(app).partition(":")
        assert name == folder.name
        images.require_possible(f"ghcr.io/user/{name}", tag)
        assert check_app.check_name(f"user/{name}", tag) == []
    assert "needs no model" in run(gallery, "fetch_model.py", "leaf_hello").stdout


@pytest.mark.slow
@pytest.mark.parametrize("source", ["hello", pytest.param("resnet", marks=pytest.mark.slow)])
def test_the_new_app_passes_its_smoke_test(gallery, source):
    new(gallery, "leaf_disease", source)
    ended = run(gallery, "smoke_test.py", "leaf_disease")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "All is well: 1 of 1 apps" in ended.stdout


@contextlib.contextmanager
def running(folder, python=sys.executable):
    """Start an app by `python main.py`, give its address, and stop it as a container would."""
    port = free_port()
    process = start_main(folder / "main.py", port, python=python, HOME=str(folder))
    try:
        url = f"http://127.0.0.1:{port}/"
        assert wait_until_open(process, url).ok
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        printed = process.communicate(timeout=20)[0]
    assert process.returncode == 0
    assert "Traceback" not in printed
    assert "warn" not in printed.lower(), printed


@pytest.mark.slow
def test_a_bare_app_takes_its_port_from_outside_and_stops_when_it_is_told_to(gallery, page):
    with running(new(gallery, "leaf_disease", "hello")) as url:
        page.goto(url)
        page.get_by_label("name").fill("Ada")
        page.get_by_role("button", name="Submit").click()
        expect(page.get_by_label("output")).to_have_value("Hello Ada!")


# --- the examples of the chapter -----------------------------------------------------------------

CLASSIFIER_DIFFS = ["efficientnet_lite0.diff", "five_classes.diff"]
APPLY = {"git": ["git", "apply"], "patch": ["patch", "--fuzz=0", "-p1", "-i"]}


def apply(diff, folder, tool="git"):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([*APPLY[tool], CHAPTER / diff], cwd=folder, **ON_TERMINAL)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("diff", CLASSIFIER_DIFFS)
def test_another_model_is_at_most_ten_changed_lines(diff):
    lines = (CHAPTER / diff).read_text().splitlines()
    changed = [line for line in lines if re.match(r"[+-](?!-- a/|\+\+ b/)", line)]
    assert 0 < len(changed) <= 10
    assert all(len(line) <= 101 for line in lines)


@pytest.mark.parametrize("tool", APPLY)
@pytest.mark.parametrize("diff", CLASSIFIER_DIFFS)
@pytest.mark.parametrize("source", ["by make new", "by hand", "in a repository"])
def test_a_diff_can_be_applied_to_a_copy(gallery, diff, tool, source):
    if source == "by hand":
        folder = gallery / "leaf_disease"
        shutil.copytree(gallery / "resnet_image_classification", folder)
    else:
        folder = new(gallery, "leaf_disease", "resnet")
    if source == "in a repository":
        subprocess.run(["git", "init", "--quiet"], cwd=gallery, check=True)
    before = (folder / "main.py").read_text()
    apply(diff, folder, tool)
    assert (folder / "main.py").read_text() != before


@pytest.fixture(params=[*CLASSIFIER_DIFFS, "iris.diff"])
def changed(gallery, request):
    """The folder of a new app after one of the diffs."""
    if request.param == "iris.diff":
        folder = new(gallery, "iris", "hello")
        shutil.copy(CHAPTER / "train_iris.py", folder)
        (folder / "model.skops").touch()
    else:
        folder = new(gallery, "leaf_disease", "resnet")
        (folder / "download_model.py").unlink()
    apply(request.param, folder)
    return folder


def test_after_a_diff_the_app_is_ready_for_serve(changed):
    assert check_app.check(changed, changed / "main.py", allow_missing_weights=True) == []


def test_after_a_diff_the_app_has_the_style_of_the_gallery(changed):
    lint(changed)


@contextlib.contextmanager
def environment(place, requirements):
    """Make an environment of its own for an app, give its Python, and delete it in the end."""
    try:
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        python = place / "bin" / "python"
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, "-r", requirements], check=True, timeout=1000)
        yield python
    finally:
        shutil.rmtree(place, ignore_errors=True)  # several GB with torch


@pytest.fixture(scope="module")
def efficientnet(tmp_path_factory):
    """The folder of the EfficientNet example, out of the repository."""
    place = tmp_path_factory.mktemp("efficientnet")
    folder = new(copy_gallery(place), "efficientnet", "resnet").rename(place / "my app")
    (folder / "download_model.py").unlink()
    apply("efficientnet_lite0.diff", folder)
    return folder


@pytest.fixture(scope="module")
def torch_python(efficientnet, tmp_path_factory):
    place = tmp_path_factory.mktemp("torch") / "venv"
    with environment(place, efficientnet / "requirements.txt") as python:
        yield python


def submit(page):
    page.get_by_role("button", name="Submit").click()


def submit_photo(page, url, photo):
    page.goto(url)
    expect(page.get_by_role("button", name="Submit")).to_be_enabled()
    page.locator("input[type=file]").set_input_files(photo)
    expect(page.locator(".image-frame img[src*='/file=']")).to_have_count(1)
    submit(page)


def shown_label(page):
    return page.get_by_test_id("label-output-value")


def probabilities(answer):
    return {row["label"]: row["confidence"] for row in answer["confidences"]}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_after_ten_changed_lines_a_lion_is_a_lion(efficientnet, torch_python, page):
    with running(efficientnet, torch_python) as url:
        for photo in ("lion", "cheetah"):
            submit_photo(page, url, get_image(f"{photo}.jpg"))
            expect(shown_label(page)).to_have_text(photo)
        expect(page.get_by_role("heading", name="Efficientnet")).to_be_visible()


CLASSES = {"honungsbi på en blomma": "bee", "katt": "cat", "kaffe": "espresso"}
CLASSES |= {"lejon": "lion", "gepard": "cheetah"}


def fine_tune(photos):
    """Train the last layer of a ResNet18 on one photo of each class; return it as it then is."""
    import torch
    from PIL import Image
    from torchvision.models import ResNet18_Weights, resnet18

    prepare = ResNet18_Weights.IMAGENET1K_V1.transforms()
    batch = torch.stack([prepare(Image.open(photo).convert("RGB")) for photo in photos])
    torch.manual_seed(0)
    model = resnet18().eval()
    model.fc = torch.nn.Identity()
    with torch.no_grad():
        features = model(batch)
    model.fc = torch.nn.Linear(512, len(photos))
    optimizer = torch.optim.Adam(model.fc.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        outputs, classes = model.fc(features), torch.arange(len(photos))
        torch.nn.functional.cross_entropy(outputs, classes).backward()
        optimizer.step()
    with torch.no_grad():
        return model, model(batch).softmax(1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_fine_tuned_network_of_five_classes_answers_with_its_own(gallery, torch_python, page):
    import torch

    folder = new(gallery, "five_animals", "resnet")
    (folder / "download_model.py").unlink()
    apply("five_classes.diff", folder)
    ours = folder / "data"
    photos = [
        str(ours / f"{photo}.jpg")
        if (ours / f"{photo}.jpg").exists()
        else get_image(f"{photo}.jpg")
        for photo in CLASSES.values()
    ]
    model, expected = fine_tune(photos)
    torch.save(model.state_dict(), ours / "fine_tuned_resnet18.pth")
    (ours / "labels.txt").write_text("".join(f"{name}\n" for name in CLASSES), encoding="utf-8")
    with (
        running(folder, torch_python) as url,
        contextlib.closing(Client(url, verbose=False, download_files=gallery)) as client,
    ):
        for number, (name, photo) in enumerate(zip(CLASSES, photos, strict=True)):
            answer = client.predict(handle_file(photo), api_name="/predict")
            assert answer["label"] == name
            right = dict(zip(CLASSES, expected[number].tolist(), strict=True))
            assert probabilities(answer) == pytest.approx(right, abs=1e-3)
            submit_photo(page, url, photo)
            expect(shown_label(page)).to_have_text(name)
            rows = page.locator("[data-testid$=-confidence-set], .confidence-set")
            expect(rows).to_have_count(5)
            shown = " ".join(rows.all_inner_texts())
            assert all(name in shown for name in CLASSES)


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    """The folder of the scikit-learn example with its trained model, and its Python."""
    place = tmp_path_factory.mktemp("iris")
    folder = new(copy_gallery(place), "iris", "hello").rename(place / "my iris")
    shutil.copy(CHAPTER / "train_iris.py", folder)
    apply("iris.diff", folder)
    with environment(place / "venv", folder / "requirements.txt") as python:
        subprocess.run([python, folder / "train_iris.py"], cwd="/", check=True, timeout=60)
        yield folder, python


# sepal length and width, petal length and width, in cm: Fisher's first flower of each species
FLOWERS = {
    "setosa": [5.1, 3.5, 1.4, 0.2],
    "versicolor": [7.0, 3.2, 4.7, 1.4],
    "virginica": [6.3, 3.3, 6.0, 2.5],
}
ASK_THE_MODEL = """import json, sys, skops.io
model = skops.io.load(sys.argv[1])
print(json.dumps(model.predict_proba(json.loads(sys.argv[2])).tolist()))"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_model_of_scikit_learn_tells_three_flowers_apart(iris, page):
    folder, python = iris
    command = [python, "-c", ASK_THE_MODEL, folder / "model.skops", json.dumps([*FLOWERS.values()])]
    expected = json.loads(subprocess.run(command, check=True, timeout=60, **ON_TERMINAL).stdout)
    boxes = [f"{part} {size} (cm)" for part in ("Sepal", "Petal") for size in ("length", "width")]
    with running(folder, python) as url, contextlib.closing(Client(url, verbose=False)) as client:
        page.goto(url)
        for (species, lengths), right in zip(FLOWERS.items(), expected, strict=True):
            for box, length in zip(boxes, lengths, strict=True):
                page.get_by_label(box).fill(str(length))
            submit(page)
            expect(shown_label(page)).to_have_text(species)
            answer = client.predict(*lengths, api_name="/classify")
            assert [probabilities(answer)[name] for name in FLOWERS] == pytest.approx(right)
        page.get_by_label(boxes[0]).fill("")
        submit(page)
        toast = page.get_by_test_id("toast-body")
        expect(toast.filter(has_text="Please fill in all four lengths.")).to_be_visible()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_there_is_no_torch_in_the_environment_of_a_bare_app(iris):
    _, python = iris
    command = [python, "-m", "pip", "list", "--format=freeze"]
    listed = subprocess.run(command, check=True, timeout=60, **ON_TERMINAL).stdout
    assert "scikit-learn==" in listed
    assert "torch" not in listed


# --- the three classifiers in step ---------------------------------------------------------------


def test_the_three_folders_are_in_step(gallery):
    checked = run(gallery, "sync_folders.py", "--check")
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout == "The three folders are in step.\n"


SHARED_CHANGES = [
    ("main.py", "MAX_MEGAPIXELS = 50 ", "MAX_MEGAPIXELS = 40 "),
    ("main.py", 'max_file_size="20mb"', 'max_file_size="30mb"'),
    ("download_model.py", "TIMEOUT_S = 30 ", "TIMEOUT_S = 60 "),
    ("download_model.py", "--url URL     from another", "--url URL     from any other"),
    ("requirements.txt", "pooch==1.9.0", "pooch==1.9.1"),
    ("start-script.sh", "exec python main.py", "exec python -u main.py"),
    ("Dockerfile", "timeout=5s", "timeout=9s"),
    (".dockerignore", ".gradio", ".gradio\n.cache"),
]


@pytest.mark.parametrize("source", CLASSIFIERS)
def test_a_shared_change_reaches_all_three_and_their_models_stay(gallery, source):
    source = find_app(source, gallery).folder
    others = [gallery / folder for folder in FOLDERS if folder != source.name]
    before = {other: (other / "main.py").read_text() for other in others}
    edit(source / "main.py", 'TITLE = "', 'TITLE = "My own: ')  # the model's part: not shared
    for file, old, new_text in SHARED_CHANGES:
        edit(source / file, old, new_text)
    checked = run(gallery, "sync_folders.py", "--check")
    assert checked.returncode == 1
    assert checked.stdout.count("differs: ") >= 6
    assert {other: (other / "main.py").read_text() for other in others} == before

    name = SUFFIX.sub("", source.name)
    synced = run(gallery, "sync_folders.py", "--from", name)
    assert synced.returncode == 0, synced.stderr
    assert synced.stdout.count("changed: ") == 12
    assert "Imports are not copied" in synced.stdout
    for other in others:
        for file in IDENTICAL:
            assert (other / file).read_bytes() == (source / file).read_bytes()
        expected = before[other]
        for file, old, new_text in SHARED_CHANGES:
            expected = expected.replace(old, new_text) if file == "main.py" else expected
            assert new_text in (other / file).read_text()
        assert (other / "main.py").read_text() == expected
        assert os.access(other / "start-script.sh", os.X_OK)
    assert run(gallery, "sync_folders.py", "--check").returncode == 0
    again = run(gallery, "sync_folders.py", "--from", name)
    assert again.stdout == "The three folders are in step.\n"


@pytest.mark.parametrize(
    ("file", "mark"),
    [("main.py", "# ---- End of your model"), ("download_model.py", "MAX_BYTES = ")],
)
def test_a_folder_without_the_marks_of_its_model_is_not_touched(gallery, file, mark):
    edit(gallery / "vgg11_image_classification" / file, mark, "# " + mark)
    edit(gallery / "resnet_image_classification" / "Dockerfile", "timeout=5s", "timeout=9s")
    ended = run(gallery, "sync_folders.py", "--from", "resnet")
    assert ended.returncode != 0
    assert f"vgg11_image_classification/{file} has 0 lines" in ended.stderr
    assert "timeout=5s" in (gallery / "flower_classification" / "Dockerfile").read_text()


def test_sync_asks_where_the_change_was_made(gallery):
    ended = run(gallery, "sync_folders.py")
    assert ended.returncode != 0
    assert "--from flower, resnet, vgg11" in ended.stderr
