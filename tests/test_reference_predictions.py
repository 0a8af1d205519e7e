"""Reference predictions: the right app passes, and the mistakes that give no error are found.

The network is the one that was really trained (see test_labels_and_preprocessing.py), in a real
server whose preprocessing and labels are changed while it runs.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import expect
import pytest
import reference_predictions
import torch
import verify
from conftest import ROOT, import_app, nginx_before
from gradio.media import get_image
from PIL import Image
from recipes_made import make_app
from server import free_port
from test_labels_and_preprocessing import load_trained_network
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

pytestmark = pytest.mark.slow

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def served(classifier, tmp_path_factory):
    """The app as it is found by name, its module, and the address of its server."""
    folder = tmp_path_factory.mktemp("known") / "my_app"
    shutil.copytree(classifier("resnet").folder, folder)
    shutil.copy(get_image("cheetah.jpg"), folder / "data")
    (folder / "data" / "expected.json").unlink()
    app = classifier("resnet")._replace(names=("my_app",), file=folder / "main.py")
    module = import_app(app)
    module.model = load_trained_network()
    port = free_port()
    here = module.settings(module.demo, server_name="127.0.0.1", server_port=port)
    module.demo.launch(**here, prevent_thread_lock=True, quiet=True)
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as place:
        client = verify.open_page(url, place)
        images = sorted((folder / "data").glob("*.jpg"))
        expect.write(app, {p: reference_predictions.ask(client, p) for p in images}, 0.02)
        yield app, module, url, client
        client.close()
    module.demo.close()


def test_the_right_app_passes(served):
    app, _, _, client = served
    assert reference_predictions.compare(app, client) == "4 images, all probabilities within 0.02"
    known = json.loads(reference_predictions.expected_file(app).read_text())["images"]
    assert known["cheetah.jpg"]["labels"] == ["cheetah"]
    assert len(known["cheetah.jpg"]["probabilities"]) == 5


def bgr(image):
    return MISTAKES["right"](image)[[2, 1, 0]]


MISTAKES = {
    "right": Compose([Resize(256), CenterCrop(224), ToTensor(), Normalize(MEAN, DEVIATION)]),
    "no normalisation": Compose([Resize(256), CenterCrop(224), ToTensor()]),
    "blue and red swapped": bgr,
    "squeezed": Compose([Resize((224, 224)), ToTensor(), Normalize(MEAN, DEVIATION)]),
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
        for value in known["images"].values():
            del value["probabilities"]
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
        ({"healthy": 0.44, "rust": 0.43, "mildew": 0.13}, "it says healthy (0.44) and not rust or"),
        ({"rust": 0.6, "mildew": 0.3, "healthy": 0.1}, "rust has 0.600 and not 0.440"),
    ],
)
def test_of_two_labels_that_are_as_likely_either_may_come_first(prediction, said):
    reference = {"labels": ["rust"], "probabilities": {"rust": 0.44, "mildew": 0.43}}
    found = reference_predictions.difference(reference, prediction, 0.02)
    assert found == said or found.startswith(said)


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
    monkeypatch.setattr(verify, "find_app", lambda name: app)
    try:
        verify.main(["my_app", f"--url={url}"])
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
            assert said == f"{address}: 4 images, all probabilities within 0.02.\n"


def test_a_page_that_is_none_is_told_with_a_message(served, capsys, monkeypatch):
    app = served[0]
    monkeypatch.setattr(verify, "CONNECT_S", 1)
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
        command = [sys.executable, "scripts/expect.py", "my_app", *options]
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
    assert "data/cat.JPG: " in ended.stdout
    assert "ARGS=--yes" in ended.stderr
    assert not file.exists()
    assert run_expect("--yes").returncode == 0
    known = json.loads(file.read_text())
    assert known["tolerance"] == 0.02
    assert known["images"]["bee.jpg"]["labels"] == ["bee"]
    known["images"]["bee.jpg"]["labels"] = ["wasp"]
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
        ("{", r"cannot be read"),
        ('{"images": {"bee.jpg": "bee"}}', r"cannot be read"),
        ('{"images": {"bee.jpg": {"labels": ["bee"]}}}', r"need 3 images or more; there are 1"),
    ],
)
def test_reference_predictions_that_show_nothing_are_refused(served, tmp_path, content, message):
    app = served[0]._replace(file=tmp_path / "main.py")
    (tmp_path / "data").mkdir()
    for name in ("bee", "cat", "cup"):
        Image.new("RGB", (300, 256)).save(tmp_path / "data" / f"{name}.jpg")
    if content:
        (tmp_path / "data" / "expected.json").write_text(content)
    with pytest.raises(reference_predictions.Differs, match=message):
        reference_predictions.read(app)
    if content is None:
        known = {f"{name}.jpg": {"labels": [name]} for name in ("bee", "cat", "cup")}
        reference_predictions.expected_file(app).write_text(json.dumps({"images": known}))
        with pytest.raises(reference_predictions.Differs, match="has a side of 256 pixels"):
            reference_predictions.read(app)


@pytest.mark.parametrize("name", ["resnet", "vgg11", "flower"])
def test_each_classifier_names_what_its_images_show_and_its_network_knows(classifier, name):
    app = classifier(name)
    images, _ = reference_predictions.read(app)
    assert len(images) == 3
    labels = {*import_app(app).LABELS}
    for value in images.values():
        assert {*value["labels"]} <= labels
    assert reference_predictions.are_random(app)


def test_smoke_compares_only_trained_weights(served):
    app, _, _, client = served
    message = "not compared: the weights are random"
    assert reference_predictions.compare_unless_random(app, client) == message
    copy = app._replace(file=ROOT / "absent" / "main.py")
    assert not reference_predictions.are_random(copy)
