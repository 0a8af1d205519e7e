"""Run a network on a large image tile by tile, so that no seam shows where tiles meet.

Tiles overlap. Near its edge a tile lacks what is beyond, so the outer third of an overlap is taken
from the other tile, and in the middle third the two are blended.
"""

import concurrent.futures
import itertools
import sys

import gradio as gr
import numpy as np
from image import refuse
from PIL import Image

TILE, OVERLAP = 512, 96  # pixels; TILE - OVERLAP is a multiple of what the network halves
AS_PROBABILITIES = "predict() in main.py has to return a probability, 0 to 1, for each pixel"


def predict_in_tiles(predict, pixels, progress=None, tile=TILE):
    """Return the probabilities, height x width, for an image of channels x height x width.

    predict() gets tile x tile pixels of all channels. At the right and lower edge, and if the image
    is smaller than a tile, that includes mirrored pixels.
    """
    size = pixels.shape[1:]
    rows, columns = (range(0, max(1, side - OVERLAP), tile - OVERLAP) for side in size)
    below, right = rows[-1] + tile - size[0], columns[-1] + tile - size[1]
    padded = np.pad(pixels, [(0, 0), (0, below), (0, right)], "symmetric")
    found = np.zeros(padded.shape[1:], "float32")
    places = [*itertools.product(rows, columns)]
    for number, (top, left) in enumerate(places):
        if progress:
            progress((number, len(places)), desc="Predicting", unit="tiles")
        there = np.s_[top : top + tile, left : left + tile]
        part = np.asarray(predict(padded[(slice(None), *there)]))
        require_probabilities(part, tile)
        found[there] += part * weights(top, rows, tile)[:, None] * weights(left, columns, tile)
    return found[: size[0], : size[1]]


def weights(start, starts, tile):
    """Return how much each row, or column, of a tile counts; those of all tiles add up to 1."""
    rising = np.clip((np.arange(OVERLAP) + 0.5) / (OVERLAP / 3) - 1, 0, 1)  # 0, 0 to 1, 1
    counts = np.ones(tile, "float32")
    if start != starts[0]:
        counts[:OVERLAP] = rising
    if start != starts[-1]:
        counts[-OVERLAP:] = rising[::-1]
    return counts


def require_probabilities(part, tile):
    """Raise gr.Error if a network gives something else than probabilities."""
    if part.shape != (tile, tile):
        refuse(f"{AS_PROBABILITIES}: {tile} x {tile}, not {' x '.join(map(str, part.shape))}.")
    if not (part.min() >= 0 and part.max() <= 1):  # NaN is neither
        refuse(f"{AS_PROBABILITIES}, not numbers from {part.min():g} to {part.max():g}.")


def try_network(prepare, predict):
    """End the program with a message if the parts of "Your model" do not fit together."""
    noise = np.random.default_rng(0).integers(0, 255, (TILE, TILE, 3), "uint8")
    pixels = prepare(Image.fromarray(noise))
    # in a thread of its own: PyTorch keeps threads for each thread that has used it
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        try:
            thread.submit(predict_in_tiles, predict, pixels).result()
        except gr.Error as error:
            sys.exit(error.message)
