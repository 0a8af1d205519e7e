"""Read TIFF files from microscopes and scanners, or say in a message what to do about them.

from lab_image import read_image     # replaces that of image.py
lab_image.add_to_page(image)         # at the end of the page
"""

import io
import logging
import math
import os
import tempfile
from pathlib import Path

import gradio as gr
import image as everyday
import numpy as np
import tifffile
from image import MAX_MEGAPIXELS, TIFF, refuse, to_8_bits
from PIL import Image, ImageOps

# The values that become black and white, as in training: (0, 4095) for a camera of 12 bits,
# (-160, 240) for soft tissue in CT. None: 0, and the most that the bit depth allows.
RANGE = None
MAX_MEGABYTES = 2 * MAX_MEGAPIXELS  # of a plane, before it is scaled
# whole numbers and floats of these sizes
KINDS = ("bool", "uint8", "uint16", "uint32", "int8", "int16", "int32")
KINDS += ("float16", "float32", "float64")
# none, LZW, ZIP and ZIP, PackBits, Zstandard: these unpack to what the file says, and no more
COMPRESSIONS = (1, 5, 8, 32946, 32773, 50000)
# TIFF 6.0: values of the tag PhotometricInterpretation, how many colours they have, another tag
WHITE_IS_0, RGB, CMYK, YCBCR, CIELAB = 0, 2, 5, 6, 8
COLOURS = {RGB: 3, CMYK: 4, YCBCR: 3, CIELAB: 3}
ORIENTATION = 274
ALL = slice(None)

PART = "TIFF from a microscope or scanner"

# what tifffile thinks of a file would be printed with its name
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)


def add_to_page(image):
    """Add a part to the page that opens a plane of a TIFF, and shows it as the `image` there."""
    uploads = os.environ["GRADIO_TEMP_DIR"]  # what is in this folder is deleted on time

    def open_tiff(file, plane, channel):
        """Return one plane of an uploaded TIFF as a PNG with 8 bits, as the model gets it."""
        opened = read_tiff(file, plane or 0, channel or 0) or everyday.read_image(file)
        saved = Path(tempfile.mkdtemp(dir=uploads), "plane.png")
        opened.save(saved)
        return str(saved)

    gr.Markdown(f"## {PART}\nIt becomes your image above, as the model sees it. Then press Submit.")
    with gr.Row():
        file = gr.File(label="Your TIFF", height=140)
        limits = {"info": "0 if there is only one", "precision": 0, "minimum": 0}
        plane = gr.Number(0, label="Plane", **limits)
        channel = gr.Number(0, label="Channel", **limits)
        show = gr.Button("Show")
    events = [file.upload, plane.submit, channel.submit, show.click]
    gr.on(events, open_tiff, [file, plane, channel], image, preprocess=False)


def read_image(upload, enough=None):
    """Return an uploaded image as 8-bit RGB, as image.py does, of a TIFF the only plane."""
    return read_tiff(upload) or everyday.read_image(upload, enough)


def read_tiff(upload, plane=None, channel=None):
    """Return one plane of an uploaded TIFF as 8-bit RGB, or None if image.py is to read it.

    That reads all other files, and TIFFs with a palette, CMYK, transparency or JPEG compression.
    `plane` and `channel` count from 1, 0 stands for the only one, and None says that the user
    cannot choose here. Red, green and blue are one channel. Channels are the axes C and S of
    tifffile, and planes are all others; with several of these, the last one counts fastest.
    Raises gr.Error with a message for the user.
    """
    if not upload or not upload["path"]:
        return None
    file = Path(upload["path"])
    content = file.read_bytes()
    if not content.startswith(TIFF):
        choose(plane, "plane")
        choose(channel, "channel")
        return None
    try:
        # not by its path: an OME-TIFF can name other files, and tifffile would open them
        with tifffile.TiffFile(io.BytesIO(content), name=file.name) as tiff:
            if len(tiff.series) > 1:
                refuse("This file has images of several sizes. Save one as a file of its own.")
            series, page = tiff.series[0], tiff.series[0].keyframe
            number, index = find(series, page, plane, channel)
            if page.photometric > RGB or page.compression not in COMPRESSIONS or alpha(page):
                return None
            check_size(page)
            chosen = series.pages[number]
            if chosen is None:
                refuse("This plane is in another file. Please choose that one.")
            pixels = chosen.asarray(maxworkers=1)[index]
        axes = [axis for axis, i in zip(page.axes, index, strict=True) if i == ALL]
        pixels = pixels.transpose([axes.index(axis) for axis in "YXS" if axis in axes])
        image = Image.fromarray(scale(pixels, page))
        image.getexif()[ORIENTATION] = page.tags.valueof(ORIENTATION, 1)
        image = ImageOps.exif_transpose(image).convert("RGB")
        longest = 8 * min(image.size)
        if max(image.size) > longest:  # 10,000 x 1 would be resized to 2,560,000 x 256
            image = ImageOps.fit(image, [min(side, longest) for side in image.size])
    except gr.Error:
        raise
    except Exception:  # tifffile has many errors for a damaged file
        refuse("This TIFF file is damaged, or of a rare kind. Save it as a PNG, and try again.")
    return image


def find(series, page, plane, channel):
    """Return which page of a TIFF holds a plane and a channel, and an index for the page's axes."""
    inside = len(page.shape)
    shape = series.get_shape(squeeze=True)
    axes = series.get_axes(squeeze=True)[:-inside] + page.axes
    if shape[-inside:] != page.shape or len(series) != math.prod(shape[:-inside]):
        refuse("This TIFF file has its planes in an unusual order. Save one as a file of its own.")
    colours = COLOURS.get(page.photometric, 1) + alpha(page)
    whole = "YXS" if page.samplesperpixel == colours else "YX"
    index = [ALL if axis in whole else 0 for axis in axes]
    for what, given in (("plane", plane), ("channel", channel)):
        its = [i for i, axis in enumerate(axes) if axis not in whole]
        its = [i for i in its if (axes[i] in "CS") == (what == "channel")]
        names = [f"{tifffile.TIFF.AXES_NAMES[axes[i]]} {shape[i]}" for i in its]
        sizes = [shape[i] for i in its]
        chosen = choose(given, what, math.prod(sizes), " x ".join(names))
        for i, position in zip(its, np.unravel_index(chosen, sizes), strict=True):
            index[i] = int(position)
    number = 0
    for i, size in zip(index[:-inside], shape, strict=False):
        number = number * size + i
    return number, tuple(index[-inside:])


def alpha(page):
    """Return whether a page has transparency as its last sample."""
    return page.extrasamples in ((1,), (2,))


def check_size(page):
    """Refuse a page that would take too much memory, before it is read."""
    tile = page.tilewidth * page.tilelength * page.tiledepth * page.samplesperpixel
    megabytes = max(page.size, tile) * page.dtype.itemsize / 1_000_000
    megapixels = page.imagewidth * page.imagelength / 1_000_000
    if megapixels > MAX_MEGAPIXELS or megabytes > MAX_MEGABYTES:
        limits = f"{MAX_MEGAPIXELS} megapixels and {MAX_MEGABYTES} MB"
        refuse(f"This image is too large: a plane may have up to {limits}.")


def choose(number, what, count=1, names=""):
    """Return the index of the plane or channel with this number, the first being 1."""
    if not number and count == 1:
        return 0
    if number in range(1, count + 1):
        return int(number) - 1
    if count == 1:
        refuse(f"This file has only one {what}. Set {what.capitalize()} to 0.")
    names = f" ({names})" if " x " in names else ""
    how = f"Choose {what.capitalize()} 1 to {count}."
    if number is None:
        how = f'Open it under "{PART}".'
    refuse(f"This file has {count} {what}s{names}. {how}")


def scale(pixels, page):
    """Return pixels of height x width, or height x width x 3, with 8 bits: 0 is black."""
    kind, bits = str(page.dtype), page.bitspersample
    if kind not in KINDS:
        refuse(f"This TIFF file holds numbers of the type {kind}. Save it with 32 bits or fewer.")
    if kind == "uint8" and bits == 8 and not RANGE:
        shades = pixels
    else:
        values = pixels.astype(np.result_type(pixels.dtype, "float32"))
        if not np.isfinite(values).all():
            refuse("This image has values that are no numbers (NaN or infinite). Replace them.")
        # of 16 bits, cameras often use 10, 12 or 14; fewer bits are all used
        if RANGE or (kind[0] in "bu" and bits < 16):
            low, high = RANGE or (0, 2**bits - 1)
            shades = ((values - low) / (high - low)).clip(0, 1) * 255
            shades = shades.round().astype("uint8")
        else:
            shades = to_8_bits(values, whole="float" not in kind)
    return 255 - shades if page.photometric == WHITE_IS_0 else shades
