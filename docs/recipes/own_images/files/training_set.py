"""Which images to learn from: folders train, val and test, each with a folder for every label."""

import sys

from leftovers import files_below, is_leftover
from torchvision.datasets.folder import IMG_EXTENSIONS

WEIGHTS = "leaf_model_vgg19.pth"  # the app's, in data/


def find_images(folder, digests=None):
    """Return the labels, and {split: [(file, number of its label), ...]} for train, val and test.

    `folder` has three folders of these names, each with a folder of images for every label. What
    file managers and Jupyter leave there is passed over. Your own images have no known `digests`.
    """
    splits = {split: folder / split for split in ("train", "val", "test")}
    labels = find_labels(splits["train"])
    for place in splits.values():
        if find_labels(place) != labels:
            sys.exit(f"{place} must have the same folders as train: {', '.join(labels)}.")
    return labels, {split: find_samples(place, labels) for split, place in splits.items()}


def find_labels(place):
    """Return the names of the folders in a folder, or end the program with a message."""
    found = sorted(place.iterdir()) if place.is_dir() else []
    labels = [path.name for path in found if path.is_dir() and not is_leftover(path.name)]
    return labels or sys.exit(f"{place} must have a folder of images for every label; it has none.")


def find_samples(place, labels):
    """Return [(file, number of its label), ...]; say which files are no images, by their names."""
    samples, others = [], []
    for number, label in enumerate(labels):
        before = len(samples)
        for file in files_below(place / label, links=True):
            if file.suffix.lower() in IMG_EXTENSIONS:
                samples.append((str(file), number))
            else:
                others.append(file)
        if len(samples) == before:
            endings = ", ".join(IMG_EXTENSIONS)
            sys.exit(f"There is no image in {place / label}. Their names end in one of {endings}.")
    if others:
        print(f"Left out in {place}, by their names: {len(others):,} files, such as {others[0]}")
    return samples
