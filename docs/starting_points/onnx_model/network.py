"""Run a finished ONNX file as a classifier. What the file says about its input is read from it.

That is its name, the size of an image, whether the colours come first or last, and the type of the
numbers. How images were prepared in training is not in a file: prepare() in main.py says that.
"""

import re
import sys

import loky
import numpy as np
import onnxruntime
from PIL import Image

TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}
TYPES |= {"tensor(uint8)": "uint8"}
ACTIVATIONS = {  # each with what the page says
    "none": (lambda values: values, "Its outputs are probabilities already."),
    "softmax": (
        lambda values: np.exp(values - values.max()) / np.exp(values - values.max()).sum(),
        "A softmax makes probabilities of its outputs.",
    ),
    "sigmoid": (
        lambda values: (1 + np.tanh(values / 2)) / 2,
        "A sigmoid makes a probability of each output.",
    ),
}


class Unusable(Exception):
    """What is wrong with a file, and what to do."""


def load_model(file, labels, prepare, size=(224, 224), several=False):
    """Return a Network, or end the program with a message if these do not fit together.

    prepare() gets an image and a size, width x height, and returns an array of height x width x
    colours. `size` counts where the file leaves it open. `several` says that more than one label
    can be right at once.
    """
    try:
        return Network(file, labels, prepare, size, several)
    except Unusable as error:
        problem, remedy = error.args
        sys.exit(f"{problem}.\n{remedy}")


class Network:
    """A classifier in a file, which has been tried with random images."""

    def __init__(self, file, labels, prepare, size, several):
        self.session, self.labels, self.prepare = open_file(file), labels, prepare
        self.read_input(file, size)
        random = np.random.default_rng(0).integers(0, 255, (8, 4, 4, 3), "uint8")
        images = [Image.fromarray(each).resize(self.size) for each in random]
        given = [self.run(image) for image in images]
        self.output = find_output(file, given[0], labels)
        values = [each[self.output] for each in given]
        if self.type != "uint8":  # what no image has: only probabilities stay between 0 and 1
            far = [self.run(images[0], times)[self.output] for times in (-1000, 1000)]
            values += [each for each in far if np.isfinite(each).all()]
        self.activation = find_activation(file, np.float64(values), several)
        colours = "first" if self.colours_first else "last"
        self.about = (
            f"{file.name} takes images of {self.size[0]} x {self.size[1]} pixels, colours {colours}"
            f" ({self.colours}), as {self.type}. {ACTIVATIONS[self.activation][1]}"
        )

    def read_input(self, file, size):
        """Keep what the file says about its input; raise Unusable if that is no image."""
        inputs = self.session.get_inputs()
        shapes = ", ".join(f"{each.name} {each.shape}" for each in inputs)
        if len(inputs) != 1:
            problem = f"{file} takes {len(inputs)} inputs: {shapes}"
            raise Unusable(problem, "This app gives it an image, and nothing else.")
        if len(inputs[0].shape) != 4:
            raise Unusable(f"{file} takes no images: {shapes}", "This app is for images only.")
        if inputs[0].type not in TYPES:
            problem = f"{file} takes {inputs[0].type}"
            raise Unusable(problem, f"Export it for one of these: {', '.join(TYPES.values())}.")
        self.name, self.type = inputs[0].name, TYPES[inputs[0].type]
        number, *sides = inputs[0].shape
        self.colours_first = sides[0] in (1, 3)
        if self.colours_first == (sides[2] in (1, 3)):
            problem = f"{file} does not say which number is that of the colours: {shapes}"
            raise Unusable(problem, "Export it with 1 or 3 colours.")
        self.colours = sides.pop(0 if self.colours_first else 2)
        self.number = number if isinstance(number, int) else 1  # of images at once
        height, width = (
            side if isinstance(side, int) else other
            for side, other in zip(sides, size[::-1], strict=True)
        )
        self.size = width, height

    def run(self, image, times=1):
        """Return each of the network's outputs for an image, or a multiple of it."""
        pixels = np.asarray(self.prepare(image, self.size))
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        if pixels.shape != (wanted := (*self.size[::-1], self.colours)):
            problem = f"prepare() in main.py gives {pixels.shape}, but the network takes {wanted}"
            raise Unusable(problem, 'Correct it: image.convert("L") makes one colour of three.')
        if (pixels.dtype == "uint8") != (self.type == "uint8"):
            problem = (
                f"prepare() in main.py gives {pixels.dtype}, but the network takes {self.type}"
            )
            raise Unusable(problem, "uint8 is for pixels as they are, 0 to 255.")
        pixels = pixels.transpose(2, 0, 1) if self.colours_first else pixels
        batch = np.repeat((times * pixels)[None].astype(self.type), self.number, axis=0)
        try:
            return [each[0] for each in self.session.run(None, {self.name: batch})]
        except Exception as error:  # ONNX Runtime has many errors
            problem = f"The network does not take {wanted}: {str(error).splitlines()[0]}"
            raise Unusable(problem, "Set SIZE in main.py to the size in training.") from None

    def predict(self, image):
        """Return {label: probability} for an 8-bit RGB image, the most likely label first."""
        values = np.float64(self.run(image)[self.output])
        probabilities = ACTIVATIONS[self.activation][0](values)
        best = probabilities.argsort()[::-1]
        return {self.labels[i]: probabilities[i].item() for i in best}


def open_file(file):
    """Return a session of ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = loky.cpu_count()  # fewer where a container may not use all
    if not file.exists():
        raise Unusable(f"{file} is missing", "Put the file with your network there.")
    try:
        return onnxruntime.InferenceSession(file, options)
    except Exception as error:  # ONNX Runtime has many errors for a damaged file
        reason = str(error).splitlines()[0].rpartition(" failed:")[2]
        # PyTorch's exporter puts them there; the network names that file
        if beside := re.search(r"data path does not exist: .*?([^/\\]+\.data)\b", reason):
            problem = f"{file} has its numbers in a second file, which is missing"
            raise Unusable(problem, f"Put {beside[1]} into the same folder.") from None
        problem = f"{file} cannot be loaded: {reason.rstrip('.')}"
        raise Unusable(problem, "Download it again.") from None


def read_labels(file):
    """Return the lines of a text file: a label for each output.

    Ends the program with a message if it can't be used.
    """
    try:
        labels = [each.strip() for each in file.read_text("utf-8-sig").rstrip().splitlines()]
    except FileNotFoundError:
        labels = []
    except UnicodeDecodeError:
        sys.exit(f"{file} is not UTF-8 text.\nSave it as UTF-8 in your editor.")
    if not labels or not all(labels) or len({*labels}) < len(labels):
        problem = "is missing or empty, has an empty line, or has a label twice"
        sys.exit(f"{file} {problem}.\nWrite a label for each output, in their order.")
    return labels


def find_output(file, outputs, labels):
    """Return the number of the one output that has a value for each label."""
    fitting = [n for n, each in enumerate(outputs) if np.shape(each) == (len(labels),)]
    if len(fitting) != 1:
        given = ", ".join(str(np.shape(each)) for each in outputs)
        problem = f"{file} has outputs of {given}, but there are {len(labels)} labels"
        raise Unusable(problem, "Write a label for each output, in their order.")
    if outputs[fitting[0]].dtype.kind != "f":
        problem = f"{file} gives whole numbers ({outputs[fitting[0]].dtype})"
        raise Unusable(problem, "Export it with outputs of the type float32.")
    return fitting[0]


def find_activation(file, values, several):
    """Return what makes probabilities of a network's outputs, those for several images.

    Raises Unusable where that can't be told.
    """
    if not np.isfinite(values).all():
        raise Unusable(f"{file} gives NaN or infinite numbers", "Export it again.")
    one, probable = values.shape[1] == 1, (values >= 0).all() and (values <= 1).all()
    add_up = probable and np.abs(values.sum(axis=1) - 1).max() < 0.005
    if one and (values == 1).all():
        remedy = "A softmax of one number is always 1. Export it without that."
        raise Unusable(f"{file} gives 1 for every image", remedy)
    if add_up and several and not one:
        problem = f"{file} gives probabilities that add up to 1, so only one label can be right"
        raise Unusable(problem, "Set SEVERAL = False in main.py.")
    if probable and not add_up and not several and not one:
        problem = f"{file} gives numbers from 0 to 1 that don't add up to 1"
        raise Unusable(problem, "Set SEVERAL = True in main.py if several labels can be right.")
    if probable:
        return "none"
    return "sigmoid" if several or one else "softmax"
