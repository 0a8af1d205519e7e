"""Read a plane of a TIFF from a microscope or scanner, in the process of pixels.py."""

import io
import math
from pathlib import Path

import numpy as np
import pixels
import tifffile
from PIL import Image, ImageOps
from pixels import MAX_MEGAPIXELS, TIFF, Refused, refuse, to_8_bits

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
PART = "TIFF from a microscope or scanner"  # of the page


def read(path, enough=None, plane=None, channel=None, limits=None, unless_shown=False):
    """Return an image file as 8-bit RGB, of a TIFF the chosen plane; raise Refused with a message.

    pixels.py reads all other files, and TIFFs with a palette, CMYK, transparency or JPEG
    compression. `plane` and `channel` count from 1, 0 stands for the only one, and None says that
    the user cannot choose here. Red, green and blue are one channel. Channels are the axes C and S
    of tifffile, and planes are all others; with several of these, the last one counts fastest.
    `limits` are the values that become black and white. `unless_shown`: see pixels.read().
    """
    return read_tiff(path, plane, channel, limits) or pixels.read(path, enough, unless_shown)


def read_tiff(path, plane, channel, limits):
    """Return one plane of a TIFF, or None if pixels.py is to read it."""
    content = Path(path).read_bytes()
    if not content.startswith(TIFF):
        choose(plane, "plane")
        choose(channel, "channel")
        if limits and pixels.is_deep(content):
            refuse("With more than 8 bits, this app reads only TIFF files. Save it as a TIFF.")
        return None
    try:
        # not by its path: an OME-TIFF can name other files, and tifffile would open them
        with tifffile.TiffFile(io.BytesIO(content), name=Path(path).name) as tiff:
            if len(tiff.series) > 1:
                refuse("This file has images of several sizes. Save one as a separate file.")
            series, page = tiff.series[0], tiff.series[0].keyframe
            number, index = find(series, page, plane, channel)
            if page.photometric > RGB or page.compression not in COMPRESSIONS or alpha(page):
                if limits and page.bitspersample > 8:
                    refuse("Save this TIFF without palette, transparency and JPEG compression.")
                return None
            check_size(page)
            chosen = series.pages[number]
            if chosen is None:
                refuse("This plane is in another file. Please choose that one.")
            values = chosen.asarray(maxworkers=1)[index]
        axes = [axis for axis, i in zip(page.axes, index, strict=True) if i == ALL]
        values = values.transpose([axes.index(axis) for axis in "YXS" if axis in axes])
        image = Image.fromarray(scale(values, page, limits))
        image.getexif()[ORIENTATION] = page.tags.valueof(ORIENTATION, 1)
        image = ImageOps.exif_transpose(image).convert("RGB")
        longest = 8 * min(image.size)
        if max(image.size) > longest:  # 10,000 x 1 would be resized to 2,560,000 x 256
            image = ImageOps.fit(image, [min(side, longest) for side in image.size])
    except (Refused, MemoryError):
        raise
    except Exception:  # tifffile has many errors for a damaged file
        refuse("This TIFF file is damaged, or of a rare kind. Save it as a PNG and try again.")
    return image


def find(series, page, plane, channel):
    """Return which page of a TIFF holds a plane and a channel, and an index for the page's axes."""
    inside = len(page.shape)
    shape = series.get_shape(squeeze=True)
    axes = series.get_axes(squeeze=True)[:-inside] + page.axes
    if shape[-inside:] != page.shape or len(series) != math.prod(shape[:-inside]):
        refuse("This TIFF file has its planes in an unusual order. Save one as a separate file.")
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


def scale(values, page, limits):
    """Return values of height x width, or height x width x 3, with 8 bits: 0 is black."""
    kind, bits = str(page.dtype), page.bitspersample
    if kind not in KINDS:
        refuse(f"This TIFF file has numbers of type {kind}. Save it with 32 bits or fewer.")
    # 8 bits were scaled before, unless the limits are of 8 bits, too
    of_8_bits = limits and 0 <= limits[0] < limits[1] <= 255
    if kind == "uint8" and bits == 8 and not of_8_bits:
        shades = values
    else:
        values = values.astype(np.result_type(values.dtype, "float32"))
        if not np.isfinite(values).all():
            refuse("This image has values that are not numbers (NaN or infinite). Replace them.")
        # of 16 bits, cameras often use 10, 12 or 14; fewer bits are all used
        if limits or (kind[0] in "bu" and bits < 16):
            low, high = limits or (0, 2**bits - 1)
            shades = ((values - low) / (high - low)).clip(0, 1) * 255
            shades = shades.round().astype("uint8")
            if limits and np.ptp(shades) == 0 < np.ptp(values):
                refuse(
                    f"The values of this image, from {values.min():g} to {values.max():g}, all get "
                    f"the same brightness: black is {low:g}, and white {high:g}."
                )
        else:
            shades = to_8_bits(values, whole="float" not in kind)
    return 255 - shades if page.photometric == WHITE_IS_0 else shades
