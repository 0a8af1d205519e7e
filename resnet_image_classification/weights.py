"""Load a model's weights and labels, or say what is wrong with them and what to do."""

import argparse
import codecs
import concurrent.futures
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

AGAIN = "Copy or download it again"
SAVE = 'Where the model was trained, run: torch.save(model.state_dict(), "weights.pth")'
CORRECT = 'Correct the network in main.py, below "Your model"'
BEGINNINGS = {  # of files that torch.save() did not write
    b"version https://git-lfs": ("is a Git LFS pointer, not the weights", "Run: git lfs pull"),
    b"\x89HDF\r\n": ("is an HDF5 file, as written by Keras, not a PyTorch file", SAVE),
    b"PK\x03\x04": ("is damaged or was cut off", AGAIN),  # a ZIP file without its end
}
SAFETENSORS = (
    "is a safetensors file",
    'Run: torch.save(safetensors.torch.load_file("model.safetensors"), "weights.pth")',
)
# what checkpoints hold besides tensors: options of the training run, and numbers of NumPy
SCALAR = np.float64(0).__reduce__()[0]
HARMLESS = [argparse.Namespace, np.dtype]
HARMLESS += [(SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
HARMLESS += [type(np.dtype(code)) for code in "?" + np.typecodes["AllInteger"] + "efd"]
SIZES = (224, 299, 384, 256, 240, 512, 128, 64, 32)  # of images, for a trial


class Unusable(Exception):
    """What is wrong with a file, as the end of a sentence that begins with it, and what to do."""


def load_model(build, file, classes=(), check=None):
    """Return the network that `build()` makes with the weights in a file, ready to predict.

    `file` holds a state_dict, a checkpoint with one in it or a whole model, as torch.save() writes
    them; nothing that it contains is executed. `classes` are the layers that a whole model may be
    made of. `check` are the labels and the activation, which are tried with two images. The network
    runs on the graphics card if PyTorch finds one. Ends the program with a message if the file is
    missing or cannot be used.
    """
    # in a thread of its own, on one core: PyTorch would keep threads for a thread that used many
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        try:
            return thread.submit(load, build, file, classes, check).result()
        except Unusable as error:
            problem, remedy = error.args
    program = Path(__file__).with_name("download_model.py")
    if program.exists() and (remedy == AGAIN or not Path(file).exists()):
        remedy = f'Download the weights with: python "{program}"'
    elif program.exists() and remedy == CORRECT:
        remedy += f', or download its weights with: python "{program}"'
    sys.exit(f"{file} {problem}.\n{remedy}")


def load(build, file, classes, check):
    """Return the network as load_model() does, or raise Unusable."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        content = read(file, classes)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = fill(build, content)
        model.register_forward_pre_hook(lambda _, inputs: tuple(x.to(device) for x in inputs))
        # the faster layout on a CPU
        model = model.eval().to(device, memory_format=torch.channels_last)
        if check:
            try_two_images(model, *check)
        return model
    finally:
        torch.set_num_threads(threads)


# ---- The file -----------------------------------------------------------------------------------


def read(file, classes=()):
    """Return what torch.save() wrote into a file, or raise Unusable."""
    try:
        with open(file, "rb") as stream:
            start = stream.read(1000)
        names = zipfile.ZipFile(file).namelist() if zipfile.is_zipfile(file) else []
    except FileNotFoundError:
        raise Unusable("is missing", "Put the file with your model's weights there.") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise Unusable(f"cannot be read ({error})", AGAIN) from None
    if not start:
        raise Unusable("is empty", AGAIN)
    if re.search(rb"<html|<!doctype html", start.lower()):
        raise Unusable("is a web page (often one to sign in), not the weights", AGAIN)
    if start[8:10] == b'{"':
        raise Unusable(*SAFETENSORS)
    if any(name.endswith("/constants.pkl") for name in names):
        raise Unusable("is a TorchScript program, not the weights alone", SAVE)
    for beginning, said in BEGINNINGS.items():
        if start.startswith(beginning) and not names:
            raise Unusable(*said)
    with torch.serialization.safe_globals([*HARMLESS, *classes]):
        try:
            return torch.load(file, "cpu", weights_only=True)
        except Exception as error:  # torch has many errors for a damaged file
            if wanted := not_allowed(file, error):
                also = f" and {len(wanted) - 3} more" if len(wanted) > 3 else ""
                wanted = f"{', '.join(wanted[:3])}{also}"
                problem = f"was not opened, because it has objects that may run code: {wanted}"
                raise Unusable(problem, SAVE) from None
            if "persistent_load of storage" in str(error):
                problem = "was not opened, because it is a whole model, which may run code"
                raise Unusable(problem, SAVE) from None
            if start[:1] == b"\x80" and start[1:2] > b"\x02":  # torch.save() writes protocol 2
                problem = "was not opened, because it is a pickle, which may run code"
                raise Unusable(problem, SAVE) from None
            raise Unusable("is damaged or was cut off", AGAIN) from None


def not_allowed(file, error):
    """Return the functions and classes that a file asks for and that torch.load() refused."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    except Exception:  # in torch's older format, only the error says it
        return re.findall(r"GLOBAL (\S+) (?:was|whose)", str(error))


def networks(content, where="", deepest=3):
    """Yield for each network in a checkpoint the place in it, such as ["model"], and its state."""
    if isinstance(content, nn.Module):
        content = content.state_dict()
    if isinstance(content, dict):
        tensors = {
            name: value
            for name, value in content.items()
            if isinstance(name, str) and isinstance(value, torch.Tensor)
        }
        if tensors:
            # as torch.compile() names the layers that it has compiled
            yield where, {name.replace("_orig_mod.", ""): tensors[name] for name in tensors}
        for name, part in content.items() if deepest else ():
            yield from networks(part, f"{where}[{name!r}]", deepest - 1)


def parts(state, wanted):
    """Yield {prefix: part} for what may be before the names of layers, such as "module."."""
    for first in sorted(wanted)[:1]:
        for name in state:
            if f".{name}".endswith(f".{first}"):
                prefix = name.removesuffix(first)
                inside = [other for other in state if other.startswith(prefix)]
                yield prefix, {other.removeprefix(prefix): state[other] for other in inside}


def find_part(content, wanted):
    """Return the state of the one network in a file that has these names, or raise Unusable."""
    found = [*networks(content)]
    if not found:
        raise Unusable(f"has no weights, only a {type(content).__name__}", SAVE)
    every = [(place, prefix, p) for place, state in found for prefix, p in parts(state, wanted)]
    fitting = [each for each in every if wanted <= each[2].keys()]
    if len(fitting) > 1:
        places = " and ".join(f"{place}{prefix.rstrip('.')}" for place, prefix, _ in fitting[:3])
        raise Unusable(f"has several such networks: {places}", SAVE)
    if fitting:
        return fitting[0][2]
    candidates = [part for _, _, part in every] + [state for _, state in found]
    return max(candidates, key=lambda part: len(wanted & part.keys()) or len(part) / 10**6)


def fill(build, content):
    """Return the network with the weights in it, or raise Unusable."""
    error = None
    for device in ("meta", "cpu"):  # on meta, only the layers' shapes are made
        try:
            with torch.device(device):
                model = build()
        except Exception as fault:
            error = f"{type(fault).__name__}: {fault}".splitlines()[0]
            continue
        own = model.state_dict()
        state = find_part(content, {name for name in own if "num_batches_tracked" not in name})
        compare(state, own)
        require_finite(state)
        weights = {
            name: value.to(own[name].dtype) if value.is_floating_point() else value
            for name, value in state.items()
        }
        model.load_state_dict(weights, assign=True)
        if not any(is_meta(value) for part in model.modules() for value in tensors_of(part)):
            return model
    raise Unusable(f"cannot be loaded: the network cannot be built ({error})", CORRECT)


def tensors_of(module):
    """Yield what a module holds itself, besides its layers."""
    yield from module.parameters(recurse=False)
    yield from module.buffers(recurse=False)
    for value in vars(module).values():
        yield from value if isinstance(value, (list, tuple)) else (value,)


def is_meta(value):
    return isinstance(value, torch.Tensor) and value.is_meta


def compare(state, own):
    """Raise Unusable if the weights in a file are not those of a network."""
    lacks = [name for name in own if name not in state and "num_batches_tracked" not in name]
    more = [name for name in state if name not in own]
    named = [("lacks", lacks), ("has", more)]
    said = [f"{v} {', '.join(n[:3])}" + " ..." * (len(n) > 3) for v, n in named if n]
    if said:
        raise Unusable(f"has another model: it {' and '.join(said)}", CORRECT)
    for name, value in state.items():
        if value.shape != own[name].shape:
            shapes = [" x ".join(map(str, shape)) for shape in (value.shape, own[name].shape)]
            found = f"{name} is {shapes[0]}, but {shapes[1]} in main.py"
            raise Unusable(f"has another model or another number of classes: {found}", CORRECT)


def require_finite(state):
    """Raise Unusable if weights are NaN or infinite."""
    for name, value in state.items():
        if value.is_floating_point() and value.numel():
            least, most = value.float().aminmax()  # NaN if there is one
            if not torch.isfinite(least) or not torch.isfinite(most):
                raise Unusable(
                    f"has numbers in {name} that are NaN or infinite",
                    "The training run failed. Use an earlier checkpoint or retrain.",
                )


# ---- Labels and outputs -------------------------------------------------------------------------


def read_labels(file):
    """Return the lines of a text file: one label for each output, in their order.

    It may be as Windows and Excel write it. Ends the program with a message if it cannot be used.
    """
    try:
        text = Path(file).read_bytes()
    except OSError:
        sys.exit(f"{file} is missing.\nWrite one label per line, in the order of the outputs.")
    wide = text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ["utf-16"] if wide else ["utf-8-sig", "cp1252"]:
        try:
            labels = text.decode(encoding).rstrip().splitlines()
        except UnicodeDecodeError:
            continue
        if "\0" not in "".join(labels):
            break
    else:
        sys.exit(f"{file} is in an unusual encoding.\nSave it as UTF-8 in your editor.")
    labels = [label.strip() for label in labels]
    if not labels or not all(labels):
        problem = f"line {labels.index('') + 1} is empty" if labels else "it is empty"
        sys.exit(f"{file}: {problem}.\nWrite one label per line, in the order of the outputs.")
    return labels


def try_two_images(model, labels, activation):
    """Raise Unusable if a network's outputs cannot be those of these labels and this activation."""
    again = [label for number, label in enumerate(labels) if label in labels[:number]]
    if again:
        problem = f'has an output for each label, but the label "{again[0]}" is there twice'
        raise Unusable(problem, "Give each output its own label.")
    outputs = outputs_for_two(model)
    if outputs is None:
        return
    if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2 or len(outputs) != 2:
        shape = f"{[*outputs.shape]}" if isinstance(outputs, torch.Tensor) else type(outputs)
        raise Unusable(f"does not give a row of numbers for each image, but {shape}", CORRECT)
    number = outputs.shape[1]
    if number != len(labels):
        remedy = "Write one label for each output, in their order."
        raise Unusable(f"has {number} outputs, but there are {len(labels)} labels", remedy)
    after = activation(outputs)
    if number == 1 and (activation(torch.zeros(1, 1)) == 1).all():
        problem = "has one output, which a softmax always turns into 1"
        raise Unusable(problem, "Write in main.py: activation = torch.nn.Sigmoid()")
    sums_to_1 = (outputs >= 0).all() and (outputs.sum(1) - 1).abs().max() < 1e-3
    if number > 1 and sums_to_1 and (after - outputs).abs().max() > 1e-3:
        problem = "already gives probabilities, so another activation makes them wrong"
        raise Unusable(problem, "Write in main.py: activation = torch.nn.Identity()")


@torch.inference_mode()
def outputs_for_two(model):
    """Return a network's outputs for two images of random numbers, None if it takes none."""
    channels = next((layer.shape[1] for layer in model.parameters() if layer.ndim == 4), 3)
    random = torch.Generator().manual_seed(0)
    for size in SIZES:
        try:
            outputs = model(torch.rand(2, channels, size, size, generator=random))
        except Exception:  # it takes images of another size
            continue
        return outputs.float().cpu() if isinstance(outputs, torch.Tensor) else outputs
    return None
