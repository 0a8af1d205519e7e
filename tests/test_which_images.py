"""The page "Which images are read, and how": its table is what image.py does with each kind.

`pytest tests/test_which_images.py --screenshots` writes the table into the page.
"""

import re

import gradio as gr
import numpy as np
import sample_images
from conftest import ROOT, import_file
from gradio.media import get_image
from PIL import Image
from sample_images import saved, tiff

PAGE = ROOT / "docs" / "reference" / "which-images.md"
HEIGHT, WIDTH = 120, 160


def grey(name):
    photo = Image.open(get_image(name)).convert("L").resize((WIDTH, HEIGHT))
    return np.asarray(photo) / 255


def spots(density):
    """Return blurred spots on a faint background, as in fluorescence."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    image = np.full((HEIGHT, WIDTH), 0.01) + np.random.default_rng(0).random((HEIGHT, WIDTH)) / 100
    for cy, cx in np.random.default_rng(1).random((density, 2)) * (HEIGHT, WIDTH):
        image += np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 8)
    return image.clip(0, 1)


def gel():
    """Return dark bands on a bright ground."""
    image = np.full((HEIGHT, WIDTH), 0.9)
    for lane in range(10, WIDTH - 10, 20):
        for band in (20, 45 + lane % 13, 90):
            image[band : band + 3, lane : lane + 12] = 0.2
    return image


CONTENTS = {
    "photo": grey("lion.jpg"),
    "fluorescence": spots(12),
    "bright field": 0.75 + 0.2 * grey("cheetah.jpg"),
    "gel": gel(),
    "mask": (spots(40) > 0.3).astype(float),
    "blank": np.full((HEIGHT, WIDTH), 0.93) + 0.004 * grey("tower.jpg"),
}


def with_pillow(kind, **options):
    def save(image):
        return saved(Image.fromarray((image * 255).round().astype("uint8")), kind, **options)

    return save


def with_tifffile(numbers, top, **options):
    def save(image):
        values = image * top if numbers[0] == "f" else (image * top).round()
        return tiff(values.astype(numbers), **options)

    return save


def deep(kind, top):
    def save(image):
        return saved(Image.fromarray((image * top).round().astype("uint16")), kind)

    return save


def in_colour(save, top):
    """Make a colour image of a grey one, and save that."""

    def save_it(image):
        colours = np.stack([image, image[:, ::-1], 1 - image], -1)
        return save((colours * top).round().astype("uint16"))

    return save_it


def rgb_tiff(values):
    return tiff(values, photometric="rgb")


def frames(kind):
    def save(image):
        film = [Image.fromarray((image * f * 255).astype("uint8")) for f in (0.3, 0.6, 1)]
        return saved(film[0], kind, save_all=True, append_images=film[1:])

    return save


def starts_with(start):
    return lambda _: start + bytes(3000)


KINDS = {
    "JPEG": with_pillow("JPEG", quality=95),
    "PNG, 8 bits": with_pillow("PNG"),
    "PNG, 12 of 16 bits": deep("PNG", 4095),
    "PNG, 16 bits": deep("PNG", 65535),
    "PNG, colours with 16 bits": in_colour(sample_images.png_of_16_bits, 65535),
    "PNG, colours with 12 of 16 bits": in_colour(sample_images.png_of_16_bits, 4095),
    "TIFF, 8 bits": with_tifffile("uint8", 255),
    "TIFF, 10 of 16 bits": with_tifffile("uint16", 1023),
    "TIFF, 12 of 16 bits": with_tifffile("uint16", 4095),
    "TIFF, 16 bits": with_tifffile("uint16", 65535),
    "TIFF, 32 bits": with_tifffile("uint32", 65535),
    "TIFF, values from 0 to 1": with_tifffile("float32", 1),
    "TIFF, values from 0 to 4,095 with a point": with_tifffile("float32", 4095),
    "TIFF, colours with 16 bits": in_colour(rgb_tiff, 65535),
    "TIFF, colours with 12 of 16 bits": in_colour(rgb_tiff, 4095),
    "TIFF with values below 0, as CT has": lambda image: with_tifffile("int16", 2000)(image - 1),
    "TIFF with several planes": lambda image: with_tifffile("uint8", 255)(np.stack([image] * 5)),
    "GIF": with_pillow("GIF"),
    "GIF, WebP and PNG with several frames": frames("GIF"),
    "WebP": with_pillow("WEBP", quality=95),
    "AVIF": with_pillow("AVIF", quality=95),
    "BMP": with_pillow("BMP"),
    "JPEG 2000, 8 bits": with_pillow("JPEG2000"),
    "JPEG 2000, 12 of 16 bits": deep("JPEG2000", 4095),
    "HEIC of an iPhone": starts_with(b"\0\0\0\x24ftypheic\0\0\0\0mif1heic"),
    "CZI of a Zeiss microscope": starts_with(b"ZISRAWFILE"),
    "ND2 of a Nikon microscope": starts_with(b"\xda\xce\xbe\n"),
    "LIF of a Leica microscope": starts_with(b"p\0\0\0"),
    "DICOM": starts_with(bytes(128) + b"DICM"),
}


def outcome(read_image, file, kind, image):
    """Return what the app does with a kind of file of an image, in a few words."""
    file.write_bytes(KINDS[kind](image))
    try:
        seen = np.asarray(read_image({"path": file}).convert("RGB"), float)[..., 0]
    except gr.Error as error:
        numbers = r"(down to|from) -?[\d.]+( to [\d.]+)?\.?"
        return re.sub(numbers, r"\1 ... .", error.message.replace("3 frames", "... frames"))
    assert seen.shape == image.shape
    assert np.abs(seen - image * 255).mean() < 3, (kind, np.abs(seen - image * 255).mean())
    return "read"


def table(read_image, file):
    """Return the table of the page: a row for each kind of file, a column for each content."""
    lines = ["| | " + " | ".join(CONTENTS) + " |", "|---" * (len(CONTENTS) + 1) + "|"]
    reasons = []
    for kind in KINDS:
        found = [outcome(read_image, file, kind, image) for image in CONTENTS.values()]
        cells = []
        for each in found:
            if each != "read" and each not in reasons:
                reasons.append(each)
            cells.append("read" if each == "read" else f"no ({reasons.index(each) + 1})")
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    lines += ["", *(f"{n}. {text}" for n, text in enumerate(reasons, 1))]
    return "\n".join(lines) + "\n"


def test_the_page_says_what_is_done_with_each_kind_of_image(tmp_path, request, screenshot):
    read_image = import_file(ROOT / "example_apps" / "image.py").read_image
    found = table(read_image, tmp_path / "image")
    text = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- images -->\n", "<!-- end of images -->"
    before, _, rest = text.partition(begin)
    shown, _, after = rest.partition(end)
    if request.config.getoption("screenshots"):
        PAGE.write_text(f"{before}{begin}{found}{end}{after}", encoding="utf-8")
    else:
        assert shown == found
