"""`make bench` and `make load`: their users get predictions, and what is wrong is noticed."""

import json
import subprocess
import sys

import pytest
from apps import find_app
from conftest import SCRIPTS, in_thread
from maintain.bench import load, measure


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "image"),
    [("hello", "hello", "small"), ("resnet", "classifier", "phone")],
)
def test_users_of_an_app_get_predictions(serve, classifier, name, kind, image):
    served = serve(find_app("hello") if name == "hello" else classifier(name))
    options = ["--image", image, "--users", "3", "--seconds", "0.5"]
    command = [sys.executable, "-m", "maintain.bench.users", kind, served.url, *options]
    ended = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout)
    assert seen["answers"] == len(seen["took"]) >= 3
    assert seen["took"] == sorted(seen["took"])


def rounds(*rates):
    return [{"per_second": rate, "median_ms": 1000 / rate, "p95_ms": 2000 / rate} for rate in rates]


def test_the_table_has_the_ratios_to_the_servers_of_the_same_round(tmp_path):
    """The second round was slow for all of them."""
    found = {("source", "small", 8): rounds(20, 5, 20), ("app", "small", 8): rounds(40, 10, 30)}
    found["litserve", "small", 8] = rounds(80, 20, 75)
    for name in ("source", "app", "litserve"):
        for users in measure.USERS:
            found.setdefault((name, "small", users), rounds(users))
    found["source", "phone", 1] = rounds(0.5)
    memory = {"source": 1454, "app": 1237.4, "litserve": 2496}
    rows = measure.table(found, memory, "A machine.").splitlines()[2:5]
    assert [row.split(" | ")[2:5] for row in rows] == [
        ["20", "1.00", "0.25"],  # images per second, over the first app, over LitServe
        ["30", "2.00", "0.50"],
        ["75", "4.00", "1.00"],
    ]
    measure.plot(found, memory, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").exists()


LIONS, BEES = ({"confidences": [{"label": "lion", "confidence": p}]} for p in (0.9, 0.8))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Hello Ada!", "Hello Bo!"),
        (LIONS, BEES),
        (LIONS, {"confidences": [{"label": "bee", "confidence": 0.9}]}),
        ({"path": "/t/0a1b/image.png"}, {"path": "/t/2c3d/image.png"}),
        (LIONS, None),
    ],
)
def test_results_for_different_users_are_told_apart(one, two):
    assert load.same(one, one)
    assert not load.same(one, two)


APP = """\
import gradio as gr

greeted = [""]


def greet(name):
    greeted.append(name)
    return "Hello " + {result} + "!"


demo = gr.Interface(greet, "text", "text", analytics_enabled=False, flagging_mode="never")
if __name__ == "__main__":
    demo.launch()
"""


@pytest.mark.parametrize(
    ("result", "status", "shown"),
    [
        ("name", 0, "right"),
        ("(name if len(greeted) < 210 else greeted[-2])", 1, "wrong"),
        ("(name if len(greeted) < 210 else greeted[1000])", 1, "lost"),
        ("'everybody'", "The app gives two users the same: nothing can be checked.", ""),
    ],
)
@pytest.mark.long
def test_load_notices_a_result_that_is_somebody_else_s(tmp_path, capsys, result, status, shown):
    app = tmp_path / "greeting_app.py"
    app.write_text(APP.format(result=result), encoding="utf-8")
    try:
        ended = in_thread(load.main, str(app), 5, 8)
    except SystemExit as error:
        ended = error.code
    printed = capsys.readouterr().out
    assert ended == status, printed
    assert shown in printed
    assert "page: p50" in printed or not shown
