"""Draw images of cells together with the truth: which pixel belongs to which cell."""

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

LARGEST = 14  # half of the longest cell, in pixels


def draw_cells(seed, height=128, width=128, crowded=None):
    """Return an image, and an array of the same size: 0 for the background, 1 for a cell, 2, 3, ...

    `crowded` is how many cells there are in 10,000 pixels, or None for a random number.
    """
    random = np.random.default_rng(seed)
    crowded = random.choice([0, 5, 15, 30]) if crowded is None else crowded
    truth, brightness = np.zeros((height, width), "int32"), np.zeros((height, width))
    for _ in range(round(crowded * height * width / 10_000)):
        put_cell(truth, brightness, random)
    texture = gaussian_filter(random.normal(size=truth.shape), 2)
    light = gaussian_filter(random.normal(size=truth.shape), max(truth.shape) / 4)
    light = 1 + 0.3 * light / max(abs(light).max(), 1e-9)  # uneven, as in a microscope
    bright = gaussian_filter(brightness * (1 + texture), random.uniform(0.5, 1.5))
    bright = random.uniform(0.05, 0.2) + random.uniform(0.2, 0.7) * bright * light
    bright = random.poisson(bright * random.uniform(60, 600)) + random.normal(0, 2, truth.shape)
    grey = np.clip(bright / max(bright.max(), 60), 0, 1) * 255
    return Image.fromarray(grey.astype("uint8")).convert("RGB"), truth


def put_cell(truth, brightness, random):
    """Draw one cell, unless it would be mostly below others."""
    height, width = truth.shape
    y, x = random.uniform(0, height), random.uniform(0, width)
    radii, turned = random.uniform(6, LARGEST, 2), random.uniform(0, np.pi)
    reach = LARGEST + 4
    top, left = (max(0, int(middle) - reach) for middle in (y, x))
    part = np.s_[top : int(y) + reach, left : int(x) + reach]
    rows, columns = np.indices(truth[part].shape)
    rows, columns = rows + top - y, columns + left - x
    angles = np.arctan2(rows, columns)
    along = np.cos(angles - turned) / radii[0], np.sin(angles - turned) / radii[1]
    outline = 1 / np.hypot(*along) * (1 + 0.08 * np.sin(3 * angles + random.uniform(0, 6)))
    cell = np.hypot(rows, columns) <= outline
    free = cell & (truth[part] == 0)
    if free.sum() > 0.7 * cell.sum():
        truth[part][free] = truth.max() + 1
        brightness[part][free] = random.uniform(0.4, 1)
