"""Which images to learn from: folders train, val and test, each with a folder for every label."""

import sys

from torchvision.datasets import ImageFolder

WEIGHTS = "leaf_model_vgg19.pth"  # the app's, in data/


def find_images(folder, digests=None):
    """Return the labels, and {split: [(file, number of its label), ...]} for train, val and test.

    `folder` has three folders of these names, each with a folder of images for every label. Your
    own images have no known `digests`.
    """
    try:
        found = {split: ImageFolder(folder / split) for split in ("train", "val", "test")}
    except FileNotFoundError as error:
        sys.exit(f"There must be train, val and test, with the same folders in each: {error}")
    labels = found["train"].classes
    for split in found:
        if found[split].classes != labels:
            sys.exit(f"{folder / split} must have the same folders as train: {', '.join(labels)}.")
    return labels, {split: images.samples for split, images in found.items()}
