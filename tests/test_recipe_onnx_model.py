"""The starting point `onnx_model`: whatever form the file has, the probabilities are the same."""

import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
from calls import classify
from conftest import ROOT
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageOps
from playwright.sync_api import expect
from recipes_made import made_and_served, make_app, running
from test_labels_and_preprocessing import PHOTOS, by_hand, trained_network  # noqa: F401

POINT = ROOT / "docs/starting_points/onnx_model"
LABELS = ["empty", "few cells", "crowded"]
IMAGES = {label: POINT / f"data/{label.replace(' ', '_')}.png" for label in LABELS}
SIDE = 96


# ---- Files of every form, made from the one of the example ----


def changed(before=(), after=(), input=("float", [1, 3, SIDE, SIDE]), more=()):
    """Return the example's network as a file, with nodes before and behind it.

    Of the nodes before, the first takes "given" and the last makes "image"; of those behind, the
    first takes "scores" and the last makes "out".
    """
    model = onnx.load(POINT / "data/model.onnx")
    graph, kind = model.graph, TensorProto.DataType.Value(input[0].upper())
    before = before or [("Identity", ["given"], ["image"], {})]
    after = after or [("Identity", ["scores"], ["out"], {})]
    nodes = [
        [helper.make_node(n, i, o, **how) for n, i, o, how in each] for each in (before, after)
    ]
    nodes = [*nodes[0], *graph.node, *nodes[1]]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.input.extend([helper.make_tensor_value_info("given", kind, input[1]), *more])
    graph.output.append(helper.make_tensor_value_info("out", TensorProto.FLOAT, None))
    return model


def constant(name, value, kind="float32"):
    return ("Constant", [], [name], {"value": numpy_helper.from_array(np.array(value, kind))})


def prepare_uint8(image, size):
    return np.asarray(ImageOps.fit(image, size, Image.Resampling.BILINEAR))


def prepare_as_main(image, size):
    return (np.float32(prepare_uint8(image, size)) / 255 - 0.5) / 0.25


def prepare_grey(image, size):
    return prepare_as_main(image.convert("L"), size)


TO_FIRST = ("Transpose", ["last"], ["image"], {"perm": [0, 3, 1, 2]})
FROM_UINT8 = [
    ("Cast", ["given"], ["float"], {"to": TensorProto.FLOAT}),
    constant("average", 127.5),
    constant("spread", 63.75),
    ("Sub", ["float", "average"], ["centred"], {}),
    ("Div", ["centred", "spread"], ["last"], {}),
    TO_FIRST,
]
LAST = [("Identity", ["given"], ["last"], {}), TO_FIRST]
SOFTMAX = [("Softmax", ["scores"], ["out"], {"axis": 1})]
GREY = [("Concat", ["given"] * 3, ["image"], {"axis": 1})]
SIZE, LAST_SIZE = f"{SIDE} x {SIDE} pixels, colours", [1, SIDE, SIDE, 3]
FORMS = {  # what is said about it, and how it is changed
    "colours last": (
        f"{SIZE} last (3), as float32. A softmax makes",
        {"before": LAST, "input": ("float", LAST_SIZE)},
    ),
    "pixels as they are": (
        f"{SIZE} last (3), as uint8. A softmax makes",
        {"before": FROM_UINT8, "input": ("uint8", LAST_SIZE)},
    ),
    "one colour": (
        f"{SIZE} first (1), as float32. A softmax makes",
        {"before": GREY, "input": ("float", [1, 1, SIDE, SIDE])},
    ),
    "softmax included": ("Its outputs are probabilities already.", {"after": SOFTMAX}),
    "four images at once": ("A softmax makes", {"input": ("float", [4, 3, SIDE, SIDE])}),
    "any size": (f"{SIZE} first", {"input": ("float", ["n", 3, "height", "width"])}),
}
PREPARE = {"pixels as they are": prepare_uint8, "one colour": prepare_grey}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_app(tmp_path_factory.mktemp("onnx_model"), source="onnx_model")


@pytest.fixture
def network(folder, tmp_path, monkeypatch):
    """Return a function that loads a file as the app does."""
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "network", raising=False)
    import network

    def load(model, labels=LABELS, prepare=prepare_as_main, **how):
        file = tmp_path / "model.onnx"
        if model is not None:
            file.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        return network.load_model(file, labels, prepare, **how)

    yield load
    sys.modules.pop("network", None)


@pytest.fixture(scope="module")
def right():
    """The probabilities of the example's network, calculated here."""
    import onnxruntime

    session = onnxruntime.InferenceSession(POINT / "data/model.onnx")
    found = {}
    for label, file in IMAGES.items():
        pixels = prepare_as_main(Image.open(file), (SIDE, SIDE)).astype("float32")
        scores = session.run(None, {"image": pixels.transpose(2, 0, 1)[None]})[0][0]
        found[label] = dict(zip(LABELS, np.exp(scores) / np.exp(scores).sum(), strict=True))
        assert max(found[label], key=found[label].get) == label
    return found


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_the_file_changes_no_probability(network, right, form):
    about, how = FORMS[form]
    size = SIDE if form == "any size" else 224  # counts only where the file leaves it open
    prepare = PREPARE.get(form, prepare_as_main)
    model = network(changed(**how), prepare=prepare, size=(size, size))
    assert about in model.about
    for label, file in IMAGES.items():
        found = model.predict(Image.open(file))
        assert found == pytest.approx(right[label], abs=2e-3)
        assert next(iter(found)) == label


@pytest.mark.slow
def test_a_keras_model_predicts_what_it_did_where_it_was_trained(network, tmp_path, monkeypatch):
    """By the line that `make inspect` and the text name."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    layers = [keras.layers.Input((SIDE, SIDE, 3)), keras.layers.Conv2D(8, 3, activation="relu")]
    layers += [keras.layers.BatchNormalization(), keras.layers.GlobalMaxPooling2D()]
    model = keras.Sequential([*layers, keras.layers.Dense(3, activation="softmax")])
    image = Image.open(IMAGES["few cells"])
    before = model.predict(np.float32(prepare_as_main(image, (SIDE, SIDE)))[None], verbose=0)[0]
    model.export(tmp_path / "keras.onnx", format="onnx", verbose=False)
    found = network((tmp_path / "keras.onnx").read_bytes())
    assert "colours last" in found.about
    assert "probabilities already" in found.about
    after = found.predict(image)
    assert [after[label] for label in LABELS] == pytest.approx(before.tolist(), abs=1e-4)


def test_several_labels_have_probabilities_of_their_own(network):
    sigmoid = changed(after=[("Sigmoid", ["scores"], ["out"], {})])
    image = Image.open(IMAGES["crowded"])
    included, added = (network(each, several=True).predict(image) for each in (sigmoid, changed()))
    assert included == pytest.approx(added, abs=1e-5)
    assert sum(included.values()) != pytest.approx(1, abs=0.005)


def first_score(*more):
    """Return a network with one output, and nodes from "first" to "out" behind that."""
    return changed(
        after=[
            constant("place", [0], "int64"),
            ("Gather", ["scores", "place"], ["first"], {"axis": 1}),
            *more,
        ]
    )


SMALL = [  # its outputs look like probabilities, but for images that nobody has
    constant("small", 0.0001),
    constant("half", 0.5),
    ("Mul", ["first", "small"], ["smaller"], {}),
    ("Add", ["smaller", "half"], ["out"], {}),
]


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([("Identity", ["first"], ["out"], {})], "A sigmoid makes a probability of each output."),
        (SMALL, "A sigmoid makes a probability of each output."),
        ([("Sigmoid", ["first"], ["out"], {})], "Its outputs are probabilities already."),
    ],
)
def test_one_output_is_a_probability_or_becomes_one(network, nodes, said):
    assert network(first_score(*nodes), ["is empty"]).about.endswith(said)


MASK = helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1])
FLAT = [
    constant("shape", [1, 3, SIDE, SIDE], "int64"),
    ("Reshape", ["given", "shape"], ["image"], {}),
]
INFINITE = [constant("zero", 0), ("Div", ["scores", "zero"], ["out"], {})]
# a network that takes one size only, though the file does not say so
PATCHES = [
    constant("shape", [-1, 3, SIDE, SIDE], "int64"),
    ("Reshape", ["given", "shape"], ["image"], {}),
]
REFUSED = {  # why: the network, and how it is loaded
    "takes 2 inputs: given": (lambda: changed(more=[MASK]), {}),
    "takes no images: given [1, 27648]": (
        lambda: changed(FLAT, input=("float", [1, 3 * SIDE * SIDE])),
        {},
    ),
    "does not say which number is that of the colours: given ['n', 'c', 'h', 'w']": (
        lambda: changed(input=("float", ["n", "c", "h", "w"])),
        {},
    ),
    "has outputs of (3,), but there are 2 labels": (changed, {"labels": ["a", "b"]}),
    "gives numbers from 0 to 1 that don't add up to 1": (
        lambda: changed(after=[("Sigmoid", ["scores"], ["out"], {})]),
        {},
    ),
    "gives probabilities that add up to 1, so only one label can be right": (
        lambda: changed(after=SOFTMAX),
        {"several": True},
    ),
    "gives 1 for every image": (
        lambda: first_score(("Softmax", ["first"], ["out"], {"axis": 1})),
        {"labels": ["is empty"]},
    ),
    "gives NaN or infinite numbers": (lambda: changed(after=INFINITE), {}),
    "prepare() in main.py gives uint8, but the network takes float32": (
        changed,
        {"prepare": prepare_uint8},
    ),
    "prepare() in main.py gives (96, 96, 1), but the network takes (96, 96, 3)": (
        changed,
        {"prepare": lambda image, size: np.float32(image.convert("L").resize(size))},
    ),
    "The network does not take (8, 8, 3)": (
        lambda: changed(input=("float", ["n", 3, "h", "w"]), before=PATCHES),
        {"size": (8, 8)},
    ),
    "cannot be loaded: ": (lambda: b"\x08no network", {}),
    "model.onnx is missing": (lambda: None, {}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_said_at_the_start(network, message):
    model, how = REFUSED[message]
    with pytest.raises(SystemExit, match=re.escape(message)) as ended:
        network(model(), **how)
    said = str(ended.value).splitlines()
    assert len(said) == 2
    assert said[1].endswith(".")


def test_numbers_in_a_second_file_are_found_or_missed_by_its_name(network, right, tmp_path):
    """By default, PyTorch's exporter writes them there."""
    file, beside = tmp_path / "model.onnx", tmp_path / "best.onnx.data"
    options = {"save_as_external_data": True, "location": beside.name, "size_threshold": 256}
    onnx.save(changed(), file, **options)
    found = network(None).predict(Image.open(IMAGES["crowded"]))
    assert found == pytest.approx(right["crowded"], abs=2e-3)
    beside.unlink()
    with pytest.raises(SystemExit, match=r"Put best\.onnx\.data into the same folder\.$"):
        network(None)


def test_a_list_of_labels_is_read_as_windows_writes_it_or_refused(tmp_path, network):
    read, file = sys.modules["network"].read_labels, tmp_path / "labels.txt"
    file.write_bytes("\ufeffa\r\nå b \r\n\r\n".encode())
    assert read(file) == ["a", "å b"]
    for content in (b"", b"a\n\nb\n", b"a\na\n", "å".encode("cp1252")):
        file.write_bytes(content)
        with pytest.raises(SystemExit, match=r"labels\.txt is "):
            read(file)
    file.unlink()
    with pytest.raises(SystemExit, match="is missing"):
        read(file)


# ---- The app ----


made, app = made_and_served("onnx_model", recipes="many_images")  # with a table of many images, too


@pytest.mark.recipes
def test_a_click_on_an_example_shows_its_label(app, page, screenshot):
    page.goto(app[0])
    page.locator("button.gallery-item").first.click()
    expect(page.locator(".image-frame img[src*='/file=']")).to_have_count(1)
    page.get_by_role("button", name="Submit").first.click()
    expect(page.get_by_test_id("label-output-value").first).to_have_text("crowded")
    about = f"model.onnx takes images of {SIDE} x {SIDE} pixels, colours first (3), as float32."
    expect(page.get_by_text(about)).to_be_visible()
    screenshot(page, "onnx_model")


@pytest.mark.recipes
def test_programs_get_the_same_probabilities_a_csv_file_and_messages(app, right, tmp_path):
    for label, file in IMAGES.items():
        assert classify(app[1], file) == pytest.approx(right[label], abs=1e-3)
    files = [handle_file(str(file)) for file in IMAGES.values()]
    table, csv = app[1].predict(files, api_name="/predict_many")
    assert [row[1].rpartition(" ")[0] for row in table["data"]] == LABELS
    with open(csv, encoding="utf-8-sig") as lines:
        assert len(lines.read().splitlines()) == 4
    with pytest.raises(AppError, match=r"^Please choose an image first\.$"):
        app[1].predict(None, api_name="/predict")


@pytest.mark.recipes
def test_a_network_that_was_trained_on_imagenet_says_what_pytorch_does(
    made,
    tmp_path,
    trained_network,  # noqa: F811
):
    import torch
    from torchvision.models import ResNet18_Weights

    folder = make_app(tmp_path, source="onnx_model")
    main, labels = folder / "main.py", ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    page = (POINT / "README.md").read_text(encoding="utf-8")
    own = re.search(r"(?s)```python\n(.*?)```", page)[1]
    text = re.sub(r"(?s)def prepare\(.*?\n\n\n", lambda _: f"{own}\n\n", main.read_text(), count=1)
    line = "from PIL import Image, ImageOps\n"
    assert text.count(line) == text.count(own) == 1
    main.write_text(text.replace(line, "from prepare import preprocess\n"))
    shutil.copy(POINT.with_name("smaller") / "prepare.py", folder)
    (folder / "data/labels.txt").write_text("\n".join(labels))
    image = (torch.rand(1, 3, 224, 224),)
    file = folder / "data/model.onnx"
    torch.onnx.export(trained_network, image, file, external_data=False, verbose=False)
    with running(folder, made[1]) as (_, client):
        for photo, label in PHOTOS.items():
            with torch.inference_mode():
                scores = trained_network(by_hand(Image.open(photo).convert("RGB"))[None])[0]
            right = dict(zip(labels, scores.softmax(0).tolist(), strict=True))
            found = classify(client, photo)
            assert next(iter(found)) == label
            assert found == pytest.approx({name: right[name] for name in found}, abs=1e-3)


@pytest.mark.training
def test_the_script_makes_the_example(tmp_path):
    folder = make_app(tmp_path, source="onnx_model")
    for file in (folder / "data").iterdir():
        file.unlink()
    command = [sys.executable, folder / "make_example.py"]
    ended = subprocess.run(command, check=True, timeout=600, capture_output=True, text=True)
    assert int(re.search(r"Right for (\d+)%", ended.stdout)[1]) >= 95
    for file in IMAGES.values():
        assert (folder / "data" / file.name).read_bytes() == file.read_bytes()
    assert (folder / "data/labels.txt").read_text().splitlines() == LABELS
