"""`make bench`: its users get predictions, and the figures in the text are those that it wrote."""

import json
import shutil
import subprocess
import sys

import pytest
from apps import find_app
from conftest import ROOT, SCRIPTS, import_file
from maintain.bench import report, stopwatch
from PIL import Image
from scale import report as scale_report

BENCH = ROOT / "docs" / "bench"
CHAPTER = ROOT / "docs" / "workshop" / "2-interface.md"


def figures(name="bench"):
    return json.loads((BENCH / f"{name}.json").read_text(encoding="utf-8"))


def test_the_table_is_made_from_the_raw_figures():
    assert (BENCH / "bench.md").read_text(encoding="utf-8") == report.table(figures())


def test_the_table_of_replicas_is_made_from_the_raw_figures():
    table = (BENCH / "scale.md").read_text(encoding="utf-8")
    assert table == scale_report.table(figures("scale"))
    assert table in (CHAPTER.parent / "9-more-than-one-machine.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["bench", "memory", "scale"])
def test_the_plot_is_made_from_the_raw_figures(name):
    source = Image.open(BENCH / f"{name}.png").text["Description"]
    assert source == report.digest(BENCH / f"{name}.json")


def test_memory_and_files_level_off():
    """The figures that the last `make bench-memory` wrote."""
    points = figures("memory")["points"]
    assert points[-1]["answers"] >= 10_000
    assert points[-1]["memory_mb"] <= 1.1 * points[0]["memory_mb"]
    assert points[-1]["memory_mb"] <= 1.02 * points[-3]["memory_mb"]


def test_the_text_shows_this_table_and_these_plots():
    text = CHAPTER.read_text(encoding="utf-8")
    for paragraph in report.table(figures()).strip().split("\n\n"):
        assert paragraph in text
    for name in ("bench", "memory"):
        assert f"(../bench/{name}.png)" in text


def test_a_noisy_machine_is_said_to_be_noisy():
    found = figures()
    found["idle_load_percent"] = [3, 40, 2]
    assert "The machine was noisy" in report.table(found)
    found["idle_load_percent"] = [0, 0, 0]
    for rounds in [rounds for levels in found["crowd"].values() for rounds in levels.values()]:
        for number, seen in enumerate(rounds):
            seen["per_second"] = 10 * (number + 1)
    assert "The machine was noisy" in report.table(found)


def test_a_figure_that_is_not_met_is_said_not_to_be():
    found = figures()
    for seen in found["crowd"]["source"]["8"]:
        seen["per_second"] = 1000
    (line,) = [
        line
        for line in report.table(found).splitlines()
        if "over the app of 2023" in line and "small" in line
    ]
    assert line.endswith("| no |")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "image"),
    [("hello", "hello", "small"), ("resnet", "gradio", "small"), ("resnet", "gradio", "phone")],
)
def test_users_of_an_app_get_predictions(serve, classifier, name, kind, image):
    served = serve(find_app("hello") if name == "hello" else classifier(name))
    code = f"import runpy, sys; sys.path[0] = {str(SCRIPTS)!r}"
    code += "; runpy.run_module('bench.users', None, '__main__', True)"
    options = ["--image", image, "--users", "3", "--seconds", "0.5"]
    command = [sys.executable, "-c", code, kind, served.url, *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout)
    assert seen["answers"] == len(seen["took"]) >= 3
    assert seen["took"] == sorted(seen["took"])


def test_the_stopwatch_times_reading_and_model(classifier, tmp_path):
    folder = tmp_path / "timed"
    shutil.copytree(classifier("resnet").folder, folder)
    image = {"path": folder / "data" / "cat.jpg"}
    untimed = import_file(folder / "main.py").predict(image)
    stopwatch.put_in(folder)
    timed = import_file(folder / "main.py")
    assert [timed.predict(image) for _ in range(3)] == [untimed] * 3
    parts = stopwatch.read(folder)
    assert 0 < parts["reading_ms"] < parts["model_ms"] < 10_000
    assert not (folder / "took.txt").read_text()  # what was read does not count again
    timed.predict(image)
    assert stopwatch.read(folder).keys() == parts.keys()  # of this prediction alone
