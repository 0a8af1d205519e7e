"""Show what was found in an image: in words, as a drawing, as a table, as files."""

import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import safe_csv
from image import refuse
from PIL import Image
from skimage.measure import label, regionprops_table
from skimage.segmentation import find_boundaries
from version import with_version

MEASURES = ["label", "area", "centroid"]  # any that skimage.measure.regionprops() has
NAMES = {"label": "object", "centroid-0": "y", "centroid-1": "x"}
ROWS = 1_000  # of the table in the page
DRAWN = 1_000  # pixels a side of the drawing, which Gradio sends once more for each kind of object
MOST = 65_535  # objects: the largest number in a mask with 16 bits


def within(number, least, most, name):
    """Return a number, or raise gr.Error; with preprocess=False, Gradio checks no limits."""
    if not isinstance(number, int | float) or not least <= number <= most:
        refuse(f"{name} must be a number from {least:,} to {most:,}.")
    return number


def number_objects(found, smallest):
    """Return labels, height x width: 0 for the background, 1 for the first object, 2, 3, ...

    `found` tells for each pixel whether it belongs to an object. Those of fewer pixels than
    `smallest` become background.
    """
    labels = label(found)
    kept = np.bincount(labels.ravel()) >= smallest
    kept[0] = False  # the background
    return (kept * kept.cumsum(dtype="int32"))[labels]


def show(image, labels, uploads, mask="mask.png"):
    """Return a message, a drawing for gr.AnnotatedImage, the first rows of a table, two files.

    `labels` has the height and width of the image: 0 is background, 1, 2, 3, ... are the objects.
    Areas are in pixels; x and y, also in pixels, are those of the centre, from the upper left
    corner. The files are written to the folder `uploads`; one is called `mask`, .png or .tif.
    Raises gr.Error if there are more objects than a mask with 16 bits can name.
    """
    if labels.max() > MOST:
        refuse(f"There are more than {MOST:,} objects. Please raise the smallest size.")
    table = pd.DataFrame(regionprops_table(labels, properties=MEASURES)).rename(columns=NAMES)
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    table["at the edge"] = table["object"].isin(edges).map({True: "yes", False: "no"})
    step = math.ceil(max(image.size) / DRAWN)
    message = in_words(table, step)
    return (
        message,
        draw(image, labels, edges, step),
        table.head(ROWS).round(1),
        save(labels, table, uploads, mask),
    )


def in_words(table, step):
    """Say how many objects there are, and what must be known to read the rest right."""
    count, cut = len(table), (table["at the edge"] == "yes").sum()
    if not count:
        return "No object has that many pixels. Lower the number, or check the other settings."
    words = [
        f"{count:,} object{'s' * (count > 1)}, median area {table['area'].median():,.0f} pixels."
    ]
    if cut:
        words.append(f"At the edge of the image: {cut:,}; they may be cut off.")
    if count > ROWS:
        words.append(f"The table shows the first {ROWS:,}; sizes.csv has all.")
    if step > 1:
        words.append(f"The drawing shows one pixel in {step} each way, and may lack small objects.")
    return "\n".join(words)


def draw(image, labels, edges, step):
    """Return the image and two masks: of the whole objects, and of those at its edge."""
    seen = labels[::step, ::step]
    strength = np.where(find_boundaries(seen, mode="inner"), 1, 0.4) * (seen > 0)
    at_edge = np.isin(seen, edges)
    masks = [(strength * ~at_edge, "whole"), (strength * at_edge, "at the edge")]
    return image.reduce(step), [(mask, name) for mask, name in masks if mask.any()]


def save(labels, table, uploads, mask):
    """Write a mask, with the number of its object in each pixel, and sizes.csv."""
    folder = Path(tempfile.mkdtemp(dir=uploads))
    mask, sizes = folder / mask, folder / "sizes.csv"
    how = "tiff_adobe_deflate"  # of a TIFF; a PNG is always compressed
    Image.fromarray(labels.astype("uint16")).save(mask, compression=how)
    safe_csv.write(sizes, with_version([table.columns, *table.itertuples(index=False)]))
    return [str(mask), str(sizes)]
