"""The recipes: each applied as it stands to a fresh copy, and used as its visitors would.

What they change is speed and size; the answers stay. So they are compared with the trained network
that proves labels and preprocessing, prepared by hand.
"""

import os
import pickle
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import onnx
import pytest
import torch
from conftest import CLASSIFIERS, ROOT, engine_here
from gradio_client import handle_file
from made_up_weights import make_checkpoint
from PIL import Image
from playwright.sync_api import expect
from test_classifiers import RunsACommand
from test_labels_and_preprocessing import PHOTOS, by_hand, trained_network  # noqa: F401
from test_new import copy_gallery, new, require_ready, running
from torchvision.models import ResNet18_Weights

RECIPES = ROOT / "docs" / "recipes"
EFFICIENTNET = ROOT / "docs" / "workshop" / "your-own-app" / "efficientnet_lite0.diff"
LABELS = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]


def apply(diff, folder):
    subprocess.run(["git", "apply", diff], cwd=folder, check=True)


@pytest.fixture
def gallery(tmp_path):
    return copy_gallery(tmp_path)


@pytest.mark.parametrize("source", CLASSIFIERS)
def test_faster_can_be_applied_to_each_classifier(gallery, source):
    folder = new(gallery, "leaf_disease", source)
    apply(RECIPES / "faster.diff", folder)
    require_ready(folder)


def prepare_smaller(gallery):
    folder = new(gallery, "leaf_disease", "resnet")
    shutil.copy(RECIPES / "export_onnx.py", folder)
    apply(RECIPES / "smaller.diff", folder)
    (folder / "download_model.py").unlink()
    return folder


def test_smaller_can_be_packaged_and_needs_no_torch(gallery):
    folder = prepare_smaller(gallery)
    for name in ("model.onnx", "labels.txt"):
        (folder / "data" / name).touch()
    require_ready(folder)
    assert "torch" not in (folder / "requirements.txt").read_text()


def probabilities(answer):
    return {row["label"]: row["confidence"] for row in answer["confidences"]}


def ask(client, photo):
    return probabilities(client.predict(handle_file(str(photo)), api_name="/predict"))


def check_answers(client, network, tolerance):
    """Compare the five probabilities with the network's own, for several visitors at once."""
    right = {}
    for photo in PHOTOS:
        with torch.inference_mode():
            scores = network(by_hand(Image.open(photo).convert("RGB"))[None])[0]
        right[photo] = dict(zip(LABELS, scores.softmax(0).tolist(), strict=True))
    with ThreadPoolExecutor(8) as visitors:
        photos = [*PHOTOS] * 6
        for photo, found in zip(
            photos, visitors.map(lambda p: ask(client, p), photos), strict=True
        ):
            assert next(iter(found)) == PHOTOS[photo]
            for label, probability in found.items():
                assert probability == pytest.approx(right[photo][label], abs=tolerance), photo


def check_page(page, url):
    page.goto(url)
    expect(page.get_by_role("button", name="Submit")).to_be_enabled()
    page.locator("input[type=file]").set_input_files(next(iter(PHOTOS)))
    expect(page.locator(".image-frame img[src*='/file=']")).to_have_count(1)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_test_id("label-output-value")).to_have_text("cheetah")


@pytest.mark.recipes
@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 1e-3), ("bf16", 0.02)])
def test_faster_answers_as_the_network_does(
    gallery,
    trained_network,  # noqa: F811
    page,
    precision,
    tolerance,
):
    folder = new(gallery, "leaf_disease", "resnet")
    apply(RECIPES / "faster.diff", folder)
    apply(EFFICIENTNET, folder)
    main = folder / "main.py"
    text = main.read_text()
    assert text.count('"f32",') == 1
    main.write_text(text.replace('"f32",', f'"{precision}",'))
    with running(folder) as (url, client):
        check_answers(client, trained_network, tolerance)
        check_page(page, url)


@pytest.fixture(scope="module")
def torchless_python(tmp_path_factory):
    """An environment of its own with what the recipe `smaller` names, and no more."""
    place = tmp_path_factory.mktemp("smaller")
    folder = prepare_smaller(copy_gallery(place))
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    python = place / "venv" / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "-r", folder / "requirements.txt"]
    subprocess.run(command, check=True, timeout=600)
    return python


def export(network, folder):
    """Write a network as the recipe's program does."""
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, 224, 224),),
        folder / "data" / "model.onnx",
        input_names=["picture"],
        dynamo=False,
    )
    (folder / "data" / "labels.txt").write_text("\n".join(LABELS) + "\n")


def run_export(folder):
    """Run the recipe's own program on weights of the right form, then take them away."""
    weights = folder / "data" / "image_classification_resnet18.pth"
    make_checkpoint(weights)
    command = [sys.executable, folder / "export_onnx.py"]
    ended = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert "Same probabilities as PyTorch" in ended.stdout
    weights.unlink()


@pytest.mark.recipes
def test_smaller_answers_as_the_network_does_without_torch(
    gallery,
    torchless_python,
    trained_network,  # noqa: F811
    page,
):
    folder = prepare_smaller(gallery)
    ended = subprocess.run([torchless_python, "-c", "import torch"], capture_output=True)
    assert b"No module named 'torch'" in ended.stderr
    run_export(folder)
    with running(folder, torchless_python) as (_, client):
        assert len(ask(client, next(iter(PHOTOS)))) == 5
    export(trained_network, folder)  # in the place of made-up numbers
    with running(folder, torchless_python) as (url, client):
        check_answers(client, trained_network, 1e-3)
        check_page(page, url)


@pytest.mark.recipes
def test_smaller_without_its_network_says_how_to_make_it(gallery, torchless_python):
    folder = prepare_smaller(gallery)
    for content in (None, b"no network", b""):
        if content is not None:
            (folder / "data" / "labels.txt").write_text("a\n")
            (folder / "data" / "model.onnx").write_bytes(content)
        command = [torchless_python, folder / "main.py"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1
        assert "export_onnx.py" in ended.stderr.splitlines()[1]
        assert len(ended.stderr.splitlines()) == 2, ended.stderr


def network_with(file=None, operator="Add", domain=""):
    """Return a network in ONNX that adds numbers: from a file beside it, or by another operator."""
    numbers = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[4])
    if file:
        numbers.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", file), ("length", "16")):
            numbers.external_data.add(key=key, value=value)
    else:
        numbers.raw_data = bytes(16)
    picture, sum_ = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4])
        for name in ("picture", "sum")
    )
    node = onnx.helper.make_node(operator, ["picture", "w"], ["sum"], domain=domain)
    graph = onnx.helper.make_graph([node], "graph", [picture], [sum_], [numbers])
    versions = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("other", 1)]
    model = onnx.helper.make_model(graph, opset_imports=versions, ir_version=8)
    return model.SerializeToString()


@pytest.mark.slow
def test_a_network_in_onnx_runs_no_code_and_reads_no_other_file(gallery, tmp_path):
    folder, trap = prepare_smaller(gallery), tmp_path / "trap"
    (tmp_path / "secret").write_bytes(bytes(16))
    hostile = [
        pickle.dumps(RunsACommand(f"touch {trap}")),
        network_with(file=os.path.relpath(tmp_path / "secret", folder / "data")),
        network_with(file=str(tmp_path / "secret")),
        network_with(operator="Run", domain="other"),
    ]
    for content in hostile:
        (folder / "data" / "labels.txt").write_text("a\n")
        (folder / "data" / "model.onnx").write_bytes(content)
        command = [sys.executable, folder / "main.py"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1
        assert "is damaged, or holds another model" in ended.stderr
        assert not trap.exists()


@pytest.mark.recipes
@pytest.mark.skipif(not engine_here(), reason="NO ENGINE for containers here")
def test_the_image_of_smaller_is_small_and_runs_as_serve_runs_it(gallery):
    folder = prepare_smaller(gallery)
    run_export(folder)
    engine = f"DOCKER={engine_here()[0]}"
    command = [sys.executable, "scripts", "docker", "APP=leaf_disease", "TAG=small", engine]
    ended = subprocess.run(command, cwd=gallery, capture_output=True, text=True, timeout=900)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    megabytes = int(re.search(r"\((\d+) MB\)", ended.stdout.replace(",", ""))[1])
    assert megabytes < 700
    smoke = f"import runpy, sys; sys.path[0] = {str(gallery / 'scripts')!r}; "
    smoke += "runpy.run_module('container.smoke', None, '__main__', True)"
    command = [sys.executable, "-c", smoke, "leaf_disease", "--tag=small"]
    environment = {**os.environ, "DOCKER": engine_here()[0]}
    ended = subprocess.run(
        command, cwd=gallery, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "All is well" in ended.stdout


def test_the_page_of_recipes_names_each():
    page = (RECIPES / "README.md").read_text(encoding="utf-8")
    for diff in RECIPES.glob("*.diff"):
        assert f"({diff.name})" in page
