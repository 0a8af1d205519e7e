"""The images to learn from: Oxford 102 Flowers with its own three splits, fetched and checked."""

import errno
import hashlib
import shutil
import socket
import sys

import gradio as gr
from image import read_image
from scipy.io import loadmat
from torch.utils.data import Dataset
from torchvision.datasets import Flowers102

SITE = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
FILES = {  # with their MD5 digests, as torchvision has them
    "102flowers.tgz": "52808999861908f626f3c1f4e79d11fa",
    "imagelabels.mat": "e0620be6f572b9609742df49c70aed4d",
    "setid.mat": "a5357ecc9cb78c4bef273ce3793fc85c",
}
SPLITS = {"train": "trnid", "val": "valid", "test": "tstid"}  # as setid.mat calls them
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


def find_images(folder, digests):
    """Return the labels, and {split: [(file, number of its label), ...]} for train, val and test.

    `folder` has a folder `flowers-102`, as torchvision calls it, with the three files of the data
    set. If one is missing, all that is missing is fetched.
    """
    folder = folder / "flowers-102"
    files = [folder / name for name in FILES]
    if not all(file.exists() for file in files):
        addresses = {file: SITE + file.name for file in files}
        fetch(addresses, Flowers102, folder.parent, download=True)
    for file, digest in zip(files, digests, strict=True):
        check(file, "md5", digest)
    numbers = loadmat(files[1])["labels"][0]  # from 1
    images = [folder / "jpg" / f"image_{i + 1:05}.jpg" for i in range(len(numbers))]
    if not all(image.exists() for image in images):
        print("Unpacking the images ...", flush=True)
        shutil.unpack_archive(files[0], folder)
    splits = loadmat(files[2])
    if missing := [name for name in SPLITS.values() if name not in splits]:
        sys.exit(f"{files[2]} has no split called {' or '.join(missing)}.")
    samples = {
        split: [(images[i - 1], int(numbers[i - 1]) - 1) for i in splits[name][0]]
        for split, name in SPLITS.items()
    }
    return Flowers102.classes, samples


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
