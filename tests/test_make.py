"""The commands of the Makefile, as they are typed."""

import re
import shutil
import socket
import subprocess
import sys
import time

import commands
import explain
import model
import pytest
import requests
from apps import find_app, find_apps
from conftest import CLASSIFIERS, ROOT, STEPS
from server import Failed, Server
from smoke import check_page
from workshop_blocks import saved

NAMES = [*STEPS, *CLASSIFIERS]


GROUPS = (commands.FOR_YOUR_APP, commands.FOR_THIS_REPOSITORY)
EVERY = {name: function for group in GROUPS for name, function in group.items()}


# --- the commands and their settings -------------------------------------------------------------


def launch(*words):
    """Run the launcher behind make, as on a system without make."""
    command = [sys.executable, "scripts", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_make_alone_explains_every_command_in_two_groups(make):
    explained = make()
    assert explained.returncode == 0
    for text, group in zip(explained.stdout.split("\n\n"), GROUPS, strict=False):
        assert re.findall(r"(?m)^  make ([a-z-]+)", text) == list(group)
    assert max(map(len, explained.stdout.splitlines())) <= 100


def test_help_explains_each_command_with_all_its_settings(make):
    assert make("help", "COMMAND=run").stdout.strip() == explain.one("run", EVERY["run"])
    used = set()
    for name, function in EVERY.items():
        explained, settings = explain.one(name, function), explain.settings_of(function)
        assert explained.startswith(f"make {name}")
        used |= settings.keys()
        for setting in settings:
            meaning = re.escape(commands.SETTINGS[setting])
            assert re.search(rf"(?m)^  {setting} +{meaning}", explained), (name, setting)
    assert used == {*commands.SETTINGS}


def test_without_make_it_is_the_same_command(make):
    assert launch("list").stdout == make("list").stdout
    assert launch().stdout == make().stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rum", "APP=hello"], 'There is no command "rum". Did you mean run? `make help` lists'),
        (["new", "NAME=leaf", "FORM=resnet"], "`make new` has no setting FORM. Did you mean FROM?"),
        (["run", "app=sepia"], "Settings are in capital letters: APP=sepia"),
        (["list", "PORT=9"], "`make list` has no setting PORT. It takes none."),
        (["smoke", "APP=hello", "ARGS=-x"], "no setting ARGS. It takes APP, TORCH_INDEX."),
        (["run", "APP=hello", "PORT=eighty"], "PORT=eighty is not a whole number from 1 to 65,535"),
    ],
)
def test_a_wrong_command_or_setting_gets_a_message(make, words, message):
    ended = make(*words)
    assert ended.returncode != 0
    assert message in ended.stdout
    assert len(ended.stdout.splitlines()) <= 2  # the other one is make's own


def test_a_word_that_is_no_setting_gets_a_message():
    ended = launch("run", "hello")
    message = '"hello" is not a setting; settings look like APP=sepia.'
    assert (ended.stdout, message in ended.stderr) == ("", True)


def test_a_file_or_folder_called_like_a_command_does_not_hide_it(tmp_path):
    for name in ("Makefile", "scripts", "example_apps", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("list", "help", "list.c"):
        (tmp_path / name).touch()
    for command in (["make", "list"], ["make", "help"], ["make"]):
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert "sepia" in ended.stdout, ended.stderr


def test_a_list_that_is_cut_off_gives_no_error():
    command = f"{sys.executable} scripts list | head -1"
    ended = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout.startswith("APP=")
    assert ended.stderr == ""


def test_a_setting_reaches_the_command_as_it_was_typed(make):
    word = 'it\'s a b "x" $HOME \\ *'
    assert f'There is no app "{word}".' in make("check", f"APP={word}").stdout


def test_list_names_every_app_with_its_file_and_what_it_teaches(make):
    listed = make("list").stdout
    for app in find_apps():
        row = next(line for line in listed.splitlines() if str(app.file.relative_to(ROOT)) in line)
        assert app.name in row
        assert app.summary in row
    names = [line.split()[0] for line in listed.splitlines()[1:] if line]
    assert [name for name in names if name in NAMES] == NAMES


def test_short_names_find_their_app():
    for name in ("multi-input", "hello2", "example_apps/hello2_app.py"):
        assert find_app(name).file == ROOT / "example_apps" / "hello2_app.py"
    for name in ("vgg11", "vgg11_image_classification", "vgg11_image_classification/"):
        assert find_app(name).file == ROOT / "vgg11_image_classification" / "main.py"


@pytest.mark.parametrize(("target", "app"), [("run", "resnt"), ("check", ""), ("docker", "resnt")])
def test_a_wrong_or_missing_name_lists_the_right_ones(make, target, app):
    ended = make(target, f"APP={app}")
    assert ended.returncode != 0
    assert "Traceback" not in ended.stdout
    for name in NAMES:
        assert name in ended.stdout


def test_a_copied_folder_is_known_at_once(tmp_path):
    for folder in ("example_apps", "resnet_image_classification", "scripts"):
        ignore = shutil.ignore_patterns("*.pth", "__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(tmp_path / "resnet_image_classification", tmp_path / "leaf_disease")
    shutil.copytree(tmp_path / "resnet_image_classification", tmp_path / "resnet")
    listed = subprocess.run(["make", "list"], cwd=tmp_path, capture_output=True, text=True).stdout
    assert re.search(r"^leaf_disease +leaf_disease/main.py", listed, re.MULTILINE)
    assert find_app("leaf_disease", tmp_path).file == tmp_path / "leaf_disease" / "main.py"
    # the folder's own name goes before a short name
    assert find_app("resnet", tmp_path).file == tmp_path / "resnet" / "main.py"


PYTHONS = ["python", "python3", *(f"python3.{minor}" for minor in range(10, 15))]


def add_python(folder, version, *names):
    """Put programs into a folder that are this Python, but say that they are another version."""
    number = tuple(map(int, version.split(".")))
    said = f"import sys; sys.version_info, sys.version = {number}, {version!r}"
    (folder / version).mkdir()
    (folder / version / "sitecustomize.py").write_text(said)
    for name in names:
        (folder / name).write_text(
            f'#!/bin/sh\ntest "$1" = --version && echo Python {version} && exit\n'
            f'PYTHONPATH={folder / version} exec {sys.executable} "$@"\n'
        )
        (folder / name).chmod(0o755)


@pytest.mark.parametrize("version", ["3.8.18", "3.15.0"])
def test_no_python_or_another_version_gives_a_message(make, tmp_path, version):
    add_python(tmp_path, version, *PYTHONS)
    ended = make("run", "APP=hello", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert ended.returncode != 0
    assert f"Python 3.10 to 3.14 is needed, and none was found (Python {version})" in ended.stdout
    assert "https://www.python.org/downloads/" in ended.stdout
    assert "Traceback" not in ended.stdout


def test_of_several_pythons_one_is_taken_that_has_all_packages(make, tmp_path):
    add_python(tmp_path, "3.15.0", "python3", "python")
    add_python(tmp_path, "3.14.1", "python3.14")
    ended = make("list", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert (ended.returncode, "sepia" in ended.stdout) == (0, True), ended.stdout


def test_without_make_an_old_python_gives_a_message(tmp_path):
    add_python(tmp_path, "3.8.18", "python")
    command = [tmp_path / "python", "scripts", "list"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.stderr == "Python 3.10 to 3.14 is needed: https://www.python.org/downloads/\n"


def make_run(*settings):
    """Start `make run ...` on a port of its own, as in a terminal."""
    return Server(["make", "run", "PORT={PORT}", *settings], cwd=ROOT, PYTHONUNBUFFERED="1")


@pytest.mark.slow
def test_make_run_prints_the_address_and_serves_this_computer_alone():
    with make_run("APP=sepia") as server:
        server.wait(said="Only this computer can open it. Ctrl-C stops it.")
        assert f"http://localhost:{server.port}" in server.printed()
        with socket.socket() as other:
            # on Linux also this computer, where an app that is open to the network responds
            assert other.connect_ex(("127.0.0.2", server.port)) != 0
    assert "Traceback" not in server.printed()
    assert "warn" not in server.printed().lower()
    assert not server.is_open()


@pytest.mark.slow
def test_make_run_for_the_room_says_so():
    with make_run("APP=hello", "HOST=0.0.0.0") as server:
        server.wait(said="Everyone on your network can open it")
        if sys.platform == "linux":
            assert requests.get(f"http://127.0.0.2:{server.port}/", timeout=10).ok


@pytest.mark.slow
def test_ctrl_c_while_an_app_is_starting_leaves_no_traceback():
    with make_run("APP=hello") as server:
        while "Starting" not in server.printed():
            time.sleep(0.1)
        time.sleep(0.3)
    assert "Traceback" not in server.printed()


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_a_taken_port_gives_a_message(make, family, address):
    """Also one of IPv6 alone: a browser asks that first for "localhost"."""
    with socket.socket(family) as other:
        try:
            other.bind((address, 0))
        except OSError:
            pytest.skip("NO IPv6 on this machine")
        other.listen()
        port = other.getsockname()[1]
        ended = make("run", "APP=hello", f"PORT={port}")
    assert ended.returncode != 0
    assert f"Port {port} is taken" in ended.stdout
    assert re.search(r"choose another port: PORT=\d+", ended.stdout)
    assert "Traceback" not in ended.stdout


def test_an_impossible_host_gives_a_message(make):
    ended = make("run", "APP=hello", "HOST=203.0.113.9")
    assert ended.returncode != 0
    assert "This computer has no address 203.0.113.9" in ended.stdout
    assert "Traceback" not in ended.stdout


def test_weights_that_main_py_does_not_load_are_not_fetched(tmp_path):
    """The program of the app that it was copied from may still be there."""
    folder = shutil.copytree(find_app("resnet").folder, tmp_path / "leaf")
    app = find_app(str(folder / "main.py"))
    assert model.is_needed(app)
    main = folder / "main.py"
    main.write_text(main.read_text().replace("image_classification_resnet18.pth", "leaf.onnx"))
    assert not model.is_needed(app)
    before = sorted(folder.rglob("*"))
    model.fetch(app, if_missing=True)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.long
def test_smoke_of_a_classifier_without_weights_says_that_labels_mean_nothing(make):
    ended = make("smoke", "APP=resnet")
    assert ended.returncode == 0, ended.stdout
    if not list((ROOT / "resnet_image_classification" / "data").glob("*.pth")):
        assert "THE LABELS MEAN NOTHING" in ended.stdout
    assert "/predict answers: 5 labels" in ended.stdout


LAST = "server_port=8080)"
# what is wrong with an app, and the checks that find it
BROKEN = {
    ("/greet answers", "/greet with an empty form", "/greet is closed"): {
        '"Hello " + name': '"Hallo " + name',
        ", print_exception=False)": ")",
        "raise gr.Error(": "raise ValueError(",
        LAST: "server_port=8080, app_kwargs={})",
    },
    ("starts",): {"def greet": "1 / 0\n\n\ndef greet"},
    ("stops by Ctrl-C",): {LAST: f"{LAST}\n    raise SystemExit(3)"},
}


def smoke(file):
    command = [sys.executable, str(ROOT / "scripts" / "smoke.py"), str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("failures", BROKEN)
def test_smoke_fails_when_an_app_is_broken(tmp_path, failures):
    text, app = find_app("hello").file.read_text(), tmp_path / "hello_app.py"
    for old, new in BROKEN[failures].items():
        assert old in text
        text = text.replace(old, new)
    app.write_text(text)
    ended = smoke(app)
    assert ended.returncode != 0
    for failure in failures:
        assert re.search(rf"^FAIL +\S+: {failure}", ended.stdout, re.MULTILINE), ended.stdout


def test_smoke_takes_no_other_page_for_that_of_an_app(tmp_path):
    (tmp_path / "index.html").write_text("<h1>Welcome to nginx!</h1>")
    words = ["-m", "http.server", "{PORT}", "--bind", "127.0.0.1", "--directory", tmp_path]
    with (
        Server([sys.executable, *words]) as server,
        pytest.raises(Failed, match="this is not the page of a Gradio app"),
    ):
        check_page(server.wait().url)


@pytest.mark.slow
def test_smoke_sends_the_first_example_of_the_page_and_is_green(make, tmp_path):
    """Of an app that takes DNA, say: "Ada" would be refused."""
    app = tmp_path / "gc_app.py"
    app.write_text(saved("example_apps/gc_app.py"), encoding="utf-8")
    for name in ("requirements.txt", "constraints.txt"):
        shutil.copy(ROOT / "example_apps" / name, tmp_path)
    ended = make("smoke", f"APP={app}")
    assert ended.returncode == 0, ended.stdout
    assert "/gc_content answers: (28.57, 7)" in ended.stdout
    assert ": stops by Ctrl-C" in ended.stdout
    assert "All is well: 1 of 1 apps" in ended.stdout


def test_clean_removes_what_was_made_and_keeps_weights(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    weights = tmp_path / "my_app" / "data" / "model.pth"
    made = [tmp_path / ".venv" / "x", tmp_path / "my_app" / "__pycache__" / "x"]
    for file in [weights, *made]:
        file.parent.mkdir(parents=True)
        file.touch()
    assert not subprocess.run(["make", "clean"], cwd=tmp_path, capture_output=True).returncode
    assert weights.exists()
    assert not any(file.parent.exists() for file in made)
