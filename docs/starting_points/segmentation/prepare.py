"""Prepare images as in training: the app and train_unet.py both take this."""

import numpy as np


def prepare(image):
    """Return an 8-bit RGB image as float32, channels x height x width.

    Here that is one channel, the brightest of the three colours, from 0 for the darkest pixels of
    the image to 1 for the brightest. It takes the whole image: prepared tile by tile, the same cell
    would be brighter in one tile than in the next.
    """
    grey = np.asarray(image).max(axis=2)
    low, high = np.percentile(grey, [1, 99.8])
    # the 100th brightest pixel: in a nearly empty image, the line above would only see noise
    few = min(100, grey.size)
    bright = np.partition(grey, -few, axis=None)[-few]
    high = max(high, (low + bright) / 2)
    return ((grey - np.float32(low)) / np.float32(max(high - low, 1)))[None]
