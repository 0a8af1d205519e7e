"""Apps of your own: `make new` and `make sync`. What recipes put into them: test_recipe_*.py."""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from apps import find_app
from calls import FILE, call
from check import check, check_name
from conftest import CLASSIFIERS, ROOT, STEPS, run_main
from container import images
from gradio_client import Client, handle_file
from maintain.sync import CLASSIFIERS as FOLDERS

PHOTOS = ROOT / "resnet_image_classification" / "data"
OUTPUT = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
ON_GITHUB = {".devcontainer/devcontainer.json", ".github/publish.sh", ".gitignore"}
ON_GITHUB |= {".github/workflows/publish.yml", ".github/dependabot.yml"}
CHECKS = ["apps", "model", "questions", "random_weights", "reference_predictions"]
CHECKS = {f"checks/{name}.py" for name in [*CHECKS, "server", "smoke"]}
ADDED = {*ON_GITHUB, *CHECKS, "AGENTS.md", "HOSTING.md", "copied_from.json"}
RULE = "must begin with a letter and have only a to z, digits and single _, up to 40 in all"
SUMMARY = '"""Leaf disease: to be written: what the app does, in one line."""'


@pytest.fixture
def gallery(tmp_path):
    """A copy of what the gallery is made of, without weights."""
    return copy_gallery(tmp_path)


def copy_gallery(place):
    ignore = shutil.ignore_patterns("*.pth", "*.replaced", ".download-*", "__pycache__", ".*_cache")
    copied = ("example_apps", "scripts", "docs/recipes", "docs/starting_points", ".devcontainer")
    for folder in (*copied, *FOLDERS):
        shutil.copytree(ROOT / folder, place / "gallery" / folder, ignore=ignore)
    for file in ("LICENSE", "CITATION.cff", "pyproject.toml"):
        shutil.copy(ROOT / file, place / "gallery")
    return place / "gallery"


def run(gallery, *words, works=True):
    """Run a command of the gallery, such as `list`; return what it prints, or its complaint."""
    ended = subprocess.run([sys.executable, "scripts", *words], cwd=gallery, timeout=99, **OUTPUT)
    assert (ended.returncode == 0) == works, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout if works else ended.stderr


def new(gallery, name, source):
    """Make a new app and return its folder."""
    run(gallery, "new", f"NAME={name}", f"FROM={source}")
    return gallery / name


def files(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix() for path in paths if "__pycache__" not in str(path)}


def left(gallery):
    """Return what there is of an app called leaf, whole or not."""
    return [path.name for path in gallery.iterdir() if "leaf" in path.name]


IMPOSSIBLE = [
    ("Leaf disease", RULE, "leaf_disease"),
    ("Leaf", RULE, "leaf"),
    ("../leaf", RULE, "leaf"),
    ("blåbär", RULE, "blabar"),
    ("叶", RULE, "app"),
    ("2cells", RULE, "my_2cells"),
    ("leaf_", RULE, "leaf"),
    ("leaf__disease", RULE, "leaf_disease"),
    ("leaf" * 20, RULE, "leafleafleafleafleafleafleafleafl"),
    ("class", "word of the Python language", "my_class"),
    ("all", "every app", "my_all"),
    ("license", "there already", "my_license"),
    ("resnet", "resnet_image_classification/main.py", "my_resnet"),
    ("hello2", "example_apps/hello2_app.py", "my_hello2"),
    ("vgg11_classification", "vgg11_image_classification", "my_vgg11_classification"),
]


@pytest.mark.slow
def test_an_impossible_name_gets_a_message_with_a_possible_one(gallery):
    before = files(gallery)
    for name, reason, possible in IMPOSSIBLE:
        message = run(gallery, "new", f"NAME={name}", works=False)
        assert re.fullmatch(rf'The name ".*{reason}.*; NAME={possible} is possible\.\n', message)
        assert files(gallery) == before
    for name in sorted({possible for *_, possible in IMPOSSIBLE}):
        new(gallery, name, "hello")
        image, _, tag = images.image_name(find_app(name, gallery)).partition(":")
        assert check_name(f"ghcr.io/user/{image}", tag) == []


def test_a_name_is_needed_and_cannot_be_given_twice(gallery):
    for name in ("", "  "):
        message = run(gallery, "new", f"NAME={name}", "FROM=hello", works=False)
        assert message == "A new app needs a name. Set one, such as NAME=leaf_disease.\n"
    main = new(gallery, "leaf", "hello") / "main.py"
    main.write_text("# my work\n")
    message = run(gallery, "new", "NAME=leaf", "FROM=resnet", works=False)
    assert "is there already; NAME=my_leaf is possible" in message
    assert main.read_text() == "# my work\n"
    # nor one that differs only in what short names leave out
    message = run(gallery, "new", "NAME=leaf_classification", "FROM=resnet", works=False)
    assert "would be confused with leaf/main.py" in message


def test_a_wrong_from_lists_the_apps(gallery):
    message = run(gallery, "new", "NAME=leaf", "FROM=resnt", works=False)
    assert {*STEPS, *CLASSIFIERS} <= {*re.findall(r"[\w-]+", message)}
    assert left(gallery) == []


def require_ready(folder):
    """See to it that `make check` and `make lint` find nothing."""
    assert {finding.rule for finding in check(folder, folder / "main.py")} <= {"weights"}
    if not importlib.util.find_spec("ruff"):
        pytest.skip("ruff is not installed here; `make lint` brings it")
    for arguments in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", folder]
        linted = subprocess.run(command, cwd=folder.parent, **OUTPUT)
        assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("source", ["resnet", "flower"])
def test_a_copied_classifier_has_all_but_what_is_of_its_model_and_its_own_name(gallery, source):
    original = find_app(source, gallery).folder
    wanted = files(original) - {"data/expected.json"}  # predictions of the model that is left out
    for name in ("data/a.pth", "data/a.pth.replaced", "data/.download-1/a", ".gradio/log.csv"):
        (original / name).parent.mkdir(exist_ok=True)
        (original / name).write_text("not to be copied")
    folder = new(gallery, "leaf_disease", source)
    assert files(folder) == wanted | ADDED
    for name in wanted - {"main.py", "README.md", "Dockerfile"}:
        assert (folder / name).read_bytes() == (original / name).read_bytes()
    dockerfile, before = ((f / "Dockerfile").read_text() for f in (folder, original))
    assert re.sub(r"(?<==)https://github.*| \\\n.*licenses=.*", "", before) == dockerfile
    assert "\nARG SOURCE=\nARG VERSION=unknown\nLABEL " in dockerfile
    main, before = ({*(f / "main.py").read_text().splitlines()} for f in (folder, original))
    assert main - before == {SUMMARY, 'TITLE = "Leaf disease"'}
    card = (folder / "README.md").read_text()
    assert card.startswith("---\ntitle: Leaf disease\n")
    assert "docker build -t leaf_disease:v1 .\n" in card
    assert "docker run --rm -p 8080:8080 leaf_disease:v1\n" in card
    # what the other model can do is not passed off as what the new one can
    note = card.partition("# Leaf disease\n\n")[2].partition("\n\n")[0]
    assert f"This folder was copied from `{original.name}`" in note
    assert "**not of yours**" in note
    require_ready(folder)


@pytest.mark.parametrize("source", ["hello", "sepia", "themed"])
def test_a_copied_step_has_its_code_and_no_more_than_it_needs(gallery, source):
    folder, step, bare = gallery / "leaf_disease", find_app(source), gallery / "scripts" / "bare"
    said = run(gallery, "new", "NAME=leaf_disease", f"FROM={source}")
    named = re.findall("leaf_disease/(.*?) ", said)
    assert named == ["main.py", "requirements.txt", "README.md"]
    assert "\nStart it: make run APP=leaf_disease " in said
    more = {"image.py", "pixels.py"} if source == "sepia" else set()
    assert files(folder) == files(bare) | ADDED | more
    packages = (step.folder if source == "sepia" else bare) / "requirements.txt"
    assert (folder / "requirements.txt").read_text() == packages.read_text()
    main, card = (folder / "main.py").read_text(), (folder / "README.md").read_text()
    assert main.startswith(f"{SUMMARY}\n")
    assert 'title="Leaf disease"' in main or source == "hello"
    text = "".join(file.read_text() for file in folder.glob("*[!s].[pmD]*"))
    assert not re.search(r"title=\"(Sepia|A friendly greeter)|serve-tutorials", text)
    labels = (folder / "Dockerfile").read_text()
    assert ("\nARG SOURCE=\n" in labels, "MIT" in labels) == (True, False)
    main = main.replace(
        'title="Leaf disease"', re.search('title=".*?"|$', step.file.read_text())[0]
    )
    for part in re.split(
        r"(?m)^(?:(?:from|import|prepare_uploads|if __name__).*|(?=demo = ))", step.file.read_text()
    )[1:-1]:
        assert part.strip() in main
    assert main.count("prepare_uploads()") == 1
    launch = "settings(demo, theme=gr.themes.Soft())" if source == "themed" else "settings(demo)"
    assert main.endswith(f"demo.launch(**{launch})\n")
    assert card.startswith("---\ntitle: Leaf disease\n")
    assert "docker build -t leaf_disease:v1 .\n" in card
    row = r"(?m)^leaf_disease +leaf_disease/main\.py +Leaf disease: to be written"
    assert re.search(row, run(gallery, "list"))
    require_ready(folder)


def test_weights_that_are_not_copied_are_named(gallery):
    folder = new(gallery, "leaf", "resnet")
    (folder / "download_model.py").unlink()
    (folder / "data" / "leaf.pth").write_text("weights")
    said = run(gallery, "new", "NAME=tree", "FROM=leaf")
    assert "\nNot copied: data/leaf.pth. Copy it if your app loads it." in said
    (gallery / "resnet_image_classification/data/image_classification_resnet18.pth").touch()
    assert "Not copied" not in run(gallery, "new", "NAME=bush", "FROM=resnet")


@pytest.mark.parametrize("text", ["print(", "import gradio as gr\n\ngr.Blocks().launch()\n"])
def test_what_cannot_be_copied_gets_a_message(gallery, text):
    (gallery / "example_apps" / "sepia_app.py").write_text(f'"""My own."""\n\n{text}')
    (gallery / "resnet_image_classification" / "data" / "absent.jpg").symlink_to("/no/such/file")
    reasons = {"sepia_app.py": "sepia_app.py", "resnet": "No such file.*absent.jpg"}
    for source, reason in reasons.items():
        message = run(gallery, "new", "NAME=leaf", f"FROM={source}", works=False)
        assert re.fullmatch(f"leaf was not made: .*{reason}.*\n", message)
    assert left(gallery) == []


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interruption_leaves_no_app(gallery, stop):
    large = gallery / "resnet_image_classification" / "data" / "large.bin"
    with large.open("wb") as file:
        file.truncate(8 * 2**30)  # takes no space on the disk; the copy would
    command = [sys.executable, "scripts", "new", "NAME=leaf", "FROM=resnet"]
    process = subprocess.Popen(command, cwd=gallery, start_new_session=True, **OUTPUT)
    while process.poll() is None and not left(gallery):
        time.sleep(0.01)
    os.killpg(process.pid, stop)
    printed = "".join(process.communicate(timeout=60))
    large.unlink()
    assert process.returncode != 0
    if stop != signal.SIGKILL:
        assert printed == "\nStopped. leaf was not made.\n"
        assert left(gallery) == []
    assert "\nleaf " not in run(gallery, "list")
    assert not (new(gallery, "leaf", "resnet") / "data" / "large.bin").exists()
    assert left(gallery) == ["leaf"]  # what a killed run left is gone as well


@contextlib.contextmanager
def running(folder, python=sys.executable):
    """Start an app by `python main.py`, give its address and a client, and stop it as Docker does.

    It prints no warning meanwhile.
    """
    places = {"HOME": folder, "GRADIO_TEMP_DIR": folder / "uploads"}
    with run_main(folder / "main.py", python, **places) as server:
        url = server.wait().url
        with contextlib.closing(Client(url, verbose=False, download_files=folder)) as client:
            yield url, client
        status = server.stop()  # by SIGINT, the Dockerfiles' STOPSIGNAL
    assert status == 0, server.printed()
    assert not re.search("traceback|warn", server.printed().lower()), server.printed()


@pytest.mark.slow
def test_no_copy_opens_or_fetches_anything_but_uploads(gallery):
    folder = new(gallery, "leaf_disease", "sepia")
    with running(folder) as (url, client):
        for path in ("https://example.com/x.png", str(folder / "requirements.txt")):
            assert "event: complete" not in call(url, "sepia", {"path": path, **FILE})
        assert client.predict(handle_file(PHOTOS / "bee.jpg"), api_name="/sepia")


# ---- make sync ----


def test_a_shared_change_reaches_all_folders_and_their_models_stay(gallery):
    folder = find_app("flower", gallery).folder
    changes = {
        "main.py": ("max_size=200", "max_size=100"),
        "download_model.py": ("--url URL     from another", "--url URL     from any other"),
        "requirements.txt": ("pooch==1.9.0", "pooch==1.9.1"),
        "constraints.txt": ("pooch==1.9.0", "pooch==1.9.1"),
        "Dockerfile": ("timeout=10s", "timeout=9s"),
        ".dockerignore": (".gradio\n", ".gradio\n.cache\n"),
        "pixels.py": ("MAX_MEGAPIXELS = 50", "MAX_MEGAPIXELS = 40"),
        "guard.py": ("KEEP_S = 10, 1800", "KEEP_S = 10, 900"),
        "middleware.py": ("MAX_DEPTH, MAX_ADDRESS = 200", "MAX_DEPTH, MAX_ADDRESS = 100"),
        "weights.py": ("weights_only=True", "mmap=True, weights_only=True"),
        "start-script.sh": ("exec python main.py", "exec python -u main.py"),
    }
    wanted = {file: file.read_text() for name in changes for file in gallery.rglob(name)}
    for name, change in changes.items():
        old = wanted[folder / name]
        assert change[0] in old
        for file, text in wanted.items():
            if file.name == name and (file.parent.name in FOLDERS or text == old):
                wanted[file] = text.replace(*change)
        (folder / name).write_text(wanted[folder / name])
    assert "Imports are not copied" in run(gallery, "sync", "FROM=flower")
    assert [file for file, text in wanted.items() if file.read_text() != text] == []
    assert os.access(gallery / "scripts" / "bare" / "start-script.sh", os.X_OK)
    assert run(gallery, "sync", "FROM=flower") == "All folders agree.\n"


@pytest.mark.parametrize("name", ["main.py", "download_model.py"])
def test_without_the_marks_of_a_model_nothing_is_changed(gallery, name):
    assert "FROM=flower, FROM=resnet, FROM=vgg11" in run(gallery, "sync", works=False)
    file = gallery / "vgg11_image_classification" / name
    file.write_text(re.sub("(?m)^(# ---- End|MAX_BYTES)", r"# \1", file.read_text()))
    changed, other = (gallery / f"{n}_classification/image.py" for n in ("resnet_image", "flower"))
    changed.write_text("# changed")
    message = run(gallery, "sync", "FROM=resnet", works=False)
    assert f"{file} must have one line that begins with" in message
    assert other.read_text() != "# changed"
