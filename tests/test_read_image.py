"""What `read_image` makes of a file: the image itself, or a message; never something else.

The truth is the array that a file was made from. What is read has to correlate with it and to be as
bright.
"""

import os
import signal
import struct
import subprocess
import sys
import time
import zlib

import gradio as gr
import numpy as np
import pytest
import tifffile
from conftest import ROOT
from gradio.media import get_image
from PIL import Image, ImageCms
from sample_images import png_chunk, png_of_16_bits, saved, tiff

sys.path.append(str(ROOT / "example_apps"))
from image import read_image
from pixels import FORMATS

WIDTH, HEIGHT = 320, 240
PHOTO = Image.open(get_image("lion.jpg")).convert("RGB").resize((WIDTH, HEIGHT))
RGB = np.asarray(PHOTO)
GREY = np.asarray(PHOTO.convert("L")) / 255  # from 0 to 1
CAMERA = (GREY * 4000).astype("uint16")  # 12 bits


def with_some(pixels, value, count=1):
    """Return a copy of an array with a value in the first pixels of its fourth line."""
    pixels = pixels.copy()
    pixels[3, :count] = value
    return pixels


def with_chunk(kind, start):
    """Return a PNG with 1.5 MB of text or colour profile before its image."""
    noise = np.random.default_rng(0).integers(0, 16, 1_500_000).astype("uint8").tobytes()
    png = saved(PHOTO, "PNG")
    return png[:33] + png_chunk(kind, start + zlib.compress(noise)) + png[33:]


def bmp_32(alpha):
    pixels = np.dstack([RGB[..., ::-1], np.full(GREY.shape, alpha, "uint8")])[::-1].tobytes()
    info = struct.pack("<IiiHHIIiiII", 108, WIDTH, HEIGHT, 1, 32, 3, len(pixels), 2835, 2835, 0, 0)
    info += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    return b"BM" + struct.pack("<IHHI", 14 + 108 + len(pixels), 0, 0, 122) + info[:108] + pixels


LYING = np.ascontiguousarray(np.rot90((GREY * 255).astype("uint8")))
TURN = {"extratags": [(274, 3, 1, 6, True)]}  # "turn it by 90 degrees to see it"
FRAMES = {"save_all": True, "append_images": [PHOTO, PHOTO.rotate(180)]}
SCALE_BAR = with_some(CAMERA, 65535, 600)
SCALE_BAR[4:14, :200] = 65535
DARK_FIELD = (np.where(GREY > 0.9, GREY, GREY / 20) * 4000).astype("uint16")

CLEAR = Image.fromarray(np.dstack([RGB, 0 * RGB[..., :1]]))

# what is read as the photo, in colour or in grey
READ = {
    "12 bits of a camera": (tiff(CAMERA), CAMERA / 4095),
    "a hot pixel": (tiff(with_some(CAMERA, 65535)), CAMERA / 4095),
    "5 hot pixels": (tiff(with_some(CAMERA, 60_000, 5)), CAMERA / 4095),
    "one value of 4096": (tiff(with_some(CAMERA, 4096)), CAMERA / 4095),
    "a scale bar": (tiff(SCALE_BAR), np.minimum(SCALE_BAR / 4095, 1)),
    "a dark field": (tiff(DARK_FIELD), DARK_FIELD / 4095),
    "16 bits": (tiff((GREY * 65535).astype("uint16")), GREY),
    "8 bits in 16": (tiff((GREY * 255).astype("uint16")), GREY),
    "a bright field of few shades": (
        tiff((170 + 60 * GREY).astype("uint16")),
        (170 + 60 * GREY) / 255,
    ),
    "a blank slide": (tiff((60_000 + 300 * GREY).astype("uint16")), (60_000 + 300 * GREY) / 65535),
    "a mask of 0 and 65535": (tiff((GREY > 0.5).astype("uint16") * 65535), GREY > 0.5),
    "a point, 0 to 1": (tiff((GREY / GREY.max()).astype("float32")), GREY / GREY.max()),
    "a rounding error above 1": (tiff(with_some(np.float32(GREY), 1.0000001)), GREY),
    "rounding errors below 0": (tiff(with_some(np.float32(GREY), -1e-7, 20)), GREY),
    "a point, 0 to 255": (tiff(with_some(np.float32(GREY * 255), 255.2)), GREY),
    "grey PNG of 16 bits": (png_of_16_bits((GREY * 65535)[..., None]), GREY),
    "RGB PNG of 16 bits": (png_of_16_bits(RGB.astype("uint16") * 257), RGB / 255),
    "stored lying, 8 bits": (tiff(LYING, **TURN), GREY),
    "stored lying, 16 bits": (tiff(LYING.astype("uint16") * 257, **TURN), GREY),
    "stored lying, packed": (tiff(LYING, **TURN, compression="zlib"), GREY),
    "stored lying, colours": (tiff(np.rot90(RGB).copy(), **TURN, photometric="rgb"), RGB / 255),
    "all transparent PNG": (saved(CLEAR, "PNG"), RGB / 255),
    "BMP with an unused alpha": (bmp_32(0), RGB / 255),
    "BMP with alpha": (bmp_32(255), RGB / 255),
    "1.5 MB of text": (with_chunk(b"zTXt", b"prompt\0\0"), RGB / 255),
    "1.5 MB of profile": (with_chunk(b"iCCP", b"scanner\0\0"), RGB / 255),
    "JPEG 2000": (saved(PHOTO, "JPEG2000"), RGB / 255),
    "PPM": (saved(PHOTO, "PPM"), RGB / 255),
    "a photo with its previews": (saved(PHOTO, "MPO", **FRAMES), RGB / 255),
    "GIF of one frame": (saved(PHOTO, "GIF"), RGB / 255),
}  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=["plain", "packed"])
def test_all_eight_ways_to_store_an_image_are_turned_upright(tmp_path, options):
    """What each number means was looked up in the TIFF specification."""
    backs = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 1, 7: 3, 8: 3}
    methods = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Pillow's
    for turn, back in backs.items():
        stored = np.rot90((GREY * 255).astype("uint8"), back)
        upright = Image.fromarray(stored)
        if turn in methods:
            upright = upright.transpose(Image.Transpose(methods[turn]))
        file = tmp_path / "image.tif"
        tags = {"extratags": [(274, 3, 1, turn, True)]}
        tifffile.imwrite(file, np.ascontiguousarray(stored), **tags, **options)
        found = np.asarray(read_image({"path": str(file)}))[..., 0]
        assert np.array_equal(found, np.asarray(upright)), turn


@pytest.mark.parametrize("kind", READ)
def test_what_is_read_is_the_image(tmp_path, kind):
    data, truth = READ[kind]
    (tmp_path / "image").write_bytes(data)
    found = np.asarray(read_image({"path": str(tmp_path / "image")})) / 255
    if truth.ndim == 2:
        truth = np.stack([truth] * 3, -1)
    assert found.shape == truth.shape
    assert abs(found.mean() - truth.mean()) < 0.02
    if truth.std() > 0.01:
        assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.98


def siz(depth):
    """Return the beginning of a JPEG 2000 code stream with three components of some depth."""
    size = struct.pack(">HHIIIIIIIIH", 47, 0, WIDTH, HEIGHT, 0, 0, WIDTH, HEIGHT, 0, 0, 3)
    return b"\xff\x4f\xff\x51" + size + bytes([depth, 1, 1]) * 3 + bytes(2000)


def damaged(data):
    """Return a file with a hole in its first third."""
    return data[: len(data) // 3] + b"\xff\x32" * 30 + data[len(data) // 3 + 60 :]


PALETTE = {"photometric": "palette", "colormap": np.stack([np.arange(256)] * 3).astype("uint16")}
JPEG = saved(PHOTO, "JPEG", quality=90)
DEEP = "16 bits per colour but does not use them all"
REFUSED = {
    "12 in 16 bits, RGB PNG": (png_of_16_bits(RGB.astype("uint16") * 16), DEEP),
    "12 in 16 bits, one hot pixel": (
        png_of_16_bits(with_some(RGB.astype("uint16") * 16, 65535)),
        DEEP,
    ),
    "8 in 16 bits, RGB with a scale bar": (
        png_of_16_bits(with_some(RGB.astype("uint16"), 65535, 600)),
        DEEP,
    ),
    "colours that are floats": (
        tiff(np.float32(RGB), photometric="rgb"),
        "numbers of type float32",
    ),
    "packed, the highest byte first": (
        tiff((GREY * 4000).astype("int32"), byteorder=">", compression="zlib"),
        "32 bits in an unusual order",
    ),
    "12 in 16 bits, grey and alpha": (
        png_of_16_bits(np.dstack([CAMERA[..., None], np.full((HEIGHT, WIDTH, 1), 65535)])),
        DEEP,
    ),
    "12 in 16 bits, PPM": (
        b"P6 %d %d 65535\n" % (WIDTH, HEIGHT) + (RGB.astype(">u2") * 16).astype(">u2").tobytes(),
        DEEP,
    ),
    "12 in 16 bits, TIFF": (tiff(RGB.astype("uint16") * 16, photometric="rgb"), DEEP),
    "12 in 16 bits, PPM of text": (
        b"P3 %d %d 65535\n" % (WIDTH, HEIGHT) + " ".join(map(str, RGB.ravel() * 16)).encode(),
        DEEP,
    ),
    "signed JPEG 2000": (siz(0x8F), "values below 0"),
    "signed JPEG 2000 with a large header": (
        b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\x4e\x20xml " + bytes(19_992) + b"jp2c" + siz(0x8F),
        "values below 0",
    ),
    "CT": (tiff((GREY * 2000 - 1000).astype("int16")), "values below 0"),
    "colour map of 8 bits": (tiff((GREY * 255).astype("uint8"), **PALETTE), "all black"),
    "a mask of 0 and 1": (tiff((GREY > 0.5).astype("uint16")), "from 0 to 1"),
    "an empty channel": (tiff((100 + 10 * GREY).astype("uint16")), "seems empty"),
    "GIF, black at first": (saved(Image.new("RGB", PHOTO.size), "GIF", **FRAMES), "3 frames"),
    "animated WebP": (saved(Image.new("RGB", PHOTO.size), "WEBP", **FRAMES), "3 frames"),
    "animated PNG": (saved(Image.new("RGB", PHOTO.size), "PNG", **FRAMES), "3 frames"),
    "JPEG without its end": (JPEG[:-2], "its end is missing"),
    "half a JPEG": (JPEG[: len(JPEG) // 2], "its end is missing"),
    "half a PNG": (saved(PHOTO, "PNG")[:100_000], "its end is missing"),
    "damaged TIFF, group 4": (
        damaged(saved(PHOTO.convert("1"), "TIFF", compression="group4")),
        "Part of this file is damaged",
    ),
    "damaged TIFF, JPEG": (
        damaged(saved(PHOTO, "TIFF", compression="jpeg")),
        "Part of this file is damaged",
    ),
    "CZI": (b"ZISRAWFILE" + bytes(3000), "CZI file from a Zeiss microscope"),
    "ND2": (b"\xda\xce\xbe\n" + bytes(3000), "ND2 file from a Nikon microscope"),
    "LIF": (b"p\0\0\0" + bytes(3000), "LIF file from a Leica microscope"),
    "SVS": (tiff(RGB, photometric="rgb", description="Aperio Image Library"), "SVS file"),
    "DICOM": (bytes(128) + b"DICM" + bytes(3000), "DICOM file"),
    "DICOM of JPEG 2000": (bytes(128) + b"DICM" + siz(0x8F), "DICOM file"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "cannot be read as an image"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_be_guessed_is_refused_with_the_reason(tmp_path, kind):
    data, words = REFUSED[kind]
    (tmp_path / "image").write_bytes(data)
    with pytest.raises(gr.Error, match=words):
        read_image({"path": str(tmp_path / "image")})


def test_a_colour_profile_that_is_small_changes_nothing(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "image").write_bytes(saved(PHOTO, "PNG", icc_profile=profile))
    assert np.array_equal(np.asarray(read_image({"path": str(tmp_path / "image")})), RGB)


INTERRUPTED = """
import image, sys, time
try:
    with image.a_reader():
        print("started", flush=True)
        time.sleep(20)
except KeyboardInterrupt:
    time.sleep(0.5)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups like these")
@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.03, 0.06])
def test_ctrl_c_while_a_reader_starts_prints_nothing(seconds):
    command, pipe = [sys.executable, "-c", INTERRUPTED], subprocess.PIPE
    options = {"cwd": ROOT / "example_apps", "stdout": pipe, "stderr": pipe}
    with subprocess.Popen(command, **options, start_new_session=True) as process:
        process.stdout.readline()
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.communicate(timeout=30)[1] == b""


def test_no_format_starts_a_program():
    assert "EPS" not in FORMATS  # for which Pillow starts Ghostscript


def test_without_an_upload_the_user_is_asked_for_one():
    for upload in (None, {}, {"path": None}, {"path": ""}, "x", 7, []):
        with pytest.raises(gr.Error, match=r"Please choose an image first\."):
            read_image(upload)
