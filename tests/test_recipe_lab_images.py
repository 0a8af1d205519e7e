"""The recipe lab_images: each kind of TIFF is read right, or refused with a message."""

import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import sample_images
import tifffile
from calls import classify
from conftest import import_file
from gradio.media import get_image
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect
from recipes_made import MOST_MEMORY, make_app, running, use_trained_network

RAMP = sample_images.grey_ramp(255)[..., None].repeat(3, 2)
COLOURS = sample_images.colours(255)
# what is to be seen, and of which file, plane and channel
SEEN = [
    (COLOURS, "colours_16.tif", "planar_8.tif", "colours_16.png", "colours_12_in_16.tif"),
    (COLOURS, "planar_16.tif", "colour_stack.tif 2"),
    (RAMP, "imagej.tif", "one.ome.tif", "tiles.tif", "zlib.tif", "10_bits.tif", "14_bits.tif"),
    (RAMP, "uint32.tif", "float_255.tif", "big.tif", "big_endian.tif", "float16.tif"),
    (RAMP, "float64.tif", "imagej_stack.tif 2", "stack.ome.tif 0 3", "pages.tif 3"),
    (RAMP, "interleaved.tif 0 5", "four_channels.tif 0 4", "hyperstack.tif 5 2", "pyramid.tif"),
    (RAMP, "jpeg.tif", "palette.tif", "imagej.tif 1 1"),
    (0 * RAMP, "imagej_stack.tif 1", "stack.ome.tif 0 1"),
    (255 - RAMP, "inverted_16.tif"),
    (np.where(RAMP > 127, 0, 255), "one_bit.tif"),
    (np.rot90(RAMP, -1), "turned.tif"),
    (0 * RAMP + 255, "transparent.tif"),
]
PLANES = r"3 planes\. Choose Plane 1 to 3"
REFUSED = [
    (PLANES, "imagej_stack.tif", "imagej_stack.tif 2.5", "imagej_stack.tif 4"),
    (r"3 channels\. Choose Channel 1 to 3", "stack.ome.tif", "stack.ome.tif 0 4"),
    (r"6 planes \(time 2 x depth 3\)", "hyperstack.tif", "hyperstack.tif 7 1"),
    ("2 channels", "hyperstack.tif 5"),
    ("5 channels", "interleaved.tif"),
    ("only one plane", "palette.tif 2", "stack.ome.tif 2 3"),
    ("only one channel", "imagej_stack.tif 2 2", "rgb.jpg 0 2"),
    ("values below 0", "negative.tif", "difference.tif", "int8.tif"),
    ("seems empty", "empty.tif", "empty_with_offset.tif"),
    ("not numbers", "nan.tif", "infinite.tif"),
    ("type int64", "int64.tif"),
    ("several sizes", "two_sizes.tif"),
    ("damaged", "cut_short.tif"),
]


def cases(table):
    return [(expected, file) for expected, *files in table for file in files]


def save_all(folder):
    sample_images.save_scientific(folder)
    deep = sample_images.grey_ramp(65535).astype("uint16")
    hyperstack = np.zeros((2, 3, 2, *deep.shape), "uint16")  # time, depth, channel
    hyperstack[1, 1, 1] = deep
    save = tifffile.imwrite
    save(folder / "hyperstack.tif", hyperstack, imagej=True, metadata={"axes": "TZCYX"})
    colours = np.uint8(COLOURS)
    save(folder / "colour_stack.tif", np.stack([0 * colours, colours]), photometric="rgb")
    save(folder / "one_bit.tif", deep > 32767)
    save(folder / "turned.tif", deep, extratags=[(274, "H", 1, 6, False)])  # by 90 degrees
    save(folder / "int64.tif", deep.astype("int64"))
    for name, smaller in (("two_sizes.tif", deep[:50]), ("pyramid.tif", deep[::2, ::2])):
        with tifffile.TiffWriter(folder / name) as tiff:
            for pixels in (deep, smaller):
                tiff.write(pixels, metadata=None)
    (folder / "cut_short.tif").write_bytes((folder / "imagej.tif").read_bytes()[:5000])
    options = {"save_all": True, "append_images": [Image.fromarray(deep)]}
    dark = Image.fromarray(deep // 99)
    dark.save(folder / "lzw_stack.tif", compression="tiff_lzw", **options)
    grey = Image.fromarray(np.uint8(RAMP))
    grey.save(folder / "jpeg.tif", compression="jpeg", quality=100)
    grey.convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "palette.tif")
    sample_images.transparent().save(folder / "transparent.tif")
    sample_images.drawing().save(folder / "rgb.jpg")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_app(tmp_path_factory.mktemp("lab_images"), "lab_images")


@pytest.fixture
def module(folder):
    """What reads images, in the process of pixels.py when the app runs."""
    return import_file(folder / "lab_pixels.py")


def read(module, folder, file):
    """Read an image as the page does: at first without a plane and a channel."""
    name, *chosen = file.split()
    chosen = [*map(float, chosen), 0, 0][:2]
    image = module.read(folder / name, None, *chosen)
    if not any(chosen):  # as predict() does
        assert np.array_equal(image, module.read(folder / name))
    return np.asarray(image, "int16")


def test_each_kind_of_tiff_is_read_right_or_refused_with_the_reason(folder, module, tmp_path):
    save_all(tmp_path)
    for expected, file in cases(SEEN):
        assert abs(read(module, tmp_path, file) - expected).max() <= 2, file
    for expected, file in cases(REFUSED):
        with pytest.raises(module.Refused, match=expected) as error:
            read(module, tmp_path, file)
        assert len(str(error.value)) < 120, file


def test_who_knows_the_range_of_values_can_say_so(folder, tmp_path):
    ramp = (sample_images.grey_ramp(4095) - 1000).astype("int16")
    tifffile.imwrite(tmp_path / "a.tif", ramp)
    lab_image = import_file(folder / "lab_image.py")
    with pytest.raises(lab_image.gr.Error, match="values below 0"):
        lab_image.read_image({"path": tmp_path / "a.tif"})
    lab_image.RANGE = (-1000, 3095)
    image = lab_image.read_image({"path": tmp_path / "a.tif"})
    assert abs(np.asarray(image, "int16") - RAMP).max() <= 1
    deep, grey = np.full((9, 9), 5000, "uint16"), sample_images.grey_ramp(255).astype("uint8")
    deep[0, 0] = 60_000
    tifffile.imwrite(tmp_path / "a.tif", deep)
    Image.fromarray(deep).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", grey)
    Image.fromarray(grey).save(tmp_path / "b.png")
    see_through = {"extrasamples": ["unassalpha"], "photometric": "rgb"}
    tifffile.imwrite(tmp_path / "c.tif", np.dstack([deep] * 4), **see_through)
    for file, message in (
        ("a.tif", "all get the same brightness"),
        ("a.png", "this app reads only TIFF files"),
        ("c.tif", "without palette, transparency"),
    ):
        with pytest.raises(lab_image.gr.Error, match=message):
            lab_image.read_image({"path": tmp_path / file})
    for file in ("b.tif", "b.png"):  # 8 bits stay as they are
        image = lab_image.read_image({"path": tmp_path / file})
        assert np.array_equal(np.asarray(image)[..., 0], grey)
    lab_image.RANGE = (0, 100)
    assert np.asarray(lab_image.read_image({"path": tmp_path / "b.tif"}))[0, 60, 0] == 255


def test_no_other_file_is_opened_and_no_name_gets_into_the_log(folder, module, tmp_path, capfd):
    """An OME-TIFF can name further files that belong to it."""
    asked, other = sample_images.save_one_that_names_another(tmp_path)
    opened = []
    sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
    with pytest.raises(module.Refused):
        read(module, tmp_path, "stack.ome.tif 0 2")
    assert str(asked) in opened
    assert str(other) not in opened
    lab_image = import_file(folder / "lab_image.py")
    capfd.readouterr()
    with pytest.raises(lab_image.gr.Error, match="planes"):
        lab_image.read_image({"path": asked})
    assert capfd.readouterr() == ("", "")


def tiff_by_hand(width, height, compression, data, tile=()):
    """Return a TIFF of 8 bits with one strip or tile, whatever it claims to hold."""
    tags = [(256, width), (257, height), (258, 8), (259, compression), (262, 1), (277, 1)]
    tags += [(322, tile[0]), (323, tile[1])] if tile else [(278, height)]
    start = 8 + 2 + 12 * (len(tags) + 2) + 4
    tags += [(324 if tile else 273, start), (325 if tile else 279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


MEASURE = f"""{MOST_MEMORY}
import sys, lab_pixels
for path in sys.argv:
    try: said = lab_pixels.read(path)
    except lab_pixels.Refused as error: said = str(error)
    print(most_memory(), said)
"""


@pytest.fixture(scope="module")
def python(folder, python_of_recipes):
    """A Python with the app's packages, with the trained network put into the folder."""
    use_trained_network(folder)
    return python_of_recipes


@pytest.mark.recipes
def test_a_file_that_claims_or_unpacks_to_gigabytes_takes_little_memory(folder, python, tmp_path):
    kind, bomb = tifffile.COMPRESSION, zlib.compress(bytes(1_500_000_000), 1)
    files = {
        "wide.tif": tiff_by_hand(2**31, 2**31, kind.NONE, b"a"),
        "over.tif": tiff_by_hand(7100, 7100, kind.NONE, b"a"),
        "tile.tif": tiff_by_hand(64, 64, kind.LZW, b"a", (2**20, 2**20)),
        "zip.tif": tiff_by_hand(640, 640, kind.ADOBE_DEFLATE, bomb),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (folder / "measure.py").write_text(MEASURE)
    command = [python, folder / "measure.py", *(tmp_path / name for name in files)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr
    before, *lines = ended.stdout.splitlines()
    for name, line in zip(files, lines, strict=True):
        assert ("up to 50 megapixels" in line) == (name != "zip.tif")
        assert int(line.split()[0]) - int(before.split()[0]) < 150, (name, line)


def save_lion(folder):
    """Write a photo as microscopes might: 12 of 16 bits in colour, and a stack of ImageJ."""
    photo = Image.open(get_image("lion.jpg")).convert("RGB")
    photo.save(folder / "colours.png")
    photo.convert("L").save(folder / "grey.png")
    deep = (np.asarray(photo, "float") * 4095 / 255).astype("uint16")
    tifffile.imwrite(folder / "colours.tif", deep, photometric="rgb")
    grey = np.asarray(photo.convert("L"), "uint16") * 16
    stack = np.stack([grey // 9, grey * 0, grey])
    tifffile.imwrite(folder / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})


@pytest.mark.recipes
def test_the_trained_network_predicts_as_for_the_same_photo_with_8_bits(folder, python, tmp_path):
    save_lion(tmp_path)
    save_all(tmp_path)
    with running(folder, python) as (_, client):

        def ask(file):
            name, *chosen = file.split()
            file = handle_file(str(tmp_path / name))
            chosen = [*map(float, chosen), 0, 0][:2]
            seen = client.predict(file, *chosen, api_name="/open_tiff")
            for sent in [seen, tmp_path / name][: 1 if any(chosen) else 2]:
                prediction = classify(client, sent)
            return prediction, np.asarray(Image.open(seen), "int16")

        same = [("colours.tif", "colours.png"), ("stack.tif 3", "grey.png")]
        same += [("lzw.tif", "imagej.tif"), ("lzw_stack.tif 2", "imagej.tif")]
        for file, other in same:
            (prediction, seen), (expected, seen_there) = ask(file), ask(other)
            assert (next(iter(prediction)) == "lion") == (other != "imagej.tif")
            assert prediction == pytest.approx(expected, abs=0.02)
            assert seen.ndim == 3
            assert abs(seen - seen_there).mean() < 1
        for expected, file in cases(REFUSED):
            with pytest.raises(AppError, match=expected):
                ask(file)
        with pytest.raises(AppError, match=r'3 planes\. Open it under "TIFF from a microscope or'):
            client.predict(handle_file(tmp_path / "stack.tif"), api_name="/predict")


@pytest.mark.recipes
def test_a_plane_is_chosen_on_the_page(folder, python, page, screenshot, tmp_path):
    save_lion(tmp_path)
    with running(folder, python) as (url, _):
        page.goto(url)
        submit = page.get_by_role("button", name="Submit")
        shown = page.locator(".image-frame img[src*='/file=']")
        message = page.get_by_test_id("toast-body").filter(has_text="Choose Plane 1 to 3.")
        expect(submit).to_be_enabled()
        page.locator("input[type=file]").last.set_input_files(tmp_path / "stack.tif")
        for plane in (0, 4):
            if plane:
                page.get_by_label("Plane").fill(str(plane))
                page.get_by_role("button", name="Show").click()
            expect(message).to_be_visible()
            page.get_by_test_id("toast-close").click()
            expect(message).to_have_count(0)
        page.get_by_label("Plane").fill("3")
        page.get_by_role("button", name="Show").click()
        expect(shown).to_have_count(1)
        submit.click()
        expect(page.get_by_test_id("label-output-value")).to_have_text("lion")
        screenshot(page, "lab_images")
        page.get_by_role("button", name="Clear").first.click()
        expect(shown).to_have_count(0)
