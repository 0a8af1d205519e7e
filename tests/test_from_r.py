"""The workshop's lines of R: run as they are, with Debian's R, against the apps themselves."""

import os
import shutil
import subprocess

import pytest
from apps import find_app
from conftest import ROOT
from PIL import Image
from test_workshop import ADDRESS
from workshop_blocks import BLOCKS, assert_prints, run_by

IMAGE = "resnet_image_classification/data/cat.jpg"
PACKAGES = "library(curl); library(jsonlite)"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def needs_r():
    if not shutil.which("Rscript"):
        pytest.skip("NO R on this machine, to run the text's lines of R")
    if subprocess.run(["Rscript", "-e", PACKAGES], capture_output=True).returncode:
        pytest.skip("NO R PACKAGES curl and jsonlite on this machine")


@pytest.fixture
def run_r(serve, classifier, tmp_path):
    """Return a function that runs the text's program, with other last lines, against an app."""

    def run(name, last, works=True):
        program, _ = run_by("test_r_calls_give_what_the_text_shows")
        assert program.endswith('\nprint(ask("greet", "Ada"))\n')
        app = classifier(name) if name == "resnet" else find_app(name)
        program = program.replace(ADDRESS, serve(app).url.rstrip("/")).rpartition("print(")[0]
        (tmp_path / "call.R").write_text(f"{program}{last}\n", encoding="utf-8")
        ended = subprocess.run(
            ["Rscript", "call.R"],
            cwd=tmp_path,
            env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "en"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (ended.returncode == 0) == works, ended.stdout + ended.stderr
        return ended.stdout if works else ended.stderr

    return run


@pytest.mark.long
def test_r_calls_give_what_the_text_shows(run_r, tmp_path):
    program, sepia = run_by("test_r_calls_give_what_the_text_shows")
    (shown,) = [block.output for block in BLOCKS if block.text == program]
    assert_prints(run_r("hello", program.splitlines()[-1]), shown)
    run_r("sepia", sepia.replace(IMAGE, str(ROOT / IMAGE)))
    with Image.open(ROOT / IMAGE) as cat, Image.open(tmp_path / "sepia.png") as toned:
        assert toned.size == cat.size
        red, _, blue = (
            band.resize((1, 1)).getpixel((0, 0)) for band in toned.convert("RGB").split()
        )
        assert red > blue + 20


def test_r_gets_a_table_of_labels_from_a_classifier(run_r):
    _, sepia = run_by("test_r_calls_give_what_the_text_shows")
    upload = sepia.partition("\n\n")[0]
    ask = f'ask("predict", upload("{ROOT / IMAGE}"))$confidences[[1]]'
    printed = run_r("resnet", f"{upload}\ntable <- {ask}\nprint(dim(table))\nprint(names(table))")
    assert printed.splitlines() == ["[1] 5 2", '[1] "label"      "confidence"']


def test_r_sends_and_gets_letters_of_other_languages(run_r):
    assert run_r("hello", 'cat(ask("greet", "Åsa 叶"))') == "Hello Åsa 叶!"


@pytest.mark.parametrize(
    ("name", "call", "message"),
    [
        ("hello", 'ask("greet", "")', "Please type a name first."),
        ("hello", 'ask("greet")', "This function takes 1 value(s): see Use via API."),
        ("sepia", 'ask("sepia", upload("call.R"))', "This file cannot be read as an image."),
    ],
)
def test_r_stops_with_the_message_of_the_app(run_r, name, call, message):
    upload = run_by("test_r_calls_give_what_the_text_shows")[1].partition("\n\n")[0]
    printed = run_r(name, f'{upload}\n{call}\ncat("went on")', works=False)
    assert f"Error: {message}" in printed
