"""Say what is in a model's file, without running anything in it, and make an app's files of it.

torch reads only tensors and what is harmless (weights_only=True). Of any other file, only the
structure is read: the names in a ZIP file, the functions that a pickle asks for, a header.
"""

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

import recipes
from apps import ROOT

KEPT = "num_batches_tracked"  # counted in training; older files lack it
NO_LABEL = "(no label yet)"  # `make check` refuses it
WITH_AUX = ("googlenet", "inception_v3")
BUFFERS = ("running_mean", "running_var", "relative_position_index", "relative_coords_table")
# what other files are, and what to do with them
ONNX = ("an ONNX model", "Begin with: make new NAME=my_app FROM=smaller, and put it into data/")
KERAS = ("a Keras model", 'It needs code of its own: docs/workshop/5-your-own-app.md, "Keras"')
SKOPS = ("a scikit-learn model, saved by skops", "Begin with: make new NAME=my_app FROM=table")
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
    """A network of torchvision: its constructor's name, its weights, its labels if there are."""

    name: str
    state: dict
    classes: int
    labels: list
    prefix: str
    kinds: list

    @property
    def text(self):
        place = f", under {self.prefix.strip('.')}" if self.prefix else ""
        kinds = ", ".join(self.kinds)
        return f"weights of torchvision's {self.name} for {self.classes} classes ({kinds}){place}"


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


def require_of_torch(file):
    """Raise Other for what is no file of PyTorch or safetensors, by its structure."""
    with open(file, "rb") as stream:
        start = stream.read(16)
    if zipfile.is_zipfile(file):
        names = {name.split("/")[-1] for name in zipfile.ZipFile(file).namelist()}
        if "constants.pkl" in names:
            raise Other(*TORCHSCRIPT)
        if {"config.json", "metadata.json"} <= names:
            raise Other(*KERAS)
        if "schema.json" in names:
            raise Other(*SKOPS)
    if start.startswith(b"\x89HDF"):
        raise Other(*KERAS)
    if file.suffix == ".onnx" and start[:1] == b"\x08":  # its first field, the version
        raise Other(*ONNX)
    newer = start[:1] == b"\x80" and start[1:2] > b"\x02"  # torch.save() writes protocol 2
    if newer or (file.suffix == ".joblib" and start[:1] in b"\x78\x1fBL\xfd"):  # compressed
        wanted = asked_for(file)
        names = ", ".join(wanted[:3]) + ", ..." * (len(wanted) > 3)
        what = "a scikit-learn model" if any("sklearn" in name for name in wanted) else "a pickle"
        raise Other(f"{what}, saved by pickle or joblib, which may run code ({names})", PICKLE)


def read(file, weights):
    """Return what is in a file of PyTorch or safetensors; raises Other or weights.Unusable."""
    import torch

    if file.is_file() and file.stat().st_size:
        require_of_torch(file)
        with open(file, "rb") as stream:
            start = stream.read(10)
        if start[8:] == b'{"':
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


def look_into(file):
    """Return the Model in a file, or raise Other with what it is and what to do."""
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
        remedy = "Make a copy (make new NAME=my_app FROM=resnet), and build the network in main.py"
        raise Other(f"{what} {names[0]} to {names[-1]}", remedy)
    ((place, ((name, classes), state)),) = found.items()
    try:
        weights.require_finite(state)
    except weights.Unusable as error:
        raise Other(f"it {error.args[0]}", error.args[1]) from None
    kinds = sorted({str(v.dtype).removeprefix("torch.") for v in state.values()} - {"int64"})
    if isinstance(content, dict) and "pytorch-lightning_version" in content:
        kinds.append("saved by PyTorch Lightning")
    return Model(name, state, classes, labels_of(content), place, kinds)


# ---- The app ------------------------------------------------------------------------------------


def labels_for(model, file):
    """Return a label for each class: from LABELS=, from the checkpoint, or none yet."""
    labels = load_weights().read_labels(file) if file else model.labels
    labels = labels or [f"class {number} {NO_LABEL}" for number in range(model.classes)]
    if len(labels) != model.classes:
        sys.exit(f"The model has {model.classes} classes, but there are {len(labels)} labels.")
    if len({*labels}) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        sys.exit(f'The label "{twice}" is there twice. Give each class a label of its own.')
    return labels


def put_in(model, labels, folder, name):
    """Put a network, its weights and its labels into a new copy of the app resnet."""
    import torch
    from torchvision import models

    recipes.take_away(("download_model.py", "pooch", "requests", "tqdm"), folder)
    state = {
        name: (value.float() if value.is_floating_point() else value).contiguous()
        for name, value in without_aux(model.state).items()
    }
    torch.save(state, folder / "data" / f"{name}.pth")
    lines = "".join(f"{label}\n" for label in labels)
    (folder / "data" / "labels.txt").write_text(lines, encoding="utf-8", newline="\n")
    pretrained = models.get_model_weights(model.name)
    first = f"{pretrained.__name__}.{next(iter(pretrained)).name}"
    options = ", aux_logits=False, init_weights=False" if model.name in WITH_AUX else ""
    things = f"{len(labels)} thing{'s' * (len(labels) != 1)}"
    texts = {
        "from torchvision.models import": f" {pretrained.__name__}, {model.name}",
        "from weights import": " load_model, read_labels",
        "DESCRIPTION =": f' "Choose an image to see which of {things} it most likely shows."',
        "LABELS =": ' read_labels(DATA / "labels.txt")  # in the order of the outputs',
        "preprocess =": f" {first}.transforms()  # TO CHECK: as in your training?",
        "model =": f""" load_model(
    lambda: {model.name}(num_classes=len(LABELS){options}),
    DATA / "{name}.pth",
    check=(LABELS, activation),
)""",
    }
    if len(labels) == 1:
        texts["activation ="] = " torch.nn.Sigmoid()  # the probability of the one label"
    main = folder / "main.py"
    text = main.read_text(encoding="utf-8")
    for beginning, rest in texts.items():
        text = re.sub(rf"(?m)^{beginning} .*", lambda _, r=beginning + rest: r, text, count=1)
    main.write_text(text, encoding="utf-8", newline="\n")


def still_yours(model, labels, name):
    """Return what is still the author's, since no file says it."""
    first = f"{name}/main.py  preprocess: is it what your training used for validation?"
    said = [f"  {first} No file says so, and a wrong one gives no error."]
    if model.name in WITH_AUX:
        said.append(
            f"  {name}/main.py  transform_input=True if you began with torchvision's weights"
        )
    said.append(
        f"  {name}/main.py  activation: softmax for one label an image, sigmoid for several"
    )
    if labels[0].endswith(NO_LABEL):
        said.append(f"  {name}/data/labels.txt  the labels, one per line, in the outputs' order")
    else:
        said.append(f"  {name}/data/labels.txt  are the labels in the order of the outputs?")
    said.append(f"  {name}/data/  images whose class you know, instead of these examples")
    return "\n".join(said)


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
    labels = f"its labels: {', '.join(model.labels[:3])} ..." if model.labels else "no labels in it"
    print(f"{file.name}: {model.text}; {labels}.")
    print(f"Make an app of it: make new NAME=my_app MODEL={text} LABELS=classes.txt")
    return 0
