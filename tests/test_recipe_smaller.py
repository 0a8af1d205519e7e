"""The recipe `smaller`: ONNX Runtime predicts as PyTorch does, in a container without PyTorch."""

import os
import pickle
import re
import subprocess
import sys

import onnx
import pytest
import torch
from conftest import engine_here
from random_weights import make_checkpoint
from recipes_made import environment, make_app, running
from test_classifiers import RunsACommand
from test_labels_and_preprocessing import PHOTOS, trained_network  # noqa: F401
from test_recipe_faster import LABELS, ask, check_page, check_predictions


@pytest.fixture
def folder(tmp_path):
    """The folder of an app with the recipe, as it is when the network has been exported."""
    folder = make_app(tmp_path, "smaller")
    for name in ("cores.py", "download_model.py"):  # as the recipe says
        (folder / name).unlink()
    return folder


@pytest.fixture(scope="module")
def torchless_python(tmp_path_factory):
    """An environment of its own with what the recipe names, and no more."""
    return environment(make_app(tmp_path_factory.mktemp("smaller"), "smaller"))


def test_it_needs_no_torch(folder):
    for name in ("requirements.txt", "constraints.txt"):
        assert "torch" not in (folder / name).read_text()


def export(network, folder):
    """Write a network as the recipe's program does."""
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, 224, 224),),
        folder / "data" / "model.onnx",
        input_names=["image"],
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
def test_smaller_predicts_as_the_network_does_without_torch(
    folder,
    torchless_python,
    trained_network,  # noqa: F811
    page,
):
    ended = subprocess.run([torchless_python, "-c", "import torch"], capture_output=True)
    assert b"No module named 'torch'" in ended.stderr
    run_export(folder)
    with running(folder, torchless_python) as (_, client):
        assert len(ask(client, next(iter(PHOTOS)))) == 5
    export(trained_network, folder)  # replaces random numbers
    with running(folder, torchless_python) as (url, client):
        check_predictions(client, trained_network, 1e-3)
        check_page(page, url)


@pytest.mark.recipes
def test_smaller_without_its_network_says_how_to_make_it(folder, torchless_python):
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
    image, sum_ = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4])
        for name in ("image", "sum")
    )
    node = onnx.helper.make_node(operator, ["image", "w"], ["sum"], domain=domain)
    graph = onnx.helper.make_graph([node], "graph", [image], [sum_], [numbers])
    versions = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("other", 1)]
    model = onnx.helper.make_model(graph, opset_imports=versions, ir_version=8)
    return model.SerializeToString()


@pytest.mark.slow
def test_a_network_in_onnx_runs_no_code_and_reads_no_other_file(folder, tmp_path):
    trap = tmp_path / "trap"
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
def test_the_image_of_smaller_is_small_and_runs_as_serve_runs_it(folder):
    run_export(folder)
    gallery = folder.parent
    engine = f"DOCKER={engine_here()[0]}"
    command = [sys.executable, "scripts", "docker", "APP=my_app", "TAG=small", engine]
    ended = subprocess.run(command, cwd=gallery, capture_output=True, text=True, timeout=900)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    megabytes = int(re.search(r"\((\d+) MB\)", ended.stdout.replace(",", ""))[1])
    assert megabytes < 700
    smoke = f"import runpy, sys; sys.path[0] = {str(gallery / 'scripts')!r}; "
    smoke += "runpy.run_module('container.smoke', None, '__main__', True)"
    command = [sys.executable, "-c", smoke, "my_app", "--tag=small"]
    environment = {**os.environ, "DOCKER": engine_here()[0]}
    ended = subprocess.run(
        command, cwd=gallery, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "All is well" in ended.stdout
