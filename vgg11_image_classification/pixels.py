"""Turn image files into 8-bit RGB, in a process with limits that image.py starts.

It needs neither Gradio nor PyTorch, and a file that would fill its memory ends it alone.
"""

import importlib
import io
import json
import logging
import math
import os
import signal
import sys
import tempfile
import warnings
from pathlib import Path

from PIL import Image, ImageOps

MAX_MEGAPIXELS = 50  # a file of 100 kB can unpack to gigabytes
FEW = 1e-4  # of the pixels: what so few of them hold decides nothing
# not EPS, for which Pillow starts a program
FORMATS = ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "AVIF", "BMP", "JPEG2000", "PPM", "ICO"]
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEIC = "a HEIC photo, as iPhones take them. Save it as a JPEG"
MICROSCOPE = "file from a {} microscope. Export one plane as a TIFF or PNG"
OTHERS = (  # what files of other kinds have in their first bytes, and where
    *((4, b"ftyp" + brand, HEIC) for brand in (b"hei", b"hev", b"mif1", b"msf1")),
    (0, b"ZISRAWFILE", f"a CZI {MICROSCOPE.format('Zeiss')}"),
    (0, b"\xda\xce\xbe\n", f"an ND2 {MICROSCOPE.format('Nikon')}"),
    (0, b"p\0\0\0", f"a LIF {MICROSCOPE.format('Leica')}"),
    (0, b"\x89HDF", "an HDF5 file, which may have many images. Export one as a TIFF or PNG"),
    (128, b"DICM", "a DICOM file. Export the image without any names in it, as a TIFF or PNG"),
)
CONVERT = "Save it as an 8-bit PNG and try again."


class Refused(Exception):
    """An image that is not read; the message is for the user."""


def refuse(message):
    raise Refused(message)


def read(path, enough=None, unless_shown=False):
    """Return an image file as 8-bit RGB, by the rule of read_image(); raise Refused.

    With `unless_shown`, return None for a file that browsers show as it is read.
    """
    data = Path(path).read_bytes()
    try:
        if unless_shown and is_shown(data):
            return None
        return convert(data, enough)
    except (Refused, MemoryError):
        raise
    except Image.DecompressionBombError:
        refuse(f"This image has over {MAX_MEGAPIXELS} megapixels. Please make it smaller.")
    except Exception as error:  # Pillow and tifffile have many errors for a damaged file
        for place, start, what in OTHERS:
            if data.startswith(start, place):
                refuse(f"This is {what} first.")
        if "truncated" in str(error) and len(data) > 1000:
            refuse(
                "This file cannot be read as an image, because its end is missing. "
                "Copy or download it again."
            )
        refuse("This file cannot be read as an image. Try a PNG, JPEG or TIFF file.")


def convert(data, enough):
    """Return the bytes of a file as an RGB image."""
    deep = is_deep(data)
    if data[:4] in TIFF:
        deep = check_tiff(data)
    # from memory: by its path, Pillow maps a TIFF that is stored on its side as if it were upright
    image = Image.open(io.BytesIO(without_comments(data)), formats=FORMATS)
    if image.width * image.height > MAX_MEGAPIXELS * 1_000_000:
        raise Image.DecompressionBombError
    # a photo of several is followed by its previews; check_tiff has counted those of a TIFF
    frames = 1 if image.format in ("MPO", "TIFF") else getattr(image, "n_frames", 1)
    if frames > 1:
        refuse(f"This file has {frames} frames. Save the one you need as a PNG.")
    if enough:
        image.draft(None, (enough, enough))
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode[0] in "IF":  # grey with more than 8 bits
        image = Image.fromarray(to_8_bits(values_of(image), image.mode[0] == "I"))
    elif deep and is_dark(values_of(image)[..., :3]):  # Pillow keeps the upper 8 bits
        refuse(f"This image has 16 bits per colour but does not use them all. {CONVERT}")
    palette = image.getextrema() if image.mode == "P" else (0, 0)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getextrema()[3] == (0, 0):  # of a program that does not use it
            image.putalpha(255)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if palette[0] != palette[1] and all(high < 3 for _, high in image.getextrema()):
        refuse(f"The colours of this image are all black. {CONVERT}")
    longest = 8 * min(image.size)
    if enough and max(image.size) > longest:  # 10,000 x 1 would be resized to 2,560,000 x 256
        image = ImageOps.fit(image, [min(side, longest) for side in image.size])
    return image


def values_of(image):
    """Return the values of an image, height x width or height x width x 3."""
    import numpy as np  # here: photos don't need it, and it takes 15 MB in each process

    return np.asarray(image)


def is_dark(colours):
    """Tell whether 8-bit colours stay in the darker half, apart from a scale bar or a few."""
    ((_, high),) = extents(colours, 255 if colours.max() == 255 else math.inf, FEW)
    mask = high == 0 and (colours == 255).mean() > 0.01
    return high < 128 and not mask


def is_shown(data):
    """Tell whether browsers show a file as convert() reads it."""
    image = Image.open(io.BytesIO(without_comments(data)), formats=FORMATS)
    turned = image.format != "JPEG" and image.getexif().get(0x0112, 1) != 1
    plain = image.mode in ("1", "L", "P", "RGB") and not image.has_transparency_data
    frames = 1 if image.format == "JPEG" else getattr(image, "n_frames", 1)
    known = image.format in ("PNG", "JPEG", "GIF", "WEBP", "BMP")
    return known and plain and not turned and frames == 1 and not is_deep(data)


def is_deep(data):
    """Tell whether a PNG, JPEG 2000 or PPM has more than 8 bits; refuse one with signed values."""
    if data[12:16] == b"IHDR":
        return data[24] > 8
    if data[:2] in (b"P3", b"P5", b"P6"):
        words = b" ".join(line.partition(b"#")[0] for line in data[:1000].split(b"\n")).split()
        return len(words) > 3 and words[3].isdigit() and int(words[3]) > 255
    if data[4:8] != b"jP  " and data[:2] != b"\xff\x4f":
        return False
    # where JPEG 2000 says what it holds; boxes of any size may come before
    size = data.find(b"\xff\x4f\xff\x51", max(0, data.find(b"jp2c")))
    depth = data[size + 42] if size >= 0 and len(data) > size + 42 else 0
    if depth > 127:
        refuse(f"This JPEG 2000 file has or allows values below 0. {CONVERT}")
    return depth > 7


def without_comments(data):
    """Return a PNG without its texts and colour profile, of which Pillow reads up to 1 MB."""
    if data[12:16] != b"IHDR":
        return data
    kept, place = bytearray(data[:8]), 8
    while place + 8 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] not in (b"iCCP", b"tEXt", b"zTXt", b"iTXt"):
            kept += data[place:end]
        place = end
    return kept


def check_tiff(data):
    """Refuse a TIFF that Pillow would read as something else; tell if its colours have 16 bits."""
    import tifffile  # here: it needs NumPy

    # not by its path: a TIFF of microscopes can name other files, and tifffile would open them
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        if "Aperio" in page.description:
            refuse(
                "This is an SVS file from a slide scanner. Export a region as a TIFF or PNG first."
            )
        series = tiff.series
    # those of the image itself: red, green, blue; cyan, magenta, yellow, black; or grey
    colours = {2: 3, 5: 4, 6: 3, 8: 3}.get(page.photometric, 1)
    alpha = page.extrasamples in ((1,), (2,))
    size = page.imagewidth * page.imagelength * (colours + alpha)
    if len(series) > 1 or math.prod(series[0].shape) != size:
        refuse("This file has more than one plane or channel. Save the one you need as a PNG.")
    deep = page.bitspersample > 8
    kind = str(page.dtype)
    kinds = ("bool", "uint8", "uint16", "int16", "uint32", "int32", "float32")
    if kind not in (("uint8", "uint16") if colours > 1 else kinds):
        refuse(f"This TIFF file has numbers of type {kind}. {CONVERT}")
    # Pillow 12.3 takes the bytes of packed 32-bit numbers in the order in which they are not
    swapped = tiff.byteorder == ">" and page.bitspersample == 32 and page.compression != 1
    if swapped or (deep and (page.planarconfig == 2 or page.photometric == 0)):
        refuse(f"This TIFF file has {page.bitspersample} bits in an unusual order. {CONVERT}")
    return deep and colours > 1


def in_order(values, beyond):
    """Return up to a million of the values below `beyond` in their order; of all, if none is."""
    values = values.reshape(-1)
    values = values[:: max(1, values.size // 1_000_000)]
    usual = values[values < beyond]
    found = (usual if usual.size else values).copy()
    found.sort()
    return found


def extents(pixels, beyond, *shares):
    """Return for each share of the pixels the lowest and the highest value but for so many.

    Of colours, height x width x 3, it is the darkest and the brightest of each pixel.
    """
    if pixels.ndim == 3:
        dark, bright = (in_order(each, beyond) for each in (pixels.min(-1), pixels.max(-1)))
    else:
        dark = bright = in_order(pixels, beyond)

    def but_for(share):
        low, high = (math.ceil(share * v.size) if v.size > 2 else 0 for v in (dark, bright))
        return dark[low].item(), bright[-1 - high].item()

    return [but_for(share) for share in shares]


def to_8_bits(pixels, whole):
    """Return grey values, height x width, as 8 bits, scaled by the rule of read_image()."""
    if not (math.isfinite(pixels.min()) and math.isfinite(pixels.max())):
        refuse(f"This image has values that are not numbers (NaN or infinite). {CONVERT}")
    beyond = 65535 if pixels.max() == 65535 else math.inf  # a scale bar
    (low, high), (dark, bright) = extents(pixels, beyond, FEW, 0.01)
    if low < -0.001 * abs(high):
        refuse(f"This image has values below 0, down to {pixels.min():g}. {CONVERT}")
    bits = max(8 * whole, math.ceil(0.999 * high).bit_length(), 1)
    grey = (pixels / (2**bits - 1)).clip(0, 1) * 255
    shades, usual = ((b - a) / (2**bits - 1) * 255 for a, b in ((low, high), (dark, bright)))
    if low < 0.98 * high and ((whole and high < 512 and usual < 32) or shades < 3):
        refuse(
            f"This image seems empty: nearly all its values are from {low:g} to {high:g}. {CONVERT}"
        )
    return grey.astype("uint8")


# ---- The process ----


def limit(megabytes):
    """Limit the memory of this process. Windows has no such limit, and macOS ignores it."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * 10**6, megabytes * 10**6))


def require_silence(said):
    """Refuse a file if libtiff had more to say about it than warnings."""
    said.seek(0)
    if any(b"Warning" not in line for line in said):
        refuse("Part of this file is damaged. Copy or download it again.")


def main():
    """Read files for image.py, which gives each as a line of JSON; see answer()."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app; this ends with it
    logging.disable()  # tifffile's warnings name files
    warnings.simplefilter("ignore")
    sys.modules["pixels"] = sys.modules[__name__]  # a module of a recipe imports it
    limit(int(sys.argv[1]))
    sys.stderr = os.fdopen(os.dup(2), "w")
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)  # where libtiff writes what is wrong with a file
        for line in sys.stdin.buffer:
            answer(json.loads(line), said)
            said.truncate(said.seek(0))


def strips(size):
    """Divide an image into boxes (left, top, right, bottom) of about a million bytes."""
    width, height = size
    rows = math.ceil(2**20 / 3 / width)
    return [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]


def answer(asked, said):
    """Read the file of {"module": ..., "path": ..., and what its read() takes}.

    The response is a line of JSON, and after {"size": [width, height]} all pixels in strips. A size
    of null stands for None.
    """
    image = None
    try:
        found = importlib.import_module(asked.pop("module")).read(**asked)
        require_silence(said)
        image, told = found, {"size": found and found.size}
    except Refused as refused:
        told = {"refused": str(refused)}
    except OSError:
        told = {"refused": "This file is no longer here. Please upload it again."}
    except MemoryError:
        sys.exit()  # which tells image.py
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
    for box in strips(image.size) if image else ():
        sys.stdout.buffer.write(image.crop(box).tobytes())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
