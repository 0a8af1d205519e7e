"""Damaged, hostile and odd images through the real functions: a result, or a message.

Hypothesis makes them: `make test` tries some of them, always the same; `make fuzz` 10,000 new ones.
A file that breaks something is kept in `.hypothesis/failures`.
"""

import functools
import hashlib
import itertools
import resource
import struct
import time
import zlib

import gradio as gr
import numpy as np
import pytest
import sample_images
from apps import find_app
from conftest import ROOT, import_app, import_file
from hypothesis import given, note
from hypothesis import strategies as st
from PIL import Image, ImageCms
from recipes_made import make_app
from sample_images import png, saved, tiff

FAILURES = ROOT / ".hypothesis" / "failures"
MOST_MEMORY_MB = 2_000  # that one more image may take


@functools.cache
def whole_files():
    """Return small files of every format and kind, which are then damaged."""
    image, deep = sample_images.drawing(), sample_images.grey_ramp(65535).astype("uint16")
    exif = image.getexif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    frames = {"save_all": True, "append_images": [image.rotate(turn) for turn in range(0, 90, 30)]}
    kinds = [
        ("PNG", image, {"icc_profile": profile}),
        ("PNG", image.convert("P"), {"transparency": 3}),
        ("PNG", image.convert("LA"), {}),
        ("PNG", Image.fromarray(deep), {}),
        ("JPEG", image, {"exif": exif, "icc_profile": profile}),
        ("JPEG", image.convert("CMYK"), {}),
        ("JPEG", image, {"progressive": True}),
        ("TIFF", image, {}),
        ("TIFF", image, {"compression": "tiff_lzw"}),
        ("TIFF", image, frames),
        ("GIF", image, frames),
        ("WEBP", image, {"exif": exif}),
        ("WEBP", image, frames),
        ("AVIF", image, {}),
        ("BMP", image, {}),
        ("ICO", image, {}),
        ("JPEG2000", image, {}),
        ("PPM", image, {}),
    ]
    files = [saved(image, kind, **options) for kind, image, options in kinds]
    files += [tiff(deep), tiff(np.float32(deep)), tiff(np.stack([deep] * 3), photometric="rgb")]
    return [*files, tiff(np.stack([deep] * 4)), tiff(np.int16(deep // 4), compression="zlib")]


@st.composite
def damaged_files(draw):
    """A whole file with up to 12 pieces changed, taken out, doubled or cut off."""
    data = bytearray(draw(st.sampled_from(whole_files())))
    for _ in range(draw(st.integers(0, 12))):
        # half of the damage goes into the first 200 bytes, which say what the rest means
        last = max(0, min(len(data) - 1, draw(st.sampled_from([200, len(data)]))))
        at = draw(st.integers(0, last))
        end = at + draw(st.integers(1, 8))
        change = draw(st.sampled_from(["bytes", "number", "take out", "double", "cut off"]))
        if change == "bytes":
            data[at:end] = draw(st.binary(min_size=1, max_size=8))
        elif change == "number":  # sizes and offsets: none, all, just over a limit
            value = draw(st.sampled_from([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1]))
            data[at : at + 4] = struct.pack(draw(st.sampled_from("<>")) + "I", value)
        elif change == "take out":
            del data[at:end]
        elif change == "double":
            data[at:at] = data[at:end] * draw(st.sampled_from([1, 100]))
        elif draw(st.booleans()):
            del data[at:]
    return bytes(data)


def random_files():
    starts = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"GIF89a", b"RIFF____WEBPVP8 "]
    return st.builds(bytes.__add__, st.sampled_from(starts), st.binary(max_size=2000))


def odd_sizes():
    side = st.sampled_from([1, 2, 7, 223, 225, 1000])
    mode = st.sampled_from(["1", "L", "P", "RGBA"])
    usual = st.builds(lambda mode, *size: Image.new(mode, size, 1), mode, side, side)
    longest = [Image.new("RGB", size, "red") for size in ((30_000, 1), (4, 30_000))]
    return st.one_of(usual, st.sampled_from(longest)).map(lambda image: saved(image, "PNG"))


def odd_numbers():
    """TIFFs of numbers that no camera writes."""
    odd = [np.nan, np.inf, -np.inf, -1, -1e30, 1e30, 1e-30, 0, 0.5, 255, 65535]

    def make(values, kind):
        with np.errstate(all="ignore"):
            return tiff(np.resize(np.float64(values), (40, 60)).astype(kind))

    values = st.lists(st.sampled_from(odd), min_size=1, max_size=4)
    return st.builds(make, values, st.sampled_from(["f2", "f4", "f8", "i2", "i4", "u4"]))


def odd_extras():
    """Whole images whose EXIF or colour profile makes no sense, and one of 300 frames."""

    def turned(number):
        exif = Image.Exif()
        exif[0x0112] = number
        return saved(sample_images.drawing(), "JPEG", exif=exif)

    def profiled(profile):
        return saved(sample_images.drawing(), "PNG", icc_profile=profile)

    frames = [Image.new("P", (16, 16), number % 256) for number in range(300)]
    film = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    turns = st.sampled_from([0, 3, 8, 9, 65535]).map(turned)
    return st.one_of(turns, st.binary(max_size=200).map(profiled), st.just(film))


def bomb(width, height):
    """Return a PNG of a few bytes that claims to have this size, and holds a line of it."""

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    line = zlib.compress(bytes(3 * min(width, 100_000)))
    return png((b"IHDR", header), (b"IDAT", line), (b"IEND", b""))


def bombs():
    sides = [1, 7_000, 30_000, 65_535, 2**31 - 1]
    return st.sampled_from([bomb(*size) for size in itertools.product(sides, repeat=2)])


def check_result(name, function, file):
    """Call an app's function; return whether it gave a result or a message, if that is right."""
    try:
        result = function({"path": str(file)})
    except gr.Error as error:
        message, is_quiet = error.message, not error.print_exception
        assert (" " in message, str(file) in message, is_quiet) == (True, False, True)
        return "messages"
    if name == "sepia":
        assert result.ndim == 3
        assert result.shape[2] == 3
        assert 0 <= result.min() <= result.max() <= 1  # false for NaN
    else:
        values = list(result.values())
        assert len(values) == 5
        assert values == sorted(values, reverse=True)
        assert 0 <= min(values) <= sum(values) < 1.0001  # false for NaN
    return "results"


def check_probabilities(network, batch, scores):
    """All probabilities, of which the app shows five, are numbers, and sum to 1."""
    assert abs(scores.softmax(1).sum().item() - 1) < 1e-4  # false for NaN


@pytest.fixture
def function(classifier, request):
    """The function of an app, as its file defines it."""
    if request.param == "sepia":
        return import_app(find_app("sepia")).sepia
    module = import_app(classifier(request.param))
    module.model.register_forward_hook(check_probabilities)
    return module.predict


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "function"), [(n, n) for n in ("sepia", "resnet")], indirect=["function"]
)
def test_any_file_gives_a_result_or_a_message(function, name, tmp_path, record_property):
    file = tmp_path / "upload"
    slowest, counts = [0.0, b""], {"results": 0, "messages": 0}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def keep(data):
        FAILURES.mkdir(parents=True, exist_ok=True)
        kept = FAILURES / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
        kept.write_bytes(data)
        return kept

    odd = (odd_sizes(), odd_numbers(), odd_extras(), bombs())

    @given(st.one_of(damaged_files(), damaged_files(), random_files(), *odd))
    def run(data):
        file.write_bytes(data)
        start = time.perf_counter()
        try:
            counts[check_result(name, function, file)] += 1
        except BaseException:
            note(f"the file is kept: {keep(data)}")
            raise
        if (took := time.perf_counter() - start) > slowest[0]:
            slowest[:] = took, data

    run()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MOST_MEMORY_MB
    assert min(counts.values()) > 0
    said = f"{name}: {counts['results']:,} results, {counts['messages']:,} messages, "
    said += f"slowest {slowest[0]:.2f} s, {grown:,.0f} MB more memory"
    if slowest[0] > 2:
        said += f"; OVER 2 s: {keep(slowest[1])}"
    record_property("fuzz", said)


# ---- What is read is the image, or a message ----

ALIKE = 0.9  # correlation with the truth
ORIENTATION = 0x0112


def oriented(pixels, tag):
    """Return stored pixels as they are to be seen, by TIFF 6.0's tag Orientation."""
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}  # by 90 degrees, against the clock
    pixels = np.rot90(pixels, turns.get(tag, 0))
    return {2: np.fliplr, 4: np.fliplr, 5: np.flipud, 7: np.flipud}.get(tag, np.asarray)(pixels)


@st.composite
def scenes(draw):
    """An image of height x width x 3 with values from 0 to 1, that is not the same when turned."""
    height, width = draw(st.integers(64, 99)), draw(st.integers(64, 99))
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    kind = draw(st.sampled_from(["photo", "dark field", "bright field", "mask", "blots"]))
    slope = draw(st.floats(0.2, 0.8))
    scene = slope * x + (1 - slope) * y**2
    spots = np.random.default_rng(draw(st.integers(0, 99))).random((height, width)) > 0.95
    if kind == "dark field":
        scene = 0.02 * scene + 0.9 * spots
    elif kind == "bright field":
        scene = 0.8 + 0.19 * scene
    elif kind == "mask":
        scene = (scene > 0.5).astype(float)
    elif kind == "blots":
        scene = 0.9 - 0.7 * (scene > 0.6) * x
    if draw(st.booleans()):  # grey
        return np.repeat(scene[..., None], 3, 2)
    return np.stack([scene, scene[::-1] * 0.7, 1 - scene], -1)


def save_deep(draw, pixels, top):
    """Save values of 0 to 1 as larger numbers, or as floats; return what save_plain() does."""
    values, grey = pixels * top, (pixels == pixels[..., :1]).all()
    tag, kind = 1, draw(st.sampled_from(["TIFF", "PNG", "JP2", "PPM", "float"]))
    largest = max(values.max(), 1)
    if draw(st.booleans()):  # a hot pixel, or a scale bar
        values, pixels = values.copy(), pixels.copy()
        pixels[-4:-2, :5] = np.nan  # not compared
        if draw(st.booleans()):
            values[-4, 0] = draw(st.sampled_from([4096, 60_000, 65535]))
        else:
            values[-4:-2, :5], largest = 65535, 1
    colours, deep = values[..., 0] if grey else values, values.round().astype("uint16")
    if kind in ("TIFF", "float"):
        tag = draw(st.integers(1, 8))
        numbers = draw(st.sampled_from(["uint16", "uint32", "int32"]))
        if kind == "float":
            numbers, colours = "float32", colours / draw(st.sampled_from([1, largest]))
        elif draw(st.booleans()):
            numbers = "int16" if colours.max() < 2**15 else "uint16"
        options = {"photometric": "minisblack" if grey else "rgb"}
        options |= {"compression": draw(st.sampled_from([None, "zlib"]))}
        options |= {"byteorder": draw(st.sampled_from("<>")), "rowsperstrip": 16}
        options |= {"extratags": [(ORIENTATION, "H", 1, tag, False)], "metadata": None}
        if not grey and draw(st.booleans()):
            options["planarconfig"] = "separate"
            colours = np.moveaxis(colours, -1, 0)
        whole = colours if kind == "float" else colours.round()
        return tiff(whole.astype(numbers), **options), tag, pixels
    if kind == "PNG" and not grey:
        return sample_images.png_of_16_bits(deep), tag, pixels
    if kind == "PPM":
        size = f"{'P5' if grey else 'P6'} {deep.shape[1]} {deep.shape[0]} "
        most = draw(st.sampled_from([max(top, 256), 65535]))
        content = np.minimum(deep[..., 0] if grey else deep, most)
        return f"{size}{most}\n".encode() + content.astype(">u2").tobytes(), tag, pixels
    grey = Image.fromarray(deep[..., 0])
    pixels = np.repeat(pixels[..., :1], 3, 2)
    return saved(grey, "PNG" if kind == "PNG" else "JPEG2000"), tag, pixels


def save_plain(draw, pixels):
    """Save values of 0 to 1 with 8 bits; return bytes, the tag Orientation, and what is seen."""
    image = Image.fromarray((pixels * 255).round().astype("uint8"))
    kind = draw(st.sampled_from(["PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP", "JPEG2000", "AVIF"]))
    mode = {"PNG": ["RGB", "L", "P", "RGBA", "LA"], "JPEG": ["RGB", "L", "CMYK"], "BMP": ["RGB"]}
    mode |= {"TIFF": ["RGB", "L", "P", "RGBA", "CMYK"], "GIF": ["P", "L"], "JPEG2000": ["RGB", "L"]}
    mode, options = draw(st.sampled_from(mode.get(kind, ["RGB", "RGBA"]))), {}
    if mode in ("L", "LA"):
        pixels = np.asarray(image.convert("L").convert("RGB")) / 255
    if mode.endswith("A"):
        # WebP and AVIF keep no colours where nothing is to be seen
        alpha = draw(
            st.sampled_from([0, 255, "half"] if kind in ("PNG", "TIFF") else [255, "half"])
        )
        image = image.convert(mode)
        if alpha == "half":
            mask = np.zeros(pixels.shape[:2], "uint8")
            mask[:, : mask.shape[1] // 2] = 255
            pixels = np.where(mask[..., None] == 0, 1.0, pixels)
            image.putalpha(Image.fromarray(mask))
        else:
            image.putalpha(alpha)
    image = image.convert(mode, palette=Image.Palette.ADAPTIVE)
    if kind in ("GIF", "WEBP", "TIFF", "PNG") and draw(st.integers(0, 4)) == 0:  # a film
        options = {"save_all": True, "append_images": [Image.new(image.mode, image.size)]}
    tag = draw(st.integers(1, 8)) if kind in ("JPEG", "TIFF", "PNG", "WEBP") else 1
    if tag > 1:
        exif = Image.Exif()
        exif[ORIENTATION] = tag
        options["exif"] = exif
    return saved(image, kind, **options), tag, pixels


@st.composite
def files_with_truth(draw):
    """A file as cameras and programs write them, and what is to be seen in it."""
    pixels = draw(scenes())
    if draw(st.booleans()):
        data, tag, pixels = save_plain(draw, pixels)
    else:
        top = draw(st.sampled_from([255, 1023, 4095, 16383, 65535]))
        used = draw(st.sampled_from([1, 1, 0.5, 0.1]))  # a camera's dark image
        data, tag, pixels = save_deep(draw, pixels * used, top)
    return data, oriented(pixels, tag)


def alike(image, truth):
    """Return the correlation of an image with the truth, after scaling; -1 for another size."""
    seen = np.asarray(image, float)
    if seen.shape != truth.shape:
        return -1
    seen, truth = seen[np.isfinite(truth)], truth[np.isfinite(truth)]
    if seen.std() == 0:
        return 1 if truth.std() < 0.01 else 0
    return np.corrcoef(seen, truth)[0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["", "lab_images"])
def test_what_is_read_is_what_the_file_shows(tmp_path, record_property, recipe):
    reader = ROOT / "example_apps" / "image.py"
    if recipe:
        reader = make_app(tmp_path, recipe) / "lab_image.py"
    read_image, file = import_file(reader).read_image, tmp_path / "image"
    counts = {"read": 0, "refused": 0}

    @given(files_with_truth())
    def run(told):
        data, truth = told
        file.write_bytes(data)
        try:
            image = read_image({"path": file})
        except gr.Error as error:
            note(error.message)
            counts["refused"] += 1
            return
        counts["read"] += 1
        if (found := alike(image, truth)) < ALIKE:
            kept = FAILURES / f"truth-{hashlib.sha256(data).hexdigest()[:12]}"
            FAILURES.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
            np.save(f"{kept}.npy", truth)
            raise AssertionError(f"correlation {found:.2f} with what the file shows: {kept}")

    run()
    assert counts["read"] > counts["refused"]
    said = f"{counts['read']:,} read, {counts['refused']:,} refused"
    record_property("fuzz", f"truth {recipe}: {said}")
