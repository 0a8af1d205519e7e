"""What a training run produces: curves, confusion, tables of scores, reference predictions."""

import csv
import hashlib
import json
import os
import platform

import torch
import torchvision
from matplotlib.figure import Figure
from training_data import EXAMPLES


def save(file, value):
    """Save a value with torch. The file gets its name only when it is whole."""
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as stream:
            torch.save(value, stream)
        os.replace(part, file)
    except RuntimeError as error:  # torch hides behind it a full disk, or Ctrl-C
        raise (error.__context__ or error) from None
    finally:
        part.unlink(missing_ok=True)


def save_json(file, value):
    text = json.dumps(value, indent=1, ensure_ascii=False)
    file.write_text(f"{text}\n", encoding="utf-8", newline="\n")


def save_scores(file, labels, scores, truths):
    """Write the table that the recipe not_sure reads: the right label, then all probabilities."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["true", *labels])
        for label, row in zip(truths.tolist(), scores.tolist(), strict=True):
            table.writerow([labels[label], *(f"{p:.6f}" for p in row)])


def measure(scores, truths, top=1):
    """Return the loss (mean cross-entropy), and the share of images whose label is in the top.

    `scores` are probabilities (images x labels), `truths` the numbers of the right labels.
    """
    right = scores.gather(1, truths[:, None])
    hits = scores.topk(min(top, scores.shape[1])).indices == truths[:, None]
    return -right.clamp_min(1e-9).log().mean().item(), hits.any(1).float().mean().item()


def best_epoch(history):
    """Return which epoch had the smallest loss in the validation, from 0."""
    return min(range(len(history)), key=lambda i: history[i]["val"][0], default=0)


def draw_curves(file, history, head_epochs):
    """Draw loss and accuracy of {"train": (loss, accuracy), "val": ...} of each epoch."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    epochs = range(1, len(history) + 1)
    for i, axes in enumerate(figure.subplots(1, 2)):
        axes.plot(epochs, [epoch["train"][i] for epoch in history], "o-", label="training")
        axes.plot(epochs, [epoch["val"][i] for epoch in history], "o-", label="validation")
        axes.axvline(head_epochs + 0.5, color="grey", linestyle=":", label="now all layers learn")
        axes.set(xlabel="epoch", ylabel=("loss", "accuracy")[i])
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    figure.savefig(file, dpi=120)


def draw_confusion(file, labels, scores, truths):
    """Draw which labels are taken for which, and return their counts (labels x labels)."""
    n = len(labels)
    counts = torch.bincount(truths * n + scores.argmax(1), minlength=n * n).reshape(n, n)
    figure = Figure(figsize=(10, 9), layout="constrained")
    axes = figure.subplots()
    shares = counts / counts.sum(1, keepdim=True).clamp_min(1)
    image = axes.imshow(shares, cmap="magma", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the images with this label")
    size = 4 if n > 40 else 9
    axes.set_xticks(range(n), labels, rotation=90, fontsize=size)
    axes.set_yticks(range(n), labels, fontsize=size)
    axes.set(xlabel="what the model says", ylabel="what it is")
    figure.savefig(file, dpi=160)
    return counts


def write(folder, labels, scores, details, weights):
    """Write what the model card needs: confusion.png, metrics.json and the tables of scores.

    `scores` are the probabilities and the numbers of the right labels, for "val" and "test".
    """
    for split, table in scores.items():
        save_scores(folder / f"{split}_scores.csv", labels, *table)
    counts = draw_confusion(folder / "confusion.png", labels, *scores["test"])
    (loss, top1), (_, top5) = (measure(*scores["test"], top=top) for top in (1, 5))
    kinds = zip(labels, counts.diag().tolist(), counts.sum(1).tolist(), strict=True)
    metrics = {"top1": top1, "top5": top5, "loss": loss}
    metrics["best_epoch"] = best_epoch(details["history"]) + 1
    metrics["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    metrics["versions"] = {"python": platform.python_version(), **versions}
    metrics["by_label"] = {label: {"right": right, "of": of} for label, right, of in kinds}
    save_json(folder / "metrics.json", {**metrics, **details})
    more = f", {top5:.1%} among the first five" if len(labels) > 5 else ""
    print(f"Test images: {top1:.1%} right{more}.")


def write_reference_predictions(file, predict):
    """Write expected.json: what the network predicts for the example images beside it.

    `predict` gives {label: probability} of an image's file, the most likely first. What an author
    called right before stays; where the network says something else, no probabilities are kept.
    """
    before = json.loads(file.read_text(encoding="utf-8"))["calls"] if file.exists() else []
    named = {call["inputs"][0]["file"]: call["outputs"][0] for call in before}
    calls = []
    for image in sorted(file.parent.glob(EXAMPLES)):
        found = predict(image)
        first = next(iter(found))
        right = named.get(image.name, [first])
        right = [max(right, key=right.get)] if isinstance(right, dict) else right
        print(f"data/{image.name}: {first} ({found[first]:.2f})", end="")
        said = f", but {file.name} says: {' or '.join(right)}" if first not in right else ""
        print(said if image.name in named else f". Is that right? If not, correct {file.name}")
        probabilities = {label: round(p, 4) for label, p in found.items()}
        output = probabilities if first in right else right
        calls.append({"inputs": [{"file": image.name}], "outputs": [output]})
    save_json(file, {"tolerance": 0.02, "from": "training", "calls": calls})


def put_in_place(weights, file):
    """Make weights those of the app; the ones that were there are kept beside them."""
    old = file
    while os.path.lexists(old):  # an earlier .replaced is not overwritten either
        old = old.with_name(f"{old.name}.replaced")
    if old != file:
        os.replace(file, old)
        print(f"The previous weights are now {old}")
    os.replace(weights, file)
    print(f"Saved {file}. Look at curves.png, confusion.png and metrics.json in training/.")
