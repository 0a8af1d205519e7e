"""A copy as a repository of its own: what is in it, what it says, how it is updated."""

import json
import os
import re
import shutil
import subprocess
import sys

import new as make_new
import pytest
from apps import App
from container import build
from test_new import OUTPUT, copy_gallery, files, left, new, run

SOURCES = ["hello", "sepia", "flower", "sequences"]
# what git is not told here, as on a computer where it was never used
STRANGER = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
STRANGER |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.useConfigOnly"}
STRANGER |= {"GIT_CONFIG_VALUE_0": "true"}
ADA = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org"}
ADA |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in ADA.items()}


@pytest.fixture
def gallery(tmp_path):
    return copy_gallery(tmp_path)


def new_out(gallery, *words, **environment):
    """Make a repository `leaf` beside the gallery; return its folder and what was printed."""
    command = [sys.executable, "scripts", "new", "NAME=leaf", "OUT=../leaf", *words]
    environment = {**os.environ, **STRANGER, **environment}
    ended = subprocess.run(command, cwd=gallery, env=environment, timeout=99, **OUTPUT)
    assert ended.returncode == 0, ended.stderr
    return gallery.parent / "leaf", ended.stdout


def git(folder, *words):
    ended = subprocess.run(["git", *words], cwd=folder, check=True, **OUTPUT)
    return ended.stdout.splitlines()


# --- make new ... OUT= ---------------------------------------------------------------------------


def test_out_makes_a_repository_beside_the_gallery_with_all_that_a_copy_has(gallery):
    folder, said = new_out(gallery, "FROM=sepia", **ADA)
    assert left(gallery) == []
    assert "It is a git repository." in said
    assert re.findall(r"\.\./leaf/(\S+) ", said) == ["main.py", "requirements.txt", "README.md"]
    assert git(folder, "branch", "--show-current") == ["main"]
    assert git(folder, "log", "--format=%an %s") == ["Ada The app as it was copied"]
    assert git(folder, "status", "--porcelain") == []
    shutil.rmtree(folder / ".git")
    assert files(folder) == files(new(gallery, "leaf", "sepia"))
    shutil.rmtree(gallery / "leaf")
    # the commands for an app work with it where it is
    assert run(gallery, "check", "APP=../leaf").startswith("leaf: ready for SciLifeLab Serve")


def test_without_git_or_with_one_that_knows_nobody_there_is_the_folder_all_the_same(gallery):
    folder, said = new_out(gallery, PATH="/nowhere")
    assert "There is no git here." in said
    assert (folder / "main.py").exists()
    assert not (folder / ".git").exists()
    shutil.rmtree(folder)
    folder, said = new_out(gallery)
    assert "Commit its files" in said
    assert "main.py" in git(folder, "ls-files")


def test_a_wrong_out_gets_a_message(gallery):
    before = files(gallery.parent)
    for out, message in (
        ("leaf", "OUT=leaf is in the gallery. Leave OUT out, or name a place outside it.\n"),
        ("..", "OUT=.. already exists. Name a new folder.\n"),
    ):
        assert run(gallery, "new", "NAME=leaf", f"OUT={out}", works=False) == message
    assert files(gallery.parent) == before


def test_weights_that_github_refuses_stay_out_of_the_repository(gallery, monkeypatch):
    folder = new(gallery, "leaf", "resnet")
    for name, size in {"small.pth": 2**20, "large.onnx": 101 * 2**20}.items():
        with (folder / "data" / name).open("wb") as file:
            file.truncate(size)
    for name, value in ADA.items():
        monkeypatch.setenv(name, value)
    said = make_new.make_repository(folder)
    assert "GitHub accepts no file over 100 MB, so git leaves out data/large.onnx." in said
    kept = git(folder, "ls-files")
    assert ("data/small.pth" in kept, "data/large.onnx" in kept) == (True, False)


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        ("git@github.com:ada/leaf.git", "https://github.com/ada/leaf"),
        ("https://ada:secret@github.com/ada/leaf", "https://github.com/ada/leaf"),
        ("/srv/git/leaf", None),
        (None, None),
    ],
)
def test_an_image_says_where_the_code_of_its_repository_is(tmp_path, remote, source):
    assert build.source(App(("leaf",), tmp_path / "main.py", "")) == {}
    git(tmp_path, "init", "--quiet")
    if remote:
        git(tmp_path, "remote", "add", "origin", remote)
    found = build.source(App(("leaf",), tmp_path / "main.py", ""))
    assert found == ({"SOURCE": source} if source else {})


# --- what a copy says ----------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_agents_md_is_short_and_true_of_the_files(gallery, source):
    folder = new(gallery, "leaf", source)
    text = (folder / "AGENTS.md").read_text()
    assert len(text.splitlines()) <= 40
    assert "Leaf. `python main.py`" in text
    named = {*re.findall(r"`([\w./-]+\.(?:py|md|txt|sh|json|yml))`", text)}
    assert named | {"Dockerfile", ".dockerignore"} <= files(folder)
    # each file is explained
    kinds = (".py", ".sh", ".txt", ".json")
    programs = {file.name for file in folder.glob("*.*") if file.suffix in kinds}
    assert programs <= named
    # and what has to stay is there
    code = "".join(file.read_text() for file in folder.glob("*.py"))
    calls = {*re.findall(r"`(?:from \w+ import )?(\w+)(?:\(.*?\))?`", text)} - {"predict", "ok"}
    calls -= {"Dockerfile"}
    assert {"prepare_uploads", "queue", "launch"} <= calls
    assert [call for call in calls if not re.search(rf"\b{call}\b", code)] == []
    main = (folder / "main.py").read_text()
    for part in ("prepare_uploads()", "api_open=False", "launch(**settings(demo"):
        assert part in text
        assert part in main


def test_agents_md_and_hosting_md_say_what_the_folder_has(gallery):
    run(gallery, "new", "NAME=leaf_disease", "FROM=resnet", "WITH=many_images,not_sure")
    text = (gallery / "leaf_disease" / "AGENTS.md").read_text()
    assert "- `many_images.py`: Classify many images at once" in text
    assert "- `thresholds.py`: " in text
    text = (gallery / "leaf_disease" / "HOSTING.md").read_text()
    rows = dict(re.findall(r"(?m)^\| (.+?) \| (.+) \|$", text))
    assert rows["Title"] == "Leaf disease"
    assert rows["Subdomain"] == "leaf-disease"
    assert rows["Port"] == "8080"
    assert rows["Licence of the code"] == "*to be written*"  # the author's, not the gallery's
    order = ["Subdomain", "Storage", "Hardware", "Port", "Image", "Custom URL subpath", "Title"]
    assert [field for field in rows if field in order] == order
    for field in ("Source code URL", "Funding sources", "Creators", "Model card", "Contact"):
        assert field in rows


def test_a_copy_of_a_copy_has_sheets_of_its_own_and_each_passage_once(gallery):
    new(gallery, "leaf", "hello")
    folder = new(gallery, "flour", "leaf")
    assert "| Title | Flour |" in (folder / "HOSTING.md").read_text()
    assert (folder / "README.md").read_text().count("## Change it and publish it") == 1


def typed_in(folder, *command):
    """Run a command of a copy's README in a clone of it, and return what it prints."""
    ended = subprocess.run(command, cwd=folder, timeout=120, **OUTPUT)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.long
def test_a_clone_is_tried_and_changed_by_its_own_readme(gallery, tmp_path):
    folder, _ = new_out(gallery, "FROM=hello", **ADA)
    clone = tmp_path / "elsewhere" / "leaf"
    git(tmp_path, "clone", "--quiet", folder, clone)
    shutil.rmtree(gallery)
    command = "python checks/smoke.py main.py"
    assert f"```bash\n{command}\n```" in (clone / "README.md").read_text()
    words = [sys.executable, *command.split()[1:]]
    assert "ok    leaf: /greet answers: 'Hello Ada!'" in typed_in(clone, *words)
    main = clone / "main.py"
    main.write_text(main.read_text().replace('"Hello "', '"Hej "'))
    printed = typed_in(clone, *words)
    assert "ok    leaf: /greet answers: 'Hej Ada!'" in printed
    assert printed.endswith("All is well: 1 of 1 apps\n")


@pytest.mark.long
def test_a_clone_keeps_and_compares_its_reference_predictions(gallery, classifier):
    """Without the gallery and its `make`."""
    folder, _ = new_out(gallery, "FROM=resnet", **ADA)
    weights = next(classifier("resnet").folder.glob("data/*.pth"))
    content = weights.read_bytes()
    place = folder / "data" / weights.name
    shutil.rmtree(gallery)
    # random weights are marked as such by the comment of their ZIP file
    place.write_bytes(content.replace(b"\x06\x00random", b"\x06\x00mine__"))
    words = [sys.executable, "checks/smoke.py", "main.py"]
    assert "reference predictions" not in typed_in(folder, *words)
    typed_in(folder, sys.executable, "checks/reference_predictions.py", "main.py", "--yes")
    assert "reference predictions: 3 calls, within 0.0" in typed_in(folder, *words)
    expected = folder / "data" / "expected.json"
    content = json.loads(expected.read_text())
    first = content["calls"][0]["outputs"][0]
    first[next(iter(first))] += 0.1
    expected.write_text(json.dumps(content))
    ended = subprocess.run(words, cwd=folder, timeout=120, **OUTPUT)
    assert ended.returncode == 1
    assert "FAIL  leaf: reference predictions: " in ended.stdout


# --- make update ---------------------------------------------------------------------------------


def edit(file, old, text):
    before = file.read_text()
    assert old in before
    file.write_text(before.replace(old, text))


def move_on(gallery):
    """Change in the gallery, but not in copies, what a security fix does."""
    for file in gallery.rglob("*.*"):
        if not {"leaf", "flour"} & {*file.parts}:
            if file.name in ("guard.py", "pixels.py"):
                file.write_text(f"{file.read_text()}\n# fixed\n")
            elif file.name in ("requirements.txt", "constraints.txt"):
                text = file.read_text().replace("filelock==4.1.0", "filelock==4.1.1")
                file.write_text(text.replace("pillow==12.3.0", "pillow==12.3.1"))


def contents(folder):
    return {name: (folder / name).read_bytes() for name in files(folder)}


def test_an_update_brings_the_gallerys_files_and_nothing_else(gallery):
    run(gallery, "new", "NAME=leaf", "FROM=resnet", "WITH=not_sure")
    folder = gallery / "leaf"
    assert "There is nothing to replace." in run(gallery, "update", "APP=leaf")
    edit(folder / "requirements.txt", "\n", "\nscipy==1.17.0\n")
    edit(folder / "main.py", '"""Leaf', '"""My own')
    edit(folder / "README.md", "To be written", "Mine")
    before = contents(folder)
    move_on(gallery)
    # it says first what it would do
    said = run(gallery, "update", "APP=leaf", works=False)
    assert said == "Nothing was changed. To change these files: the same command with ARGS=--yes\n"
    assert contents(folder) == before
    said = run(gallery, "update", "APP=leaf", "ARGS=--yes")
    assert "  replace: guard.py\n" in said
    assert "      - filelock==4.1.0\n      + filelock==4.1.1\n" in said
    now = contents(folder)
    changed = {name for name in now if now[name] != before.get(name)}
    packages = {"requirements.txt", "constraints.txt"}
    assert changed == {"guard.py", "pixels.py", "copied_from.json", *packages}
    assert b"\nscipy==1.17.0\n" in now["requirements.txt"]
    assert b"# fixed" in now["guard.py"]
    assert "There is nothing to replace." in run(gallery, "update", "APP=leaf")


def test_a_copy_with_a_recipe_that_is_gone_is_updated(gallery):
    folder = new(gallery, "leaf", "resnet")
    edit(folder / "copied_from.json", '"recipes": []', '"recipes": ["five_classes"]')
    move_on(gallery)
    assert "  replace: guard.py\n" in run(gallery, "update", "APP=leaf", "ARGS=--yes")


def test_what_the_author_changed_or_deleted_stays_and_is_shown(gallery):
    folder = new(gallery, "leaf", "resnet")
    edit(folder / "Dockerfile", "EXPOSE 8080", "EXPOSE 9000")
    edit(folder / "guard.py", "import", "# mine\nimport")
    edit(folder / "requirements.txt", "pillow==12.3.0", "pillow==12.2.0")
    (folder / "pixels.py").unlink()
    move_on(gallery)
    edit(gallery / "resnet_image_classification" / "Dockerfile", "USER app", "# fixed\nUSER app")
    before = contents(folder)
    said = run(gallery, "update", "APP=leaf", "ARGS=--yes")
    assert "  by hand: Dockerfile, these lines:\n" in said
    assert "      + # fixed\n" in said
    assert "      - EXPOSE 9000\n      + EXPOSE 8080\n" in said
    assert "  by hand: guard.py, these lines:\n" in said
    versions = "      - pillow==12.2.0\n      + pillow==12.3.1\n"
    assert f"  by hand: requirements.txt, if your versions can change:\n{versions}" in said
    assert "pixels.py" not in said
    now = contents(folder)
    for name in ("Dockerfile", "guard.py"):
        assert now[name] == before[name]
    assert "pixels.py" not in now
    assert b"pillow==12.2.0" in now["requirements.txt"]
    assert b"filelock==4.1.1" in now["requirements.txt"]
    # taken over by hand, the file is the gallery's again
    shutil.copy(gallery / "resnet_image_classification" / "guard.py", folder)
    assert "guard.py" not in run(gallery, "update", "APP=leaf")


def test_a_copy_elsewhere_and_one_of_a_copy_are_updated_as_well(gallery):
    folder = new(gallery, "flour", "hello")
    edit(folder / "guard.py", "import", "# mine\nimport")
    outside, _ = new_out(gallery, "FROM=flour")
    move_on(gallery)
    said = run(gallery, "update", "APP=../leaf", "ARGS=--yes")
    assert said.startswith("leaf, copied from hello")
    assert "  by hand: guard.py" in said
    assert b"filelock==4.1.1" in (outside / "requirements.txt").read_bytes()


def test_an_older_copy_is_shown_what_to_change_and_left_as_it_is(gallery):
    folder = new(gallery, "leaf", "sepia")
    note = folder / "copied_from.json"
    old = json.loads(note.read_text())
    note.write_text(json.dumps({name: old[name] for name in ("from", "recipes", "sha256")}))
    edit(folder / "Dockerfile", "STOPSIGNAL SIGINT", "STOPSIGNAL SIGTERM")
    edit(folder / "requirements.txt", "filelock==4.1.0\n", "")
    (folder / "middleware.py").unlink()
    before = contents(folder)
    said = run(gallery, "update", "APP=leaf", "ARGS=--yes")
    assert said.startswith("leaf, an older copy; ")
    assert "      - STOPSIGNAL SIGTERM\n      + STOPSIGNAL SIGINT\n" in said
    assert "  by hand: middleware.py is missing. Copy " in said
    (place,) = re.findall(r"Copy (\S+/middleware\.py) there", said)
    assert (gallery / place).is_file()
    assert "      + filelock==4.1.0\n" in said
    assert "Then main.py: docs/reference/privacy-and-licences.md, Update your copy" in said
    assert contents(folder) == before


def test_an_update_that_cannot_be_gets_a_message(gallery):
    for words, message in (
        (["APP=resnet"], "resnet is an app of the gallery itself. Update the gallery: git pull"),
        (["APP=leaf"], 'There is no app "leaf".'),
        (["APP=hello", "ARGS=-y"], "ARGS can only be --yes, which skips the question."),
    ):
        assert run(gallery, "update", *words, works=False).startswith(message)
    new(gallery, "leaf", "hello")
    note = gallery / "leaf" / "copied_from.json"
    edit(note, '"from": "hello"', '"from": "gone"')
    assert 'There is no app "gone".' in run(gallery, "update", "APP=leaf", works=False)
