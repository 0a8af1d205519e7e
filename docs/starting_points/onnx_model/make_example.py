"""Make the example: train a small network in PyTorch, and export it as data/model.onnx.

    pip install torch==2.14.1 onnx==1.23.2 onnxscript==0.7.2
    python make_example.py

It takes half a minute, and writes data/labels.txt and three images besides.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from PIL import Image, ImageDraw
from torch import nn

DATA = Path(__file__).resolve().parent / "data"
CELLS = {"empty": (0, 0), "few cells": (3, 6), "crowded": (25, 40)}  # from how many to how many
SIDE = 96


def draw(label, seed):
    """Return an image of bright cells on a dark background."""
    random = np.random.default_rng(seed)
    image = Image.new("L", (SIDE, SIDE), random.integers(20, 50).item())
    pen = ImageDraw.Draw(image)
    for _ in range(random.integers(*CELLS[label], endpoint=True)):
        x, y, radius = random.uniform((0, 0, 5), (SIDE, SIDE, 10))
        box = [x - radius, y - radius, x + radius, y + radius]
        pen.ellipse(box, fill=random.integers(90, 200).item())
    noise = random.normal(0, random.uniform(2, 12), (SIDE, SIDE))
    grey = (np.asarray(image) + noise).clip(0, 255).astype("uint8")
    return Image.fromarray(grey).convert("RGB")


def prepare(images):
    """Return images as main.py prepares them: images x colours x height x width."""
    pixels = np.stack([np.asarray(image) for image in images])
    return torch.from_numpy((np.float32(pixels) / 255 - 0.5) / 0.25).permute(0, 3, 1, 2)


def convolution(before, after):
    return nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU())


def main():
    torch.manual_seed(0)
    truth = torch.arange(360) % len(CELLS)
    images = prepare(draw(list(CELLS)[n], seed) for seed, n in enumerate(truth))
    layers = [convolution(3, 8), convolution(8, 16), convolution(16, 16)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, len(CELLS)))
    best = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(15):
        for chosen in torch.randperm(300).split(30):  # the last 60 images are held out
            loss = nn.functional.cross_entropy(model(images[chosen]), truth[chosen])
            best.zero_grad()
            loss.backward()
            best.step()
    right = (model.eval()(images[300:]).argmax(dim=1) == truth[300:]).float().mean()
    print(f"Right for {right:.0%} of 60 images not trained on.")
    names = {"input_names": ["image"], "output_names": ["scores"]}
    torch.onnx.export(model, images[:1], DATA / "model.onnx", external_data=False, **names)
    network = onnx.load(DATA / "model.onnx")
    for node in network.graph.node:  # PyTorch notes there in which files of this computer it was
        del node.metadata_props[:]
    onnx.save(network, DATA / "model.onnx")
    (DATA / "labels.txt").write_text("".join(f"{label}\n" for label in CELLS), encoding="utf-8")
    for seed, label in enumerate(CELLS, start=1000):
        draw(label, seed).resize((240, 240)).save(DATA / f"{label.replace(' ', '_')}.png")


if __name__ == "__main__":
    main()
