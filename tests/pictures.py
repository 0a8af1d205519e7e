"""Every kind of picture that a researcher may have, drawn for the tests."""

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 96, 64


def drawing(width=WIDTH, height=HEIGHT):
    """Return an RGB picture with large areas of colour, as photos have."""
    image = Image.new("RGB", (width, height), (40, 90, 160))
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, height // 2, width, height], fill=(60, 140, 60))
    draw.ellipse([width // 4, height // 4, width // 2, height // 2], fill=(230, 200, 40))
    return image


def grey_ramp(top):
    """Return an array from 0 to `top`, dark to the left."""
    return np.tile(np.linspace(0, top, WIDTH), (HEIGHT, 1))


def transparent():
    image = drawing().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    return image


def save_all(folder):
    """Write the pictures into `folder`; return {name: file}."""
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
        "animated.gif": (image, {"save_all": True, "append_images": [image.rotate(180)]}),
        "animated.webp": (image, {"save_all": True, "append_images": [image.rotate(180)]}),
        "one_pixel.png": (Image.new("RGB", (1, 1), "red"), {}),
        "very_wide.png": (Image.new("RGB", (9000, 1), "red"), {}),
        "very_high.png": (Image.new("RGB", (1, 9000), "red"), {}),
        "black.png": (Image.new("RGB", (WIDTH, HEIGHT)), {}),
        "black16.png": (Image.fromarray(np.zeros((HEIGHT, WIDTH), "uint16")), {}),
    }
    for name, (picture, options) in kinds.items():
        picture.save(folder / name, **options)
    return {name: folder / name for name in kinds}


def save_bad_ones(folder):
    """Write files into `folder` that are called pictures and are none; return {name: file}."""
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
