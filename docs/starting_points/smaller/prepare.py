"""Prepare images as in training, with the numbers that torchvision's preset for ResNet18 has."""

import numpy as np
from PIL import Image

SHORTER_SIDE, MIDDLE = 256, 224  # pixels
MEAN, DEVIATION = np.float32([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])


def preprocess(image):
    """Return an image as an array of 3 colours x height x width: scaled, cut out, normalised."""
    shorter = min(image.size)
    size = [
        SHORTER_SIDE if side == shorter else int(side * SHORTER_SIDE / shorter)
        for side in image.size
    ]
    left, top = (round((side - MIDDLE) / 2) for side in size)
    image = image.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(image.crop((left, top, left + MIDDLE, top + MIDDLE)), "float32") / 255
    return ((pixels - MEAN) / DEVIATION).transpose(2, 0, 1)
