"""Which images to learn from: Oxford 102 Flowers with its own three splits, fetched and checked."""

import shutil
import sys

from scipy.io import loadmat
from torchvision.datasets import Flowers102
from training_data import check, fetch

WEIGHTS = "flower_model_vgg19.pth"  # the app's, in data/
SITE = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
FILES = {  # with their MD5 digests, as torchvision has them
    "102flowers.tgz": "52808999861908f626f3c1f4e79d11fa",
    "imagelabels.mat": "e0620be6f572b9609742df49c70aed4d",
    "setid.mat": "a5357ecc9cb78c4bef273ce3793fc85c",
}
SPLITS = {"train": "trnid", "val": "valid", "test": "tstid"}  # as setid.mat calls them


def find_images(folder, digests=None):
    """Return the labels, and {split: [(file, number of its label), ...]} for train, val and test.

    `folder` has a folder `flowers-102`, as torchvision calls it, with the three files of the data
    set. If one is missing, all that is missing is fetched. `digests` are their MD5 digests.
    """
    folder = folder / "flowers-102"
    files = [folder / name for name in FILES]
    if not all(file.exists() for file in files):
        addresses = {file: SITE + file.name for file in files}
        fetch(addresses, Flowers102, folder.parent, download=True)
    for file, digest in zip(files, digests or FILES.values(), strict=True):
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
