"""Read the images to learn from; fetch files and check that they are the right ones."""

import errno
import hashlib
import socket
import sys

import gradio as gr
from image import read_image
from torch.utils.data import Dataset

EXAMPLES = "[!.]*.[jpJP]*[gG]"  # in data/, as in main.py: .jpg, .JPEG, .png ...
SILENCE_S = 30  # how long to wait for a server that says nothing


class Unreadable(Exception):
    """An image cannot be read; the message says which."""


def check(file, algorithm, digest):
    """End the program with a message unless the digest of a file begins with this one."""
    found = getattr(hashlib, algorithm)(file.read_bytes()).hexdigest()
    if not found.startswith(digest):
        sys.exit(
            f"{file} is damaged, or another file: its {algorithm.upper()} digest is {found}, and "
            f"not {digest}{'' if len(digest) >= 32 else '...'}\nDelete it, and try again."
        )


def fetch(addresses, function, *arguments, **options):
    """Call a function that downloads, or end the program and say what to bring by hand.

    `addresses` are {file: where it is to be had}.
    """
    socket.setdefaulttimeout(SILENCE_S)
    reason = "it left these out"
    try:
        function(*arguments, **options)
    except (OSError, RuntimeError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise
        reason = getattr(error, "reason", error)
    missing = [f"{url}\n  as {file}" for file, url in addresses.items() if not file.exists()]
    if missing:
        sys.exit("\n".join([f"No download: {reason}.\nBring these files by hand:", *missing]))


def read(file):
    """Return an image as the app reads it; raises Unreadable."""
    try:
        return read_image({"path": str(file)}, enough=1024)
    except (gr.Error, OSError) as error:
        raise Unreadable(f"{file}: {getattr(error, 'message', error)}") from None


class Images(Dataset):
    """Images, each prepared by `transform`, with the number of the label."""

    def __init__(self, samples, transform):
        self.samples, self.transform = samples, transform

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, number):
        file, label = self.samples[number]
        return self.transform(read(file)), label
