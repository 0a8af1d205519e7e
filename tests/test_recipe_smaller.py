"""The starting point `smaller`: ONNX Runtime predicts as PyTorch does, without PyTorch."""

import os
import pickle
import re
import subprocess
import sys

import onnx
import onnxruntime
import pytest
from PIL import Image
from recipes_made import environment, make_app, running
from test_classifiers import RunsACommand
from test_labels_and_preprocessing import PHOTOS, by_hand, trained_network  # noqa: F401
from test_recipe_faster import check_page, check_predictions


@pytest.fixture
def folder(tmp_path):
    return make_app(tmp_path, source="smaller")


@pytest.fixture(scope="module")
def torchless_python(tmp_path_factory):
    """An environment of its own with what the app names, and no more."""
    return environment(make_app(tmp_path_factory.mktemp("smaller"), source="smaller"))


def test_it_needs_no_torch_and_its_page_is_that_of_the_classifiers(folder):
    for name in ("requirements.txt", "constraints.txt"):
        assert "torch" not in (folder / name).read_text()
    page = re.compile(r"(?s)\nprepare_uploads.*")
    resnet = (folder.parent / "resnet_image_classification" / "main.py").read_text()
    assert page.search((folder / "main.py").read_text())[0] == page.search(resnet)[0]


def export(source, folder, works=True):
    """Run the app's own program on the folder of another app; return what it says."""
    command = [sys.executable, folder / "export_onnx.py", source]
    ended = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=300)
    assert (ended.returncode == 0) == works, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout if works else ended.stderr.splitlines()[-2:]


def make_source(gallery, name="source", recipes="efficientnet_lite0"):
    """Make an app with a network of PyTorch in the same gallery."""
    settings = [f"NAME={name}", f"WITH={recipes}", "FROM=resnet"]
    command = [sys.executable, "scripts", "new", *settings]
    subprocess.run(command, cwd=gallery, check=True, capture_output=True, timeout=60)
    return gallery / name


@pytest.mark.recipes
def test_smaller_predicts_as_the_network_does_without_torch(
    folder,
    torchless_python,
    trained_network,  # noqa: F811
    page,
):
    ended = subprocess.run([torchless_python, "-c", "import torch"], capture_output=True)
    assert b"No module named 'torch'" in ended.stderr
    source = make_source(folder.parent)
    assert "the same predictions as source." in export(source, folder)
    assert {*folder.glob("data/*.jpg")} == {
        folder / "data" / f.name for f in source.glob("data/*.jpg")
    }
    with running(folder, torchless_python) as (url, client):
        check_predictions(client, trained_network, 1e-3)
        check_page(page, url)


def probabilities(folder):
    """Return what the network in an app says of a photo."""
    session = onnxruntime.InferenceSession(folder / "data" / "model.onnx")
    batch = by_hand(Image.open(next(iter(PHOTOS))).convert("RGB"))[None].numpy()
    return session.run(None, {session.get_inputs()[0].name: batch})[0][0]


@pytest.mark.long
def test_the_activation_comes_along_and_another_preprocessing_is_noticed(folder):
    """Of a network whose last layer is a sigmoid already; softmax is tried above."""
    source = make_source(folder.parent)
    main = source / "main.py"
    text = main.read_text()
    own = "model = torch.nn.Sequential(model, activation)\nactivation = torch.nn.Identity()\n"
    end, several = "# ---- End of your model", text.replace("nn.Softmax(dim=1)", "nn.Sigmoid()")
    main.write_text(several.replace(end, own + end))
    export(source, folder)
    assert probabilities(folder).sum() > 1.5  # with a softmax, it would be 1
    before = (folder / "data" / "model.onnx").read_bytes()
    main.write_text(text.replace(".transforms()", ".transforms(resize_size=232)"))
    said = export(source, folder, works=False)
    assert said[0].startswith("prepare.py prepares images of ")
    assert "resize_size=[232]" in said[1]
    assert (folder / "data" / "model.onnx").read_bytes() == before
    assert "is not the folder of an app" in export(folder / "data", folder, works=False)[0]


@pytest.mark.recipes
def test_smaller_without_its_network_says_how_to_make_it(folder, torchless_python):
    for content in (None, b"no network"):
        if content:
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


@pytest.mark.long
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
        assert "model.onnx is damaged." in ended.stderr
        assert not trap.exists()
