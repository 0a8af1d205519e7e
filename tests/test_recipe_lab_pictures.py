"""The recipe lab_pictures: each kind of TIFF is read right, or refused in a sentence."""

import importlib
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pictures
import pytest
import requests
import tifffile
from gradio.media import get_image
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect
from recipes_made import TRAINED, environment, make_app, require_ready, running, use_trained_network

RAMP = pictures.grey_ramp(255)[..., None].repeat(3, 2)
COLOURS = pictures.colours(255)
COLOUR_FILES = ("colours_16.tif", "colours_16.png", "planar_8.tif")
PLANES = r"3 planes\. Choose Plane 1 to 3"
# file: plane, channel, what is to be seen or words of the refusal
CASES = [
    ("colours_12_in_16.tif", None, None, COLOURS),
    ("planar_16.tif", None, None, COLOURS),
    ("imagej_stack.tif", None, None, PLANES),
    ("imagej_stack.tif", 0, None, PLANES),
    ("imagej_stack.tif", 1, None, 0 * RAMP),
    ("imagej_stack.tif", 2, None, RAMP),
    ("imagej_stack.tif", 2.5, None, PLANES),
    ("imagej_stack.tif", 4, None, PLANES),
    ("imagej_stack.tif", 2, 2, "only one channel"),
    ("stack.ome.tif", None, None, r"3 channels\. Choose Channel 1 to 3"),
    ("stack.ome.tif", None, 3, RAMP),
    ("stack.ome.tif", None, 1, 0 * RAMP),
    ("pages.tif", 3, None, RAMP),
    ("interleaved.tif", None, None, "5 channels"),
    ("interleaved.tif", None, 5, RAMP),
    ("four_channels.tif", None, 4, RAMP),
    ("negative.tif", None, None, "values below 0"),
    ("difference.tif", None, None, "values below 0"),
    ("empty.tif", None, None, "seems empty"),
    ("empty_with_offset.tif", None, None, "seems empty"),
    ("nan.tif", None, None, "no numbers"),
    ("infinite.tif", None, None, "no numbers"),
    ("float16.tif", None, None, RAMP),
    ("float64.tif", None, None, RAMP),
    ("int8.tif", None, None, "values below 0"),
    ("inverted_16.tif", None, None, 255 - RAMP),
    ("hyperstack.tif", None, None, r"6 planes \(time 2 x depth 3\)"),
    ("hyperstack.tif", 5, None, r"2 channels"),
    ("hyperstack.tif", 5, 2, RAMP),
    ("colour_stack.tif", 2, None, COLOURS),
    ("one_bit.tif", None, None, np.where(RAMP > 127, 0, 255)),
    ("turned.tif", None, None, np.rot90(RAMP, -1)),
    ("complex.tif", None, None, "type complex64"),
    ("int64.tif", None, None, "type int64"),
    ("two_sizes.tif", None, None, "several sizes"),
    ("pyramid.tif", None, None, RAMP),
    ("cmyk.tif", None, None, np.asarray(pictures.drawing(), "int16")),
    ("cut_short.tif", None, None, "damaged"),
    ("palette.tif", None, None, RAMP),
    ("palette.tif", 2, None, "only one plane"),
    ("transparent.tif", None, None, np.full_like(RAMP, 255)),
    ("rgb.jpg", None, 2, "only one channel"),
    ("text.tif", None, None, "cannot be read as a picture"),
    ("jpeg.tif", None, None, RAMP),
]


def save_all(folder):
    """Write the pictures of all cases, and return those that are read as they are."""
    outcomes = pictures.save_scientific(folder)
    deep = pictures.grey_ramp(65535).astype("uint16")
    hyperstack = np.zeros((2, 3, 2, *deep.shape), "uint16")  # time, depth, channel
    hyperstack[1, 1, 1] = deep
    save = tifffile.imwrite
    save(folder / "hyperstack.tif", hyperstack, imagej=True, metadata={"axes": "TZCYX"})
    colours = np.uint8(pictures.colours(255))
    save(folder / "colour_stack.tif", np.stack([colours * 0, colours]), photometric="rgb")
    save(folder / "one_bit.tif", deep > 32767)
    turned = [(274, "H", 1, 6, False)]  # "turn by 90 degrees to see it upright"
    save(folder / "turned.tif", deep, extratags=turned)
    save(folder / "complex.tif", deep.astype("complex64"))
    save(folder / "int64.tif", deep.astype("int64"))
    for name, smaller in (("two_sizes.tif", deep[:50]), ("pyramid.tif", deep[::2, ::2])):
        with tifffile.TiffWriter(folder / name) as tiff:
            for pixels in (deep, smaller):
                tiff.write(pixels, metadata=None)
    (folder / "cut_short.tif").write_bytes((folder / "imagej.tif").read_bytes()[:5000])
    pages = [Image.fromarray(deep // 99), Image.fromarray(deep)]
    options = {"save_all": True, "append_images": pages[1:], "compression": "tiff_lzw"}
    pages[0].save(folder / "lzw_stack.tif", **options)
    grey = Image.fromarray(np.uint8(RAMP))
    grey.convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "palette.tif")
    pictures.transparent().save(folder / "transparent.tif")
    pictures.drawing().save(folder / "rgb.jpg")
    pictures.drawing().convert("CMYK").save(folder / "cmyk.tif")
    (folder / "text.tif").write_text("this is a text")
    grey.save(folder / "jpeg.tif", compression="jpeg", quality=100)
    return [name for name, refusal in outcomes.items() if refusal is None and name != "lzw.tif"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_app(tmp_path_factory.mktemp("lab_pictures"), "lab_pictures")


@pytest.fixture
def module(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    for name in ("picture", "lab_picture"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module("lab_picture")
    for name in ("picture", "lab_picture"):
        sys.modules.pop(name, None)


def read(module, file, plane=None, channel=None):
    """Read a picture as predict() does."""
    picture = {"path": str(file)}
    image = module.read_tiff(picture, plane, channel)
    return np.asarray(image or sys.modules["picture"].read_picture(picture, enough=1024), "int16")


def test_a_new_folder_with_it_is_ready_for_serve(folder):
    require_ready(folder)


def test_each_kind_of_tiff_is_read_right_or_refused_with_the_reason(module, tmp_path):
    for name in save_all(tmp_path):
        expected = COLOURS if name in COLOUR_FILES else RAMP
        assert abs(read(module, tmp_path / name) - expected).max() <= 2, name
    for name, plane, channel, expected in CASES:
        if isinstance(expected, str):
            with pytest.raises(module.gr.Error, match=expected) as error:
                read(module, tmp_path / name, plane, channel)
            assert len(error.value.message) < 120, name
        else:
            difference = read(module, tmp_path / name, plane, channel) - expected
            assert abs(difference).max() <= (20 if name == "palette.tif" else 2), name


def test_who_knows_the_range_of_values_can_say_so(module, tmp_path):
    ramp = (pictures.grey_ramp(4095) - 1000).astype("int16")
    tifffile.imwrite(tmp_path / "a.tif", ramp)
    module.RANGE = (-1000, 3095)
    assert abs(read(module, tmp_path / "a.tif") - RAMP).max() <= 1
    tifffile.imwrite(tmp_path / "a.tif", np.where(ramp > 0, ramp, np.nan).astype("float32"))
    with pytest.raises(module.gr.Error, match="no numbers"):
        read(module, tmp_path / "a.tif")


def test_no_other_file_is_opened_and_no_name_gets_into_the_log(module, tmp_path, caplog):
    """An OME-TIFF can name further files that belong to it."""
    pictures.save_scientific(tmp_path)
    other, uuid = tmp_path / "other.tif", "urn:uuid:00000000-0000-0000-0000-000000000000"
    (tmp_path / "imagej.tif").rename(other)
    with tifffile.TiffFile(tmp_path / "stack.ome.tif") as tiff:
        xml = tiff.ome_metadata
    part = f'<UUID FileName="{other}">{uuid}</UUID></TiffData>'
    xml = xml.replace("/></Pixels>", f">{part}</Pixels>")
    assert str(other) in xml
    tifffile.tiffcomment(tmp_path / "stack.ome.tif", xml.encode())
    opened = []
    sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
    with pytest.raises(module.gr.Error):
        read(module, tmp_path / "stack.ome.tif", None, 2)
    assert str(tmp_path / "stack.ome.tif") in opened
    assert str(other) not in opened
    assert caplog.text == ""


def tiff_by_hand(width, height, compression, data, tile=()):
    """Return a TIFF of 8 bits with one strip or tile, whatever it claims to hold."""
    tags = [(256, width), (257, height), (258, 8), (259, compression), (262, 1), (277, 1)]
    tags += [(322, tile[0]), (323, tile[1])] if tile else [(278, height)]
    start = 8 + 2 + 12 * (len(tags) + 2) + 4
    tags += [(324 if tile else 273, start), (325 if tile else 279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


@pytest.fixture(scope="module")
def python(folder):
    """The Python of an environment of its own, with the trained network put into the folder."""
    use_trained_network(folder)
    return environment(folder, *TRAINED)


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_a_file_that_claims_or_unpacks_to_gigabytes_is_refused_in_little_memory(
    folder, python, tmp_path
):
    bomb = zlib.compress(bytes(1_500_000_000), 1)
    deep = tifffile.COMPRESSION
    files = {
        "wide.tif": tiff_by_hand(2**31, 2**31, 1, b"a"),
        "over.tif": tiff_by_hand(7100, 7100, 1, b"a"),
        "tile.tif": tiff_by_hand(64, 64, deep.LZW, b"a", (2**20, 2**20)),
        "zip.tif": tiff_by_hand(640, 640, deep.ADOBE_DEFLATE, bomb),
        "none.tif": tiff_by_hand(0, 0, 1, b"a"),
        "packed.tif": tiff_by_hand(7000, 7000, deep.PACKBITS, b"a"),
    }
    code = (
        "import sys, resource, gradio, lab_picture\n"
        "def most(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "before = most()\n"
        "for path in sys.argv[1:]:\n"
        "    try: said = lab_picture.read_tiff({'path': path})\n"
        "    except gradio.Error as error: said = error.message\n"
        "    print(most() - before, said)\n"
    )
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    command = [python, "-c", code, *(tmp_path / name for name in files)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    for name, line in zip(files, ended.stdout.splitlines(), strict=True):
        assert ("up to 50 megapixels" in line) == (name in ("wide.tif", "over.tif", "tile.tif"))
        assert int(line.split()[0]) < 150, (name, line)


def row(answer):
    return {row["label"]: row["confidence"] for row in answer["confidences"]}


def save_lion(folder):
    """Write a photo as two microscopes might: 12 of 16 bits in colour, and a stack of ImageJ."""
    pixels = np.asarray(Image.open(get_image("lion.jpg")).convert("RGB"))
    deep = (pixels.astype("float") * 4095 / 255).astype("uint16")
    tifffile.imwrite(folder / "colours.tif", deep, photometric="rgb")
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    stack = np.stack([grey // 9, grey * 0, grey]).astype("uint16") * 16
    tifffile.imwrite(folder / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    Image.fromarray(pixels).save(folder / "colours.png")
    Image.fromarray(grey).save(folder / "grey.png")


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_the_trained_network_answers_as_for_the_same_photo_with_8_bits(folder, python, tmp_path):
    save_lion(tmp_path)
    save_all(tmp_path)
    with running(folder, python) as (_, client):

        def ask(name, *chosen):
            file = handle_file(str(tmp_path / name))
            return client.predict(file, *chosen, api_name="/predict")

        for same, name, *chosen in (
            ("colours.png", "colours.tif"),
            ("grey.png", "stack.tif", 3),
            ("grey.png", "stack.tif", 3, None),
            ("imagej.tif", "lzw.tif"),
            ("imagej.tif", "lzw_stack.tif", 2),
        ):
            (answer, seen), (expected, seen_too) = ask(name, *chosen), ask(same)
            assert (answer["label"] == "lion") == same.endswith("png")
            assert row(answer) == pytest.approx(row(expected), abs=0.02)
            shades = [np.asarray(Image.open(file), "int16") for file in (seen, seen_too)]
            assert shades[0].shape == (224, 224, 3)
            assert abs(shades[0] - shades[1]).mean() < 1
        for name, *chosen, expected in CASES:
            if isinstance(expected, str):
                with pytest.raises(AppError, match=expected):
                    ask(name, *chosen)
            else:
                ask(name, *chosen)


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_the_page_still_works_after_200_other_visitors(folder, python, page, picture, tmp_path):
    save_lion(tmp_path)
    with running(folder, python) as (url, _):
        page.goto(url)
        expect(page.get_by_role("button", name="Submit")).to_be_enabled()
        with (tmp_path / "grey.png").open("rb") as file:
            (path,) = requests.post(f"{url}gradio_api/upload", files={"files": file}).json()
        body = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, None, None]}

        def visit(_):
            where = f"{url}gradio_api/call/predict"
            event = requests.post(where, json=body, timeout=60).json()["event_id"]
            return "event: complete" in requests.get(f"{where}/{event}", timeout=60).text

        submit, toast = page.get_by_role("button", name="Submit"), page.get_by_test_id("toast-body")
        page.locator("input[type=file]").set_input_files(tmp_path / "stack.tif")
        expect(page.locator(".image-frame img[src*='/file=']")).to_have_count(1)
        submit.click()
        expect(toast.filter(has_text="3 planes. Choose Plane 1 to 3.")).to_be_visible()
        with ThreadPoolExecutor(4) as visitors:
            assert all(visitors.map(visit, range(200)))
        page.get_by_label("Plane").fill("4")
        submit.click()
        expect(toast.filter(has_text="3 planes. Choose Plane 1 to 3.")).to_have_count(2)
        for button in page.get_by_test_id("toast-close").all():
            button.click()
        page.get_by_label("Plane").fill("3")
        submit.click()
        expect(page.get_by_test_id("label-output-value")).to_have_text("lion")
        expect(page.locator(".image-frame img[src*='/file=']")).to_have_count(2)
        picture(page, "lab_pictures")
        page.get_by_role("button", name="Clear").first.click()
        expect(page.get_by_label("Plane")).not_to_have_value("3")
        expect(page.locator(".image-frame img[src*='/file=']")).to_have_count(0)
