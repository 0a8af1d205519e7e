"""Every kind of image that a researcher may have, drawn for the tests."""

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 96, 64


def drawing(width=WIDTH, height=HEIGHT):
    """Return an RGB image with large areas of colour, as photos have."""
    image = Image.new("RGB", (width, height), (40, 90, 160))
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, height // 2, width, height], fill=(60, 140, 60))
    draw.ellipse([width // 4, height // 4, width // 2, height // 2], fill=(230, 200, 40))
    return image


def grey_ramp(top):
    """Return an array from 0 to `top`, dark to the left."""
    return np.tile(np.linspace(0, top, WIDTH), (HEIGHT, 1))


def transparent():
    """Return an image of which one white pixel shows; with none, alpha would not count."""
    image = drawing().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    image.putpixel((0, 0), (255, 255, 255, 255))
    return image


def save_all(folder):
    """Write the images into `folder`; return {name: file}."""
    image = drawing()
    sideways = image.getexif()
    sideways[0x0112] = 6  # "turn by 90 degrees to see it upright"
    kinds = {
        "rgb.png": (image, {}),
        "rgb.jpg": (image, {}),
        "rgb.webp": (image, {"lossless": True}),
        "rgb.tif": (image, {}),
        "rgb.bmp": (image, {}),
        "grey.png": (image.convert("L"), {}),
        "grey_alpha.png": (image.convert("LA"), {}),
        "black_white.png": (image.convert("1"), {}),
        "grey16.png": (Image.fromarray(grey_ramp(65535).astype("uint16")), {}),
        "grey16.tif": (Image.fromarray(grey_ramp(65535).astype("uint16")), {}),
        "grey12.tif": (Image.fromarray(grey_ramp(4095).astype("uint16")), {}),
        "grey32.tif": (Image.fromarray(grey_ramp(65535).astype("int32")), {}),
        "float.tif": (Image.fromarray(grey_ramp(1).astype("float32")), {}),
        "rgba.png": (image.convert("RGBA"), {}),
        "transparent.png": (transparent(), {}),
        "palette.png": (image.convert("P", palette=Image.Palette.ADAPTIVE), {}),
        "palette.gif": (image, {}),
        "cmyk.jpg": (image.convert("CMYK"), {}),
        "sideways.jpg": (image, {"exif": sideways}),
        "one_pixel.png": (Image.new("RGB", (1, 1), "red"), {}),
        "very_wide.png": (Image.new("RGB", (9000, 1), "red"), {}),
        "very_high.png": (Image.new("RGB", (1, 9000), "red"), {}),
        "black.png": (Image.new("RGB", (WIDTH, HEIGHT)), {}),
        "black16.png": (Image.fromarray(np.zeros((HEIGHT, WIDTH), "uint16")), {}),
    }
    for name, (kind, options) in kinds.items():
        kind.save(folder / name, **options)
    return {name: folder / name for name in kinds}


def colours(top):
    """Return an array of height x width x 3 from 0 to `top`."""
    ramp = grey_ramp(top)
    return np.stack([ramp, ramp[:, ::-1], ramp / 2], -1)


def tiff(pixels, **options):
    """Return an array as a TIFF file."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def saved(image, kind, **options):
    """Return an image as a file of a format of Pillow's."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_of_16_bits(pixels):
    """Return height x width x samples of 16 bits as a PNG; Pillow writes only grey ones."""
    height, width, samples = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[samples]  # grey, grey and alpha, RGB, RGBA
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    return png((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))


def save_scientific(folder):
    """Write images as microscopes and scanners save them; return {name: what is to happen}.

    That is None where a dark-to-bright ramp is to be read, and else words of the refusal.
    """
    planes = "more than one plane or channel"
    deep, whole = "uint16", grey_ramp(65535).astype("uint16")
    stack = np.stack([np.zeros_like(whole), whole, whole])
    noise = np.random.default_rng(0).normal(0, 5, whole.shape)
    interleaved = np.stack([grey_ramp(255)] * 5, -1).astype("uint8")
    tiffs = {
        # read
        "imagej.tif": (whole, {"imagej": True}, None),
        "one.ome.tif": (whole, {}, None),
        "tiles.tif": (whole, {"tile": (32, 32)}, None),
        "zlib.tif": (whole, {"compression": "zlib", "predictor": True}, None),
        "10_bits.tif": (grey_ramp(1023).astype(deep), {}, None),
        "14_bits.tif": (grey_ramp(16383).astype(deep), {}, None),
        "uint32.tif": (grey_ramp(65535).astype("uint32"), {}, None),
        "float_255.tif": (grey_ramp(255).astype("float32"), {}, None),
        "big.tif": (whole, {"bigtiff": True}, None),
        "big_endian.tif": (whole.astype(">u2"), {"byteorder": ">"}, None),
        "colours_16.tif": (colours(65535).astype(deep), {"photometric": "rgb"}, None),
        "planar_8.tif": (
            colours(255).astype("uint8").transpose(2, 0, 1),
            {"photometric": "rgb", "planarconfig": "separate"},
            None,
        ),
        # refused
        "colours_12_in_16.tif": (colours(4095).astype(deep), {"photometric": "rgb"}, "16 bits"),
        "planar_16.tif": (
            colours(65535).astype(deep).transpose(2, 0, 1),
            {"photometric": "rgb", "planarconfig": "separate"},
            "16 bits",
        ),
        "imagej_stack.tif": (stack, {"imagej": True, "metadata": {"axes": "ZYX"}}, planes),
        "stack.ome.tif": (stack, {"metadata": {"axes": "CYX"}}, planes),
        "pages.tif": (stack, {"photometric": "minisblack", "metadata": None}, planes),
        "interleaved.tif": (
            interleaved,
            {"photometric": "minisblack", "planarconfig": "contig"},
            planes,
        ),
        "four_channels.tif": (
            interleaved[..., :4],
            {"photometric": "rgb", "extrasamples": ["unspecified"]},
            planes,
        ),
        "negative.tif": ((grey_ramp(4000) - 1000).astype("int16"), {}, "values below 0"),
        "difference.tif": ((grey_ramp(2) - 1).astype("float32"), {}, "values below 0"),
        "empty.tif": ((noise + 100).astype(deep), {}, "seems empty"),
        "empty_with_offset.tif": ((noise + 300).astype(deep), {}, "seems empty"),
        "nan.tif": (np.where(whole > 9000, whole, np.nan).astype("float32"), {}, "not numbers"),
        "infinite.tif": (
            np.where(whole > 9000, whole, np.inf).astype("float32"),
            {},
            "not numbers",
        ),
        "float16.tif": (grey_ramp(1).astype("float16"), {}, "type float16"),
        "float64.tif": (grey_ramp(1).astype("float64"), {}, "type float64"),
        "int8.tif": ((grey_ramp(100) - 50).astype("int8"), {}, "type int8"),
        "inverted_16.tif": (whole, {"photometric": "miniswhite"}, "16 bits"),
    }
    for name, (pixels, options, _) in tiffs.items():
        tifffile.imwrite(folder / name, pixels, **options)
    Image.fromarray(whole).save(folder / "lzw.tif", compression="tiff_lzw")
    opaque = np.full((HEIGHT, WIDTH, 1), 65535)
    (folder / "colours_16.png").write_bytes(png_of_16_bits(colours(65535)))
    (folder / "colours_12_in_16.png").write_bytes(png_of_16_bits(colours(4095)))
    (folder / "alpha_12_in_16.png").write_bytes(png_of_16_bits(np.dstack([colours(4095), opaque])))
    (folder / "photo.heic").write_bytes(b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(200))
    outcomes = {name: outcome for name, (*_, outcome) in tiffs.items()}
    outcomes |= {"lzw.tif": None, "colours_16.png": None, "photo.heic": "HEIC photo"}
    return outcomes | {"colours_12_in_16.png": "16 bits", "alpha_12_in_16.png": "16 bits"}


def save_bad_ones(folder):
    """Write files into `folder` that are called images and are none; return {name: file}."""
    whole = folder / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), "uint8")).save(whole)
    kinds = {
        "text.png": b"this is a text",
        "empty.png": b"",
        "page.jpg": b"<!doctype html><title>Not found</title>",
        "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "cut_short.png": whole.read_bytes()[:5000],
    }
    for name, content in kinds.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in kinds}


def save_one_that_names_another(folder):
    """Save an OME-TIFF, stack.ome.tif, that names another file; return the paths of both."""
    save_scientific(folder)
    file, other = folder / "stack.ome.tif", folder / "imagej.tif"
    with tifffile.TiffFile(file) as tiff:
        xml = tiff.ome_metadata
    part = f'><UUID FileName="{other}">urn:uuid:00000000-0000</UUID></TiffData></Pixels>'
    tifffile.tiffcomment(file, xml.replace("/></Pixels>", part).encode())
    return file, other


def save_costly(folder):
    """Write files of a few bytes that take gigabytes, or minutes; return them."""
    small = Image.new("L", (4, 4))
    many_times = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    )
    many_times += '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" '
    many_times += 'SizeX="4" SizeY="4" SizeC="1" SizeZ="1" SizeT="300000000"><TiffData/></Pixels>'
    many_times += "</Image></OME>"
    small.save(folder / "list.ome.tif", tiffinfo={270: many_times})

    # 16,000 tags of Exif that all point to the same 200 kB
    tags, long = 16_000, 200_000
    start = 8 + 2 + 12 * tags + 4
    exif = b"MM\0*\0\0\0\x08" + struct.pack(">H", tags)
    exif += b"".join(struct.pack(">HHII", 1000 + n, 7, long, start) for n in range(tags)) + bytes(4)
    content = saved(small, "PNG")
    content = content[:33] + png_chunk(b"eXIf", exif + bytes(long)) + content[33:]
    (folder / "exif.png").write_bytes(content)

    Image.new("RGB", (7000, 7000)).save(folder / "flat.jp2", quality_layers=[1000])

    # a progressive JPEG has scans, each a pass over the whole image; here, one is repeated
    Image.new("L", (6000, 6000)).save(folder / "scans.jpg", progressive=True)
    jpeg = (folder / "scans.jpg").read_bytes()
    first = jpeg.rindex(b"\xff\xda")
    (folder / "scans.jpg").write_bytes(jpeg[:first] + 100 * jpeg[first:-2] + jpeg[-2:])

    (folder / "levels.ppm").write_bytes(b"P6 2500 2500 254\n" + bytes(3 * 2500 * 2500))
    return [
        folder / name
        for name in ("list.ome.tif", "exif.png", "flat.jp2", "scans.jpg", "levels.ppm")
    ]
