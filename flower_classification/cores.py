"""Share the cores among the predictions that run at the same time: @share_cores().

PyTorch takes all cores for each prediction, so several at once get in each other's way. And it
counts the cores of the whole computer, even in a container that may use two of 64. Most of its
threads then wait.

This does not work for a function with `yield`. There, write `with share_cores():` around the lines
that run the model.
"""

import contextlib

import loky
import torch

CORES = min(torch.get_num_threads(), loky.cpu_count())  # loky knows what a container may use
PREDICTIONS = set()  # those that are running


@contextlib.contextmanager
def share_cores():
    """Run a prediction on its share of the cores: on all of them if it is the only one."""
    prediction = object()
    PREDICTIONS.add(prediction)
    # PyTorch keeps this number for each of Python's threads, and each prediction has one to itself
    torch.set_num_threads(max(1, CORES // len(PREDICTIONS)))
    try:
        yield
    finally:
        PREDICTIONS.remove(prediction)
