"""Read whatever image users upload, or say in a message why it cannot be read right."""

import io
import logging
import math
from pathlib import Path

import gradio as gr
import numpy as np
import tifffile
from PIL import Image, ImageOps

MAX_MEGAPIXELS = 50  # a file of 100 kB can unpack to gigabytes
# not EPS, for which Pillow starts a program
FORMATS = ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "AVIF", "BMP", "JPEG2000", "PPM", "ICO"]
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEIC = (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1")
CONVERT = "Save it as a PNG with 8 bits, and try again."
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # its warnings name files


def refuse(message):
    raise gr.Error(message, print_exception=False)


def read_image(upload, enough=None):
    """Return an uploaded image as 8-bit RGB, upright, transparency shown on white.

    `upload` is what the page sends: {"path": file}, or None.
    `enough` is for a model that looks at about so many pixels a side: a JPEG is then decoded at
    1/2, 1/4 or 1/8 of its size, in half the time, and of a very long strip the middle is taken.
    Raises gr.Error with a message for the user.
    """
    if not isinstance(upload, dict) or not upload.get("path"):
        refuse("Please choose an image first.")
    path = upload["path"]
    with open(path, "rb") as file:
        start = file.read(32)
    try:
        deep = start[12:16] == b"IHDR" and start[24:26] in (b"\x10\2", b"\x10\6")  # a 16-bit PNG
        if start[:4] in TIFF:
            deep = check_tiff(path)
        image = Image.open(path, formats=FORMATS)
        if image.width * image.height > MAX_MEGAPIXELS * 1_000_000:
            raise Image.DecompressionBombError
        if enough:
            image.draft(None, (enough, enough))
        image = ImageOps.exif_transpose(image)
        if image.mode[0] in "IF":  # grey with more than 8 bits
            image = Image.fromarray(to_8_bits(np.asarray(image, "float32"), image.mode[0] == "I"))
        if image.has_transparency_data:
            paper = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(paper, image.convert("RGBA"))
        image = image.convert("RGB")
        longest = 8 * min(image.size)
        if enough and max(image.size) > longest:  # 10,000 x 1 would be resized to 2,560,000 x 256
            image = ImageOps.fit(image, [min(side, longest) for side in image.size])
    except gr.Error:
        raise
    except Image.DecompressionBombError:
        refuse(f"This image has over {MAX_MEGAPIXELS} megapixels. Please make it smaller.")
    except Exception:  # Pillow and tifffile have many errors for a damaged file
        if start[4:12].startswith(HEIC):
            refuse("This is a HEIC photo, as iPhones take them. Please save it as a JPEG first.")
        refuse("This file cannot be read as an image. Try a PNG, JPEG or TIFF file.")
    # Pillow keeps the upper 8 of 16 bits of a colour: of a 12-bit camera's, next to nothing
    if deep and max(high for _, high in image.getextrema()) < 128:
        refuse(f"This image has 16 bits a colour, and does not use them all. {CONVERT}")
    return image


def check_tiff(path):
    """Refuse a TIFF that Pillow would read as something else; tell if its colours have 16 bits."""
    # not by its path: a microscope's TIFF can name other files, and tifffile would open them
    with tifffile.TiffFile(io.BytesIO(Path(path).read_bytes())) as tiff:
        page, series = tiff.pages.first, tiff.series
    # those of the image itself: red, green, blue; cyan, magenta, yellow, black; or grey
    colours = {2: 3, 5: 4, 6: 3, 8: 3}.get(page.photometric, 1)
    alpha = page.extrasamples in ((1,), (2,))
    size = page.imagewidth * page.imagelength * (colours + alpha)
    if len(series) > 1 or math.prod(series[0].shape) != size:
        refuse("This file has more than one plane or channel. Save the one you need as a PNG.")
    deep = page.bitspersample > 8
    kind = str(page.dtype)
    if kind not in ("bool", "uint8", "uint16", "int16", "uint32", "int32", "float32"):
        refuse(f"This TIFF file holds numbers of the type {kind}. {CONVERT}")
    if deep and (page.planarconfig == 2 or page.photometric == 0):
        refuse(f"This TIFF file has 16 bits in an unusual order. {CONVERT}")
    return deep and colours > 1


def to_8_bits(pixels, whole):
    """Scale an array of height x width by its bit depth, guessed from the largest value."""
    low, top = pixels.min(), pixels.max()
    if not np.isfinite(low + top):
        refuse(f"This image has values that are no numbers (NaN or infinite). {CONVERT}")
    if low < 0:
        refuse(f"This image has values below 0, down to {low:g}. {CONVERT}")
    dark, bright = np.quantile(pixels[::8, ::8], (0.01, 0.99))
    if whole and top < 1024 and dark > bright / 2:
        refuse(f"This image seems empty: nearly all its values are about {dark:.0f}. {CONVERT}")
    bits = max(8 * whole, max(1, math.ceil(top)).bit_length())
    return (pixels / (2**bits - 1) * 255).astype("uint8")
