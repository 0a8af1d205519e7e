"""Reference predictions: the right app passes, and the mistakes that give no error are found.

The network is the one that was really trained (see test_labels_and_preprocessing.py), in a real
server whose preprocessing and labels are changed while it runs.
"""

import argparse
import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import reference_predictions
import torch
from apps import find_app
from conftest import ROOT, import_app, nginx_before
from gradio.media import get_image
from PIL import Image
from recipes_made import make_app
from server import free_port
from smoke import start_app
from test_components import copy_bare
from test_labels_and_preprocessing import load_trained_network
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor
from workshop_blocks import run_by

pytestmark = pytest.mark.slow

SAME = "5 calls, within 0.0000 of what the author has looked at"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def served(classifier, tmp_path_factory):
    """The app as it is found by name, its module, and the address of its server."""
    folder = tmp_path_factory.mktemp("known") / "my_app"
    shutil.copytree(classifier("resnet").folder, folder)
    shutil.copy(get_image("cheetah.jpg"), folder / "data")
    with Image.open(get_image("lion.jpg")) as lion:  # as many scans of MRI
        lion.resize((256, 256)).save(folder / "data" / "square.jpg")
    (folder / "data" / "expected.json").unlink()
    app = classifier("resnet")._replace(names=("my_app",), file=folder / "main.py")
    module = import_app(app)
    module.model = load_trained_network()
    port = free_port()
    here = module.settings(module.demo, server_name="127.0.0.1", server_port=port)
    module.demo.launch(**here, prevent_thread_lock=True, quiet=True)
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as place:
        client = reference_predictions.open_page(url, place)
        calls = reference_predictions.calls_of(app, client)
        for call in calls:
            call["outputs"] = reference_predictions.ask(app, client, call)
        reference_predictions.write(app, calls, 0.02)
        yield app, module, url, client
        client.close()
    module.demo.close()


def test_the_right_app_passes(served):
    app, _, _, client = served
    assert reference_predictions.compare(app, client) == SAME
    calls = json.loads(reference_predictions.expected_file(app).read_text())["calls"]
    known = {call["inputs"][0]["file"]: call["outputs"][0] for call in calls}
    assert next(iter(known["cheetah.jpg"])) == "cheetah"
    assert len(known["cheetah.jpg"]) == 5


def bgr(image):
    return MISTAKES["right"](image)[[2, 1, 0]]


TEXT = {}
exec(*run_by("test_images_prepared_in_another_way_are_found"), TEXT)
MISTAKES = {
    "right": TEXT["cropped"],
    "no normalisation": Compose([Resize(256), CenterCrop(224), ToTensor()]),
    "blue and red swapped": bgr,
    "squashed": TEXT["squashed"],
    "cut out at another size": Compose(
        [Resize(232), CenterCrop(224), ToTensor(), Normalize(MEAN, DEVIATION)]
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_images_prepared_in_another_way_are_found(served, monkeypatch, mistake):
    app, module, _, client = served
    monkeypatch.setattr(module, "preprocess", MISTAKES[mistake])
    if mistake == "right":
        reference_predictions.compare(app, client)
        return
    with pytest.raises(reference_predictions.Differs, match=r"with a tolerance of 0\.02|it says"):
        reference_predictions.compare(app, client)


def test_labels_in_another_order_are_found_even_without_probabilities(served, monkeypatch):
    app, module, _, client = served
    file = reference_predictions.expected_file(app)
    whole = file.read_text()
    try:
        known = json.loads(whole)
        for call in known["calls"]:
            call["outputs"] = [[*call["outputs"][0]][:1]]
        file.write_text(json.dumps(known))
        said = reference_predictions.compare(app, client)
        assert "not the preprocessing. `make expect APP=my_app`" in said
        monkeypatch.setattr(module, "LABELS", sorted(module.LABELS))
        wrong = r"cheetah\.jpg: it says .* not cheetah"
        with pytest.raises(reference_predictions.Differs, match=wrong):
            reference_predictions.compare(app, client)
    finally:
        file.write_text(whole)
    with pytest.raises(reference_predictions.Differs):
        reference_predictions.compare(app, client)


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        ({"rust": 0.44, "mildew": 0.43, "healthy": 0.13}, None),
        ({"mildew": 0.44, "rust": 0.43, "healthy": 0.13}, None),  # as likely as rust
        (
            {"healthy": 0.44, "rust": 0.43, "mildew": 0.13},
            "it says healthy (0.44) and not rust or mildew",
        ),
        ({"rust": 0.6, "mildew": 0.3, "healthy": 0.1}, "rust has 0.600 and not 0.440"),
    ],
)
def test_of_two_labels_that_are_as_likely_either_may_come_first(prediction, said):
    reference = {"rust": 0.44, "mildew": 0.43}
    prediction = reference_predictions.Labels(prediction)
    gaps = [*reference_predictions.gaps(reference, prediction, 0.02)]
    found = [words for gap, words in gaps if gap > 0.02]
    assert any(words.startswith(said) for words in found) if said else not found


@pytest.mark.parametrize(
    ("reference", "found", "same"),
    [
        (0.001, 0.00101, True),
        (0.001, 0.002, False),
        (1e-9, -1e-9, True),
        (7, 7.1, True),
        (100, 101, False),  # numbers of classes or cells
        (["a", "0.5117"], ["a", "0.5118"], True),
        (["a", "0.5117"], ["a", "0.6"], False),
        ("100", "101", False),
        (float("nan"), 1.0, False),
        (float("nan"), float("nan"), True),
        (True, 1, False),
        ([1.0], [1.0, 2.0], False),
        ({"a": None}, {"a": None}, True),
        ({"a": 1.0}, {"b": 1.0}, False),
    ],
)
def test_decimal_numbers_may_differ_a_little_and_all_else_must_be_the_same(reference, found, same):
    gaps = [gap for gap, _ in reference_predictions.gaps(reference, found, 0.02)]
    assert (max(gaps) <= 0.02) is same


@pytest.mark.long
def test_bfloat16_needs_and_gets_a_tolerance_of_its_own(served, monkeypatch):
    app, module, _, client = served
    file = reference_predictions.expected_file(app)
    whole, network = file.read_text(), module.model
    known = json.loads(whole)
    rough = load_trained_network().to(torch.bfloat16)
    monkeypatch.setattr(module, "model", lambda batch: rough(batch.bfloat16()).float())
    try:
        for tolerance, passes in ((0.0005, False), (0.05, True)):
            file.write_text(json.dumps({**known, "tolerance": tolerance}))
            if passes:
                reference_predictions.compare(app, client)
            else:
                with pytest.raises(reference_predictions.Differs):
                    reference_predictions.compare(app, client)
    finally:
        file.write_text(whole)
        module.model = network


def run_verify(capsys, monkeypatch, app, url):
    """Run `make verify`; return its status and what it printed."""
    monkeypatch.setattr(reference_predictions, "find_app", lambda name: app)
    try:
        reference_predictions.verify("my_app", url)
    except SystemExit as error:
        return error.code
    return capsys.readouterr().out


def test_a_hosted_page_is_asked_behind_a_path_too(served, tmp_path, capsys, monkeypatch):
    app, _, url, _ = served
    port = free_port()
    location = f"""location /apps/my-app/ {{ proxy_pass {url}; proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Prefix /apps/my-app; proxy_buffering off; }}"""
    with nginx_before(tmp_path, port, location):
        for address in (url, f"http://127.0.0.1:{port}/apps/my-app/"):
            said = run_verify(capsys, monkeypatch, app, address)
            assert said == f"{address}: {SAME}.\n"


def test_a_page_that_is_none_is_told_with_a_message(served, capsys, monkeypatch):
    app = served[0]
    monkeypatch.setattr(reference_predictions, "CONNECT_S", 1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):

        def respond():
            while True:
                connection, _ = other.accept()
                connection.recv(9999)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nshop")
                connection.close()

        threading.Thread(target=respond, daemon=True).start()
        for server in (silent, other):
            url = f"http://127.0.0.1:{server.getsockname()[1]}/"
            said = run_verify(capsys, monkeypatch, app, url)
            assert said.startswith(f"my_app: No Gradio app responds at {url} (")
    said = run_verify(capsys, monkeypatch, app, f"http://127.0.0.1:{free_port()}/")
    assert "No Gradio app responds at" in said
    assert "is not an address" in run_verify(capsys, monkeypatch, app, "my-app.example.org")


@pytest.mark.long
def test_make_expect_writes_only_what_the_author_has_looked_at(tmp_path):
    folder = make_app(tmp_path, "efficientnet_lite0")
    file = folder / "data" / "expected.json"
    (folder / "data" / "cat.jpg").rename(folder / "data" / "cat.JPG")
    (folder / "data" / "._cat.jpg").write_text("left by macOS")

    def run_expect(*options):
        code = "import sys; sys.path.insert(0, 'scripts'); import reference_predictions as r; "
        command = [sys.executable, "-c", f"{code}r.expect(sys.argv[1:])", "my_app", *options]
        return subprocess.run(
            command,
            cwd=folder.parent,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    ended = run_expect()
    assert ended.returncode == 1
    assert "\ncat.JPG: " in f"\n{ended.stdout}"
    assert "ARGS=--yes" in ended.stderr
    assert not file.exists()
    assert run_expect("--yes").returncode == 0
    known = json.loads(file.read_text())
    assert known["tolerance"] == 0.02
    assert {call["inputs"][0]["file"] for call in known["calls"]} == {
        "bee.jpg",
        "cat.JPG",
        "espresso.jpg",
    }
    (bee,) = [call for call in known["calls"] if call["inputs"] == [{"file": "bee.jpg"}]]
    assert next(iter(bee["outputs"][0])) == "bee"
    bee["outputs"] = [["wasp"]]
    file.write_text(json.dumps(known))
    ended = run_expect("--yes")
    assert ended.returncode == 1
    assert "it says bee" in ended.stderr
    assert "not wasp" in ended.stderr
    assert json.loads(file.read_text()) == known


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"`make expect APP=my_app` writes it"),
        ("{", r"cannot be read .*Delete it; `make expect APP=my_app` writes it anew"),
        ('{"images": {"bee.jpg": {"labels": ["bee"]}}}', r"cannot be read \(KeyError, 'calls'\)"),
        ('{"calls": [{"inputs": ["a"]}]}', r"cannot be read \(KeyError, 'outputs'\)"),
        ('{"calls": []}', r"has no predictions: `make expect APP=my_app` writes it"),
    ],
)
def test_reference_predictions_that_show_nothing_are_refused(served, tmp_path, content, message):
    app = served[0]._replace(file=tmp_path / "main.py")
    (tmp_path / "data").mkdir()
    if content:
        (tmp_path / "data" / "expected.json").write_text(content)
    with pytest.raises(reference_predictions.Differs, match=message):
        reference_predictions.read(app)


@pytest.mark.parametrize("name", ["resnet", "vgg11", "flower"])
def test_each_classifier_names_what_its_images_show_and_its_network_knows(classifier, name):
    app = classifier(name)
    calls = reference_predictions.read(app)["calls"]
    assert len(calls) == 3
    labels = {*import_app(app).LABELS}
    for call in calls:
        assert Path(call["inputs"][0]).exists()
        assert {*call["outputs"][0]} <= labels
    assert reference_predictions.are_random(app)


def test_smoke_compares_only_trained_weights(served):
    app, _, _, client = served
    message = "not compared: the weights are random"
    assert reference_predictions.compare_unless_random(app, client) == message
    copy = app._replace(file=ROOT / "absent" / "main.py")
    assert not reference_predictions.are_random(copy)


# ---- References that were made where the model was trained ----


@pytest.fixture
def trained(served, tmp_path, monkeypatch):
    """The app with what the lines in the text write in a notebook with the same network."""
    app, module, _, client = served
    (lines,) = run_by("test_the_lines_for_a_notebook_find_what_gives_no_error")
    folder = tmp_path / "my_app"
    shutil.copytree(app.folder / "data", folder / "data")
    monkeypatch.chdir(folder / "data")
    notebook = {"model": load_trained_network(), "preprocess": MISTAKES["right"]}
    exec(lines, notebook | {"class_names": module.LABELS})
    return app._replace(file=folder / "main.py"), module, client


def second_softmax(module):
    return {"activation": lambda outputs: outputs.softmax(1).softmax(1)}


def sorted_labels(module):
    return {"LABELS": sorted(module.LABELS)}


SILENT = {name: (lambda _, p=p: {"preprocess": p}) for name, p in MISTAKES.items()}
SILENT |= {"labels in another order": sorted_labels, "a second softmax": second_softmax}


@pytest.mark.parametrize("mistake", SILENT)
def test_the_lines_for_a_notebook_find_what_gives_no_error(trained, monkeypatch, capsys, mistake):
    app, module, client = trained
    for name, value in SILENT[mistake](module).items():
        monkeypatch.setattr(module, name, value)
    before = reference_predictions.expected_file(app).read_text()
    options = argparse.Namespace(yes=True, tolerance=0.02)
    if mistake == "right":
        reference_predictions.record(app, client, options)
        said = capsys.readouterr().out
        assert re.search(r"(?m)^cat\.jpg: within 0\.00\d\d$", said)
        assert re.search(r"calls, within 0\.00\d\d of the model where it was trained\.$", said)
    else:
        with pytest.raises(reference_predictions.Differs, match=r"has 0\.\d+ and not|it says"):
            reference_predictions.record(app, client, options)
    assert reference_predictions.expected_file(app).read_text() == before


def test_an_example_image_that_was_deleted_is_named_with_what_to_do(trained):
    app, _, client = trained
    (app.folder / "data" / "cat.jpg").unlink()
    remedy = r"data/cat\.jpg is not there any more\. Put it back, or record the rest: make expect"
    with pytest.raises(reference_predictions.Differs, match=remedy):
        reference_predictions.compare(app, client)


# ---- Other inputs and outputs ----

PAGE = """
import csv
import os
import tempfile
import time

import numpy as np
from gradio import media

CHANGE = ""


def text(name):
    return f"Hello {name}{CHANGE}", 7.5 + len(CHANGE)


def table(rows):
    file = os.path.join(tempfile.mkdtemp(dir=os.environ["GRADIO_TEMP_DIR"]), "result.csv")
    cells = [[row[0], float(row[1]) * (1.1 if CHANGE else 1.00001)] for row in rows]
    with open(file, "w", newline="") as stream:
        csv.writer(stream).writerows([["name", "length"], *cells])
    return cells, file


def picture(image):
    return image // (2 if CHANGE else 1), (image[:, :, 0] > (5 if CHANGE else 3)).astype("uint8")


def sound(wave):
    return wave[0], wave[1] // (2 if CHANGE else 1)


def measures(number):
    return {"area": number * (1.1 if CHANGE else 1), "kind" + CHANGE: ["round", None, True]}


def small(number):
    return number * (2 if CHANGE else 1)


def lucky(number):
    return number * (2 if CHANGE else 1), time.monotonic()


with gr.Blocks(analytics_enabled=False) as demo:
    for function, inputs, outputs, row in (
        (text, [gr.Textbox()], [gr.Textbox(), gr.Number()], ["Ada"]),
        (table, [gr.Dataframe(type="array", column_count=2)], [gr.Dataframe(), gr.File()],
         [[["a", 1.5], ["b", 2.5]]]),
        (picture, [gr.Image()], [gr.Image(format="webp"), gr.Image(format="png")],
         [media.get_image("lion.jpg")]),
        (sound, [gr.Audio()], [gr.Audio()], [media.get_audio("audio_sample.wav")]),
        (measures, [gr.Number()], [gr.JSON()], [1234.56789]),
        (small, [gr.Number()], [gr.Number()], [0.001]),
        (lucky, [gr.Number()], [gr.Number(), gr.Number()], [7]),
    ):
        gr.Examples([row], inputs)
        gr.Button().click(function, inputs, outputs)
"""
# what is said once the app has changed, for each of its functions
CHANGED = {
    "text": r"Ada: output 1: Hello Ada! and not Hello Ada\.",
    "table": r"1, 2, a, 1\.5, b, 2\.5: output \d.* 2: (1\.65|2\.75) and not [12]\.5, with a tol",
    "picture": r"\d_lion\.jpg: output 1: \d_image\.webp differs, with a tolerance",
    "sound": r"\d_audio_sample\.wav: \d_\S+\.wav differs, with a tolerance",
    "measures": r"1234\.56789: \{'area'.* and not \{'area'",
    "small": r"0\.001: 0\.002 and not 0\.001, with a tolerance",
    "lucky": r"7: output 1: 14 and not 7\.",  # and not output 2
}


def test_any_inputs_and_outputs_are_kept_and_compared_by_kind(tmp_path, capsys):
    folder = copy_bare(tmp_path / "my_app")
    before, _, after = (folder / "main.py").read_text().partition("demo = gr.Interface(")
    main = before + PAGE + after[after.index("\n\nif __name__") :]
    (folder / "main.py").write_text(main)
    app, options = find_app(str(folder / "main.py")), argparse.Namespace(yes=True, tolerance=0.02)
    (folder / "data").mkdir()
    for text in (main, main.replace('CHANGE = ""', 'CHANGE = "!"')):
        (folder / "main.py").write_text(text)
        with (
            tempfile.TemporaryDirectory() as place,
            start_app(app) as server,
            contextlib.closing(
                reference_predictions.open_client(server.wait().url, place)
            ) as client,
        ):
            if text == main:
                reference_predictions.record(app, client, options)
                assert re.search(r"\n  a \| 1\.5\d*\n  b \| 2\.5", capsys.readouterr().out)
                said = reference_predictions.compare(app, client)
                assert said.startswith("7 calls, within 0.00")
                continue
            with pytest.raises(reference_predictions.Differs) as error:
                reference_predictions.compare(app, client)
    assert reference_predictions.read(app)["calls"][4]["inputs"] == [1234.56789]
    kept = {path.name for path in (folder / "data" / "expected").iterdir()}
    assert len(kept) == 6  # two inputs, four outputs
    lines = str(error.value).splitlines()
    assert len(lines) == len(CHANGED) + 1
    for line, pattern in zip(lines, CHANGED.values(), strict=False):
        assert re.match(rf"\s*{pattern}", line), line
