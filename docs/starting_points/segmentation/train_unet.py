"""Train the U-Net on drawn cells: data/unet.pt, with an example image and its truth.

    python train_unet.py

It takes about two minutes. Your own images with their masks go where draw_cells() is called.
"""

from pathlib import Path

import numpy as np
import torch
from made_cells import draw_cells
from PIL import Image
from prepare import prepare
from scipy.ndimage import maximum_filter, minimum_filter
from unet import UNet

DATA = Path(__file__).resolve().parent / "data"
STEPS, BATCH = 400, 8
TRAINED_ON, HELD_OUT = range(300), range(1000, 1040)  # seeds of images


def touching(truth):
    """Tell which pixels of objects are next to another object."""
    nobody = truth.max() + 1
    lowest = minimum_filter(np.where(truth, truth, nobody), 3)
    return (truth > 0) & (maximum_filter(truth, 3) != lowest)


def prepare_all(seeds):
    """Return images as the network gets them, what is wanted for each pixel, and what that counts.

    All are images x 1 x height x width.
    """
    images, wanted, counts = [], [], []
    for seed in seeds:
        image, truth = draw_cells(seed)
        between = touching(truth)  # a line that keeps objects apart: it counts as background
        images.append(prepare(image))
        wanted.append(((truth > 0) & ~between)[None])
        counts.append(np.where(between, 5, 1)[None])
    return [torch.from_numpy(np.float32(each)) for each in (images, wanted, counts)]


@torch.inference_mode()
def measure(model):
    """Return the IoU of the held-out images: of what was found and the truth, the common share."""
    common = either = 0
    for seed in HELD_OUT:
        image, truth = draw_cells(seed)
        found = model(torch.from_numpy(prepare(image))[None])[0, 0].numpy() > 0
        common += (found & (truth > 0)).sum()
        either += (found | (truth > 0)).sum()
    return common / either


def main():
    torch.manual_seed(0)
    model = UNet()
    best = torch.optim.AdamW(model.parameters(), lr=1e-2)
    rate = torch.optim.lr_scheduler.OneCycleLR(best, max_lr=1e-2, total_steps=STEPS)
    prepared = prepare_all(TRAINED_ON)
    for step in range(STEPS):
        chosen, turns = torch.randperm(len(TRAINED_ON))[:BATCH], step % 4
        images, wanted, counts = (each[chosen].rot90(turns, (2, 3)) for each in prepared)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(images), wanted, counts)
        best.zero_grad()
        loss.backward()
        best.step()
        rate.step()
        if step % 50 == 49:
            print(f"step {step + 1} of {STEPS}, loss {loss.item():.3f}", flush=True)
    print(f"IoU {measure(model.eval()):.3f} for {len(HELD_OUT)} images not trained on.")
    torch.save(model.state_dict(), DATA / "unet.pt")
    image, truth = draw_cells(HELD_OUT[-1] + 1, 384, 512, crowded=12)
    image.convert("L").save(DATA / "cells.png")
    Image.fromarray(truth.astype("uint16")).save(DATA / "truth.png")
    print("Saved data/unet.pt, data/cells.png and data/truth.png.")


if __name__ == "__main__":
    main()
