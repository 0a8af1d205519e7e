"""Put a model into a new copy of the app that fits it, and say what is still the author's."""

import re
import shutil
import sys

import recipes
from inspect_model import ONNX, SKOPS, WITH_AUX, Finished, load_weights, without_aux

NO_LABEL = "(no label yet)"  # `make check` refuses it
OWN = {  # what no finished model says
    "model.onnx": (
        "main.py  prepare, MEAN and DEVIATION: as in your training? A wrong one gives no error.",
        "main.py  SIZE, if the file leaves it open; SEVERAL, if an image can have several labels",
        "data/labels.txt  are the labels in the order of the outputs?",
        "data/  images whose class you know, instead of these examples",
    ),
    "model.skops": (
        "main.py  WORDS: the columns that hold words, and those that the model knows",
        "data/example.csv  a table like those of your users, instead of this one",
        "requirements.txt  the version of scikit-learn with which the model was trained",
    ),
}


def labels_for(model, file):
    """Return a label for each class: from LABELS=, from the checkpoint, or none yet."""
    if model is SKOPS:
        return (
            sys.exit("A scikit-learn model has its own labels: leave LABELS= out.") if file else []
        )
    if model is ONNX and not file:
        sys.exit("An ONNX model has no labels in it: set LABELS=..., such as LABELS=classes.txt.")
    if model is ONNX:
        return load_weights().read_labels(file)
    labels = load_weights().read_labels(file) if file else model.labels
    labels = labels or [f"class {number} {NO_LABEL}" for number in range(model.classes)]
    if len(labels) != model.classes:
        sys.exit(f"The model has {model.classes} classes, but there are {len(labels)} labels.")
    if len({*labels}) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        sys.exit(f'The label "{twice}" is there twice. Give each class its own label.')
    return labels


def put_in(file, model, labels, folder, name):
    """Put the model in a file, and its labels, into a new copy of the app that it fits."""
    if isinstance(model, Finished):
        shutil.copy(file, folder / "data" / model.file)
        weights = file.with_name(f"{file.name}.data")  # PyTorch's exporter makes two files
        if weights.exists():
            shutil.copy(weights, folder / "data")  # under the name that the other has for it
        (folder / "data" / "expected.json").unlink(missing_ok=True)  # of the model that was there
        shutil.rmtree(folder / "data" / "expected", ignore_errors=True)
        seen = things(labels) if labels else "A prediction for each row of a table."
        replace_lines(folder, {"DESCRIPTION =": f' "{seen}"'})
    else:
        put_in_network(model, labels, folder, name)
    if labels:
        lines = "".join(f"{label}\n" for label in labels)
        (folder / "data" / "labels.txt").write_text(lines, encoding="utf-8", newline="\n")


def put_in_network(model, labels, folder, name):
    """Put a network and its weights into a new copy of the app resnet."""
    import torch
    from torchvision import models

    recipes.take_away(recipes.DOWNLOAD, folder)
    state = {
        name: (value.float() if value.is_floating_point() else value).contiguous()
        for name, value in without_aux(model.state).items()
    }
    torch.save(state, folder / "data" / f"{name}.pth")
    pretrained = models.get_model_weights(model.name)
    first = f"{pretrained.__name__}.{next(iter(pretrained)).name}"
    options = ", aux_logits=False, init_weights=False" if model.name in WITH_AUX else ""
    texts = {
        "from torchvision.models import": f" {pretrained.__name__}, {model.name}",
        "from weights import": " load_model, read_labels",
        "DESCRIPTION =": f' "{things(labels)}"',
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
    replace_lines(folder, texts)


def things(labels):
    """Return the description of a classifier with these labels."""
    number = f"{len(labels)} thing{'s' * (len(labels) != 1)}"
    return f"Choose an image to see which of {number} it most likely shows."


def replace_lines(folder, texts):
    """Replace the lines of main.py that begin with a key by that key and its value."""
    main = folder / "main.py"
    text = main.read_text(encoding="utf-8")
    for beginning, rest in texts.items():
        text = re.sub(rf"(?m)^{beginning} .*", lambda _, r=beginning + rest: r, text, count=1)
    main.write_text(text, encoding="utf-8", newline="\n")


def still_yours(model, labels, name):
    """Return what is still the author's, since no file says it."""
    if isinstance(model, Finished):
        return "\n".join(f"  {name}/{each}" for each in OWN[model.file])
    first = f"{name}/main.py  preprocess: is it what your training used for validation?"
    said = [f"  {first} No file says so, and a wrong one gives no error."]
    if model.name in WITH_AUX:
        said.append(
            f"  {name}/main.py  transform_input=True if you began with torchvision's weights"
        )
    said.append(
        f"  {name}/main.py  activation: softmax for one label per image, sigmoid for several"
    )
    if labels[0].endswith(NO_LABEL):
        said.append(f"  {name}/data/labels.txt  the labels, one per line, in the outputs' order")
    else:
        said.append(f"  {name}/data/labels.txt  are the labels in the order of the outputs?")
    said.append(f"  {name}/data/  images whose class you know, instead of these examples")
    return "\n".join(said)
