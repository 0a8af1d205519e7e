"""Say what is in a model's file, without running anything in it.

torch reads only tensors and what is harmless (weights_only=True). Of any other file, only the
structure is read: the names in a ZIP file, the functions that a pickle asks for, a header.
"""

import argparse
import functools
import importlib.util
import json
import math
import pickletools
import re
import sys
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

from apps import ROOT

KEPT = "num_batches_tracked"  # counted in training; older files lack it
WITH_AUX = ("googlenet", "inception_v3")
OF_IMAGES = re.compile(r"(img|image|input|crop|resize)_?size|(\w+_)?(mean|std)")  # in training
BUFFERS = ("running_mean", "running_var", "relative_position_index", "relative_coords_table")
# what other files are, and what to do with them
KERAS = (
    "a Keras model",
    "Where it was trained, run: model.export('model.onnx', format='onnx'), and bring that file",
)
PICKLE = "Where it was trained, save it with skops: skops.io.dump(model, 'model.skops')"
TORCHSCRIPT = (
    "a TorchScript program, saved by torch.jit.save()",
    "Where it was made, run: torch.save(model.state_dict(), 'weights.pth')",
)


def load_weights():
    """Return the module weights.py, which every classifier has."""
    file = ROOT / "resnet_image_classification" / "weights.py"
    spec = importlib.util.spec_from_file_location("weights", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Model(NamedTuple):
    """A network of torchvision: its constructor's name, its weights, its labels if there are.

    `images` is what the checkpoint says about those in training.
    """

    name: str
    state: dict
    classes: int
    labels: list
    prefix: str
    kinds: list
    images: str

    @property
    def text(self):
        place = re.sub(r"\['(.*?)'\]", r"\1.", self.prefix).strip(".")  # state_dict.model
        place = f", under {place}" if place else ""
        kinds = ", ".join(self.kinds)
        images = f", trained with {self.images}" if self.images else ""
        what = f"weights of torchvision's {self.name} for {self.classes} classes"
        return f"{what} ({kinds}){place}{images}"


class Finished(NamedTuple):
    """A model that a starting point takes as it is: what it is, the point, and its name there."""

    text: str
    source: str
    file: str


ONNX = Finished("an ONNX model", "onnx_model", "model.onnx")
SKOPS = Finished("a scikit-learn model, saved by skops", "table", "model.skops")


class Other(Exception):
    """What a file is if no app can be made of it, and what to do."""


# ---- Files that torch.save() did not write ------------------------------------------------------


def asked_for(file):
    """Return the functions and classes that a pickle asks for, by reading it as text only."""
    found, strings = [], []
    with open(file, "rb") as stream:
        try:
            for code, value, _ in pickletools.genops(stream):
                if code.name == "GLOBAL":
                    found.append(value.replace(" ", "."))
                elif code.name == "STACK_GLOBAL":
                    found.append(".".join(strings[-2:]))
                elif isinstance(value, str) and "UNICODE" in code.name:
                    strings.append(value)
        except ValueError:  # joblib puts arrays in between, and what is cut off ends early
            pass
    return list(dict.fromkeys(found))


def members(file):
    """Return the names in a ZIP file without their folders; any other file has none."""
    if not zipfile.is_zipfile(file):
        return set()
    with zipfile.ZipFile(file) as archive:
        return {name.split("/")[-1] for name in archive.namelist()}


def beginning(file):
    with open(file, "rb") as stream:
        return stream.read(16)


def finished(file):
    """Return which finished model a file holds, or None."""
    if "schema.json" in members(file):
        return SKOPS
    is_onnx = beginning(file)[:1] == b"\x08" and file.suffix == ".onnx"  # first field: the version
    return ONNX if is_onnx else None


def require_of_torch(file):
    """Raise Other for what is no file of PyTorch or safetensors, by its structure."""
    start, names = beginning(file), members(file)
    if "constants.pkl" in names:
        raise Other(*TORCHSCRIPT)
    if {"config.json", "metadata.json"} <= names or start.startswith(b"\x89HDF"):
        raise Other(*KERAS)
    newer = start[:1] == b"\x80" and start[1:2] > b"\x02"  # torch.save() writes protocol 2
    compressed = start and file.suffix == ".joblib" and start[:1] in b"\x78\x1fBL\xfd"
    if newer or compressed:
        wanted = asked_for(file)
        names = ", ".join(wanted[:3]) + ", ..." * (len(wanted) > 3)
        what = "a scikit-learn model" if any("sklearn" in name for name in wanted) else "a pickle"
        raise Other(f"{what}, saved by pickle or joblib, which may run code ({names})", PICKLE)


def read(file, weights):
    """Return what is in a file of PyTorch or safetensors; raises Other or weights.Unusable."""
    import torch

    require_of_torch(file)
    if beginning(file)[8:10] == b'{"':
        return read_safetensors(file)
    return weights.read(file, [*layers(), torch.nn.DataParallel])


def layers():
    """Return the classes that a whole model may be made of: torch's layers and torchvision's."""
    import torch
    from torchvision import models

    families = {models.get_model_builder(name).__module__ for name in names_of_models()}
    families |= {"torchvision.ops.misc", "torchvision.ops.stochastic_depth"}
    return [
        part
        for name, module in sys.modules.items()
        if name in families or name.startswith("torch.nn.modules.")
        for part in vars(module).values()
        if isinstance(part, type) and issubclass(part, torch.nn.Module)
    ]


def read_safetensors(file):
    """Return the tensors in a safetensors file, whose header says where each of them is."""
    import torch

    kinds = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    kinds |= {"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8"}
    kinds |= {"BOOL": "bool"}
    content = bytearray(file.read_bytes())
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        header.pop("__metadata__", None)
        found = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            if entry["dtype"] not in kinds:
                what = f"a safetensors file with numbers of type {entry['dtype']}"
                raise Other(what, "Where it was made, save it with float32 numbers")
            kind = getattr(torch, kinds[entry["dtype"]])
            part = content[8 + size + begin : 8 + size + end]
            flat = torch.frombuffer(part, dtype=kind) if part else torch.empty(0, dtype=kind)
            found[name] = flat.reshape(entry["shape"])
        return found
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise Other(f"a damaged safetensors file ({error})", "Copy or download it again") from None


# ---- Which network it is ------------------------------------------------------------------------


def shapes_of(state):
    """Return {name: shape} of a state_dict without what is only counted in training."""
    return {name: tuple(v.shape) for name, v in state.items() if KEPT not in name}


def head_of(shapes):
    """Return the names of the last layer, such as fc.weight and fc.bias."""
    last = [name for name in shapes if name.endswith(".weight") and len(shapes[name]) in (2, 4)]
    if not last:
        return set()
    layer = last[-1].removesuffix("weight")
    return {name for name in shapes if name in (f"{layer}weight", f"{layer}bias")}


def names_of_models():
    from torchvision import models

    return models.list_models(module=models)  # those that classify images


@functools.cache  # each way to read a checkpoint asks for the same few
def make(name):
    """Return a network of torchvision, without numbers in it if it can be built so."""
    import torch
    from torchvision import models

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about how GoogLeNet will begin some day
        try:
            with torch.device("meta"):
                return models.get_model(name, weights=None)
        except NotImplementedError:  # RegNet calculates while it is built
            return models.get_model(name, weights=None)


def likely(shapes):
    """Return the few networks of torchvision that have about as many numbers, the nearest first."""
    from torchvision import models

    own = sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(BUFFERS))
    last = next((shapes[name] for name in head_of(shapes) if name.endswith("weight")), (0, 0))
    own += (1000 - last[0]) * (last[1] + 1)  # torchvision's own have 1,000 classes
    off = {}
    for name in names_of_models():
        # known with the weights: building all of them takes minutes
        size = models.get_model_weights(name).DEFAULT.meta["num_params"]
        off[name] = abs(size - own) / size
    return [name for name in sorted(off, key=off.get)[:5] if off[name] < 0.04]


def without_aux(state):
    """Return a state without the outputs in between, with which GoogLeNet and Inception train."""
    return {name: value for name, value in state.items() if not name.lower().startswith("aux")}


def recognise(state):
    """Return the name and the number of classes of the network of torchvision with this state.

    Names and shapes decide, but for those of the last layer. Returns None if there is none.
    """
    shapes = shapes_of(state)
    found = without_aux(shapes)
    head = head_of(found)
    for name in dict.fromkeys([*likely(shapes), *likely(found)]):
        own = without_aux(shapes_of(make(name).state_dict()))
        if own.keys() == found.keys() and all(own[n] == found[n] for n in own.keys() - head):
            return name, next(found[n][0] for n in head if n.endswith("weight"))
    return None


def prefixes(state):
    """Yield what may be before the names of all layers: nothing, model., backbone. and so on."""
    yield ""
    for name in list(state)[:1] + list(state)[-1:]:
        parts = name.split(".")
        for number in range(1, min(4, len(parts))):
            yield ".".join(parts[:number]) + "."


def labels_of(content):
    """Return the labels that a checkpoint names, [] if it names none."""
    if not isinstance(content, dict):
        return []
    for key in ("class_names", "classes", "labels", "class_to_idx"):
        value = content.get(key)
        if isinstance(value, dict) and all(isinstance(number, int) for number in value.values()):
            value = sorted(value, key=value.get)
        if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
            return [*value]
    return []


def images_of(content):
    """Return what a checkpoint says about the images in training, such as "img_size=320"."""
    found = {}
    for part in (content, *(content.get(key) for key in ("hyper_parameters", "args", "config"))):
        part = vars(part) if isinstance(part, argparse.Namespace) else part
        if isinstance(part, dict):
            named = {name: part[name] for name in part if OF_IMAGES.fullmatch(str(name))}
            found |= {n: v for n, v in named.items() if isinstance(v, (int, float, list, tuple))}
    return ", ".join(f"{name}={value}" for name, value in found.items())


def look_into(file):
    """Return the Model in a file, or the Finished one, or raise Other with what it is instead."""
    if model := finished(file):
        return model
    weights = load_weights()
    try:
        content = read(file, weights)
    except weights.Unusable as error:
        raise Other(f"it {error.args[0]}", error.args[1]) from None
    found, seen = {}, []
    for place, state in weights.networks(content):
        for prefix in dict.fromkeys(prefixes(state)):
            part = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
            if known := recognise(part):
                found[f"{place}{prefix}"] = known, part
                break
        seen.append((len(state), [*state]))
    if len(found) > 1:
        places = " and ".join(found)
        raise Other(f"a checkpoint with several networks: {places}", weights.SAVE)
    if not found:
        number, names = max(seen, default=(0, []))
        if not number:
            raise Other("a file without weights", weights.SAVE)
        what = f"weights of a network that torchvision does not have: {number} tensors, from"
        copy = "make new NAME=my_app FROM=resnet"
        remedy = f"Type {copy}, and build the network as docs/reference/other-models.md shows"
        raise Other(f"{what} {names[0]} to {names[-1]}", remedy)
    ((place, ((name, classes), state)),) = found.items()
    try:
        weights.require_finite(state)
    except weights.Unusable as error:
        raise Other(f"it {error.args[0]}", error.args[1]) from None
    kinds = sorted({str(v.dtype).removeprefix("torch.") for v in state.values()} - {"int64"})
    if isinstance(content, dict) and "pytorch-lightning_version" in content:
        kinds.append("saved by PyTorch Lightning")
    images = images_of(content) if isinstance(content, dict) else ""
    return Model(name, state, classes, labels_of(content), place, kinds, images)


def find(setting, text):
    """Return the file that MODEL= or LABELS= names, or end the program with a message."""
    file = Path(text).expanduser()
    if not file.is_file():
        sys.exit(f"{setting}={text}: there is no such file.")
    return file


def main(text):
    """Print what a file is; return 1 if no app can be made of it."""
    if not text:
        sys.exit("Which file? Set MODEL=..., such as MODEL=best.pth.")
    file = find("MODEL", text)
    try:
        model = look_into(file)
    except Other as error:
        what, remedy = error.args
        print(f"{file.name}: {what}.\n{remedy}")
        return 1
    said, make, labels = model.text, "Make an app from it", " LABELS=classes.txt"
    if isinstance(model, Model):
        known = ", ".join(model.labels[:3]) + ", ..." * (len(model.labels) > 3)
        said += f"; its labels: {known}" if known else "; no labels in it"
    if model is SKOPS or (isinstance(model, Model) and model.labels):
        labels = ""  # it has its own
    elif model is ONNX:
        make += ", if it classifies images"
    print(f"{file.name}: {said}.")
    print(f"{make}: make new NAME=my_app MODEL={text}{labels}")
    return 0
