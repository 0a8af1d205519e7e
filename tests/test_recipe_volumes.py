"""The starting point `volumes`: left stays left, whatever a file is, and what is no volume is said.

The files are made by volumes_made.py, with the packages of the app.
"""

import csv
import io
import itertools
import json
import re
import subprocess

import numpy as np
import pytest
from conftest import ROOT
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect
from recipes_made import made_and_served, running, smoke_passes

pytestmark = pytest.mark.recipes
EXAMPLE = ROOT / "docs/starting_points/volumes/data/example.nii.gz"
MARGIN, SIDE = 24, 400  # as in slices.py
SHAPE, MM = (16, 12, 8), (2, 3, 4)  # as in volumes_made.py, like the values
VALUES = dict(zip(itertools.product("RL", "PA", "IS"), range(100, 900, 100), strict=True))
VIEWS = {"sagittal": "APSI", "coronal": "RLSI", "axial": "RLAP"}  # left, right, above, below
ML = 5 * 4 * 4 * 4 * 2 * 3 * 4 / 1000  # five of the blocks are above 300
ENDS = {"sagittal": "LR", "coronal": "PA", "axial": "IS"}  # at the slider's first and last place


made, app = made_and_served("volumes")


def test_smoke_passes_and_compares_with_the_reference_predictions(made):
    smoke_passes(*made)


@pytest.fixture(scope="module")
def files(made, tmp_path_factory):
    """The folder with volumes of all kinds."""
    folder = tmp_path_factory.mktemp("made")
    program = ROOT / "tests" / "volumes_made.py"
    subprocess.run([made[1], program, folder], check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def send(app):
    """Return a function that sends a file: its number, what was read, the CSV, window, slices."""

    def predict(file, mm=""):
        number, read, table, low, high, *shown = app[1].predict(
            handle_file(str(file)), mm, api_name="/predict_volume"
        )
        with open(table, encoding="utf-8", newline="") as stream:
            titles, row = csv.reader(stream)
        assert row[-1].startswith("app ")  # the version
        return number, read, dict(zip(titles, row, strict=True)), (low, high), shown

    return predict


@pytest.fixture
def show(app):
    """Return a function that returns the slices at three places, without their frames."""

    def slices(places, low=0, high=1000):
        shown = app[1].predict(*places, low, high, api_name="/show_slices")
        return [inside(image) for image in shown]

    return slices


def inside(image):
    pixels = np.asarray(Image.open(image).convert("L"))
    return pixels[MARGIN:-MARGIN, MARGIN:-MARGIN]


def corners(pixels, letters):
    """Return the values, of 1000, in the four corners of a slice, each by its two letters."""
    left, right, above, below = letters
    found = {}
    for row, y in ((5, above), (-6, below)):
        for column, x in ((5, left), (-6, right)):
            found[x, y] = round(pixels[row, column] / 255 * 1000, -1)
    return found


def expected(letters, end):
    """Return what corners() must find in a slice at one end of the third direction."""
    places = itertools.product(letters[:2], letters[2:])
    order = "RLPAIS".index
    return {place: VALUES[tuple(sorted((*place, end), key=order))] for place in places}


def require_right(show):
    """See to it that the volume is shown with all eight blocks where they belong."""
    for places, which in (((1, 1, 1), 0), (SHAPE, 1)):
        for (view, letters), pixels in zip(VIEWS.items(), show(places), strict=True):
            assert corners(pixels, letters) == expected(letters, ENDS[view][which]), view


# ---- The page ----


def test_the_example_is_shown_with_its_ball_on_the_left(app, page, screenshot):
    page.goto(app[0])
    page.get_by_text("example.nii.gz").last.click()
    expect(page.locator(".file-preview")).to_have_count(1)
    page.get_by_role("button", name="Submit").click()
    number = page.get_by_label("Volume above 300 (ml)")
    expect(number).to_have_value("13.92")  # a ball with a radius of 15 mm has 14.1
    read = "NIfTI, stored as LAS, 96 x 112 x 56 voxels of 2 x 2 x 3 mm."
    expect(page.get_by_label("Read", exact=True)).to_have_value(read)
    axial = page.locator(".image-frame img").nth(2)
    before = axial.get_attribute("src")
    slider = page.get_by_label("range slider for Axial slice")
    expect(slider).to_have_value("28")
    slider.fill("36")  # where the ball is
    expect(axial).not_to_have_attribute("src", before)
    response = page.request.get(axial.evaluate("image => image.src"))
    pixels = np.asarray(Image.open(io.BytesIO(response.body())).convert("L"))
    y, x = np.argwhere(pixels[MARGIN:-MARGIN, MARGIN:-MARGIN] > 254).mean(axis=0)
    screenshot(page, "volumes")
    height, width = pixels.shape
    assert x > (width - 2 * MARGIN) / 2  # the patient's left is on the right
    assert y < (height - 2 * MARGIN) / 2
    with page.expect_download() as download:
        page.locator("a[download='result.csv']").first.click()
    assert download.value.path().read_bytes().startswith(b'"file","Volume above 300 (ml)","kind"')


# ---- What is read ----

EVERY = """
import json, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import numpy as np, volume_files, volumes_made
folder = sys.argv[4]
for file in sorted(Path(sys.argv[3]).iterdir()):
    sys.argv[1:] = [str(file), folder, "null"]
    volume_files.main()
    values = Path(folder, "volume.npy")
    same = values.exists() and np.array_equal(np.load(values), volumes_made.VOLUME)
    print(json.dumps([file.name, bool(same)]))
    values.unlink(missing_ok=True)
"""


@pytest.fixture
def read_every(made, files, tmp_path):
    """Return a function that reads all files of a folder: {name: [what is told, if it is right]}.

    It does so in one process, since starting one for each takes most of the time.
    """

    def read(folder):
        command = [made[1], "-c", EVERY, made[0], ROOT / "tests", files / folder, tmp_path]
        lines = subprocess.check_output(command, text=True, timeout=300).splitlines()
        told, found = map(json.loads, lines[::2]), map(json.loads, lines[1::2])
        return {name: [what, same] for what, (name, same) in zip(told, found, strict=True)}

    return read


def test_one_volume_is_the_same_in_every_form(read_every):
    found = read_every("same")
    assert len(found) == 25
    for name, (told, same) in found.items():
        assert same, (name, told)
        assert (told["mm"], told["low"], told["high"]) == ([*MM], 0, 800), name


@pytest.mark.parametrize("name", ["pir.nii.gz", "sagittal.zip"])
def test_left_is_left_on_the_page_whatever_the_file(files, send, show, name):
    number, read, row, window, shown = send(files / "same" / name)
    assert number == pytest.approx(ML)
    assert " 16 x 12 x 8 voxels of 2 x 3 x 4 mm." in read
    assert [row[f"mm_{axis}"] for axis in "xyz"] == ["2.0", "3.0", "4.0"]
    assert row["file"] == name
    assert window == (0, 800)
    assert [slider["maximum"] for slider in shown[:3]] == [*SHAPE]
    x, y, z = (round(n * mm / 36 * SIDE) for n, mm in zip(SHAPE, MM, strict=True))
    sizes = [inside(image).shape for image in shown[3:]]
    assert sizes == [(z, y), (z, x), (y, x)]  # by millimetres, not by voxels
    require_right(show)


ALL = """
import sys, tempfile, warnings
sys.path[:0] = sys.argv[1:3]
warnings.simplefilter("ignore")
import numpy as np, nibabel as nib, volume_files, volumes_made as made
codes = [*made.all_codes()]
with tempfile.TemporaryDirectory() as folder:
    for each in codes:
        nib.save(made.nifti(each), f"{folder}/a.nii")
        made.save_zip(f"{folder}/a.zip", made.slices(each))
        # the slices of a series are sorted along the normal of the first, so they end right-handed
        for name in ("a.nii", "a.zip"):
            told = volume_files.read(f"{folder}/{name}", folder, None)
            assert (np.load(f"{folder}/volume.npy") == made.VOLUME).all(), (each, name)
            assert told["mm"] == [*made.MM], (each, name)
            assert name == "a.zip" or told["stored"] == each
print(len(codes))
"""


def test_all_48_ways_in_which_axes_can_go_lead_to_the_same_volume(made):
    command = [made[1], "-c", ALL, made[0], ROOT / "tests"]
    assert subprocess.check_output(command, text=True, timeout=300) == "48\n"


NOTES = {
    "no_codes.nii.gz": "The file does not say where left and right, front and back are.",
    "no_unit.nii.gz": "The file gives no unit of length, so millimetres are assumed.",
    "oblique.nii.gz": "Slices are up to 20° oblique; letters name the nearest direction.",
    "padding.zip": "Pixels without a measurement are stored as -2000.",
    "numbers.zip": "numbers from 3 to 8, but there are only 6: some at the ends may be missing.",
}


def test_what_one_should_know_of_a_file_is_said(files, send, show):
    for name, note in NOTES.items():
        _, read, row, *_ = send(files / "others" / name)
        assert note in read
        assert note in row["notes"]
    _, read, row, *_ = send(files / "others" / "names.zip")
    assert "Not anonymised? The files have PatientName, PatientBirthDate." in read
    assert "Text is burned into the images, perhaps a name." in read
    assert "compressed with a loss" in read
    assert "Svensson" not in str((read, row))
    assert send(files / "others" / "window.zip")[3] == (300, 500)
    assert "Low values are bright" in send(files / "others" / "inverted.zip")[1]
    assert show(SHAPE)[2].max() == 255  # the background of 0
    assert corners(show(SHAPE)[2], "RLAP")["L", "A"] == pytest.approx(200, abs=10)


FORMS = [("imagej.tif", ""), ("calibrated.tif", ""), ("a.ome.tif", "")]
FORMS += [("plain.tif", "2,0 x 3,0 x 4,0")]


def test_a_tiff_stack_is_shown_as_it_is_stored_and_needs_a_voxel_size(files, send, show):
    for name, mm in FORMS:
        number, read, row, *_ = send(files / "others" / name, mm)
        assert read.startswith("TIFF stack, 16 x 12 x 8 voxels of 2 x 3 x 4 mm.\nThe file does not")
        assert row["stored"] == "unknown"
        assert number == pytest.approx(ML)
        for z, end in ((1, "I"), (8, "S")):  # made as seen from the feet
            assert corners(show((1, 1, z))[2], "RLAP") == expected("RLAP", end)
    assert "16 x 12 x 8 voxels" in send(files / "others" / "mask.tif", "2 3 4")[1]
    for name, mm, message in (
        ("imagej.tif", "1 1 1", "has a voxel size of its own. Leave the field for it empty"),
        ("plain.tif", "", "has no voxel size. Enter it above, in mm"),
        ("plain.tif", "1,1,1", "three numbers with spaces between them"),
        ("plain.tif", "1 1 0", "three numbers with spaces between them"),
    ):
        with pytest.raises(AppError, match=message):
            send(files / "others" / name, mm)


# ---- What is refused ----

REFUSED = {
    "contrary.nii.gz": "gives two orientations, LAS and RAS: left and right may be mirrored",
    "sizes.nii.gz": "gives two voxel sizes: 2 x 3 x 4 and 4 x 6 x 8 mm",
    "sheared.nii.gz": "The slices are sheared by 14°",
    "time.nii.gz": "has 5 volumes, such as points in time",
    "vectors.nii.gz": "has 3 volumes, such as",
    "flat.nii.gz": "has a single slice",
    "complex.nii.gz": "has colours or complex numbers",
    "nan.nii.gz": "not numbers (NaN or infinite)",
    "cut.nii": "is damaged, or of a rare kind",
    "cut.nii.gz": "is damaged, or of a rare kind",
    "pair.hdr": "belongs to a file .img",
    "huge.nii": "has 30000 x 30000 x 30000 voxels, and more than 100,000,000 are not read",
    "bomb.nii.gz": "unpacks to more than 500 MB",
    "text.txt": "cannot be read as a volume. Send a NIfTI file",
    "empty.nii": "cannot be read as a volume",
    "two_series.zip": "has 2 series (3 T1 ?b>, 4 T2)",
    "missing.zip": "The distance between slices is from 4 to 8 mm",
    "uneven.zip": "The distance between slices is from 4 to 5 mm",
    "twice.zip": "Several slices are at the same place",
    "tilted.zip": "The slices are sheared by 14°, by a tilted gantry",
    "localizer.zip": "differ in their directions: perhaps a localizer",
    "other_size.zip": "differ in Rows",
    "single.zip": "has a single slice",
    "no_position.zip": "do not say where in the patient they are",
    "frames.dcm": "several frames and does not say where each is",
    "high_bit.zip": "stored in an outdated way (High Bit)",
    "colours.zip": "This series has colours",
    "unknown.zip": "compressed as High-Throughput JPEG 2000",
    "nothing.zip": "no DICOM images in this file",
    "lzma.zip": "packed in an unusual way",
    "bomb.zip": "unpacks to more than 500 MB",
    "lie.zip": "is damaged, or of a rare kind (BadZipFile)",
    "locked.zip": "is encrypted",
    "channels.tif": "more than one channel",
    "times.tif": "more than one point in time",
    "stacks.tif": "more than one stack",
    "colours.tif": "has colours",
    "single.tif": "has a single slice",
    "spy.ome.tif": "Some slices of this stack are in another file",
    "no_size.tif": "has no voxel size",
}


def test_what_cannot_be_read_right_gets_the_reason(read_every):
    found = read_every("refused")
    assert found.keys() == REFUSED.keys()
    for name, (told, _) in found.items():
        assert REFUSED[name] in told.get("refused", str(told)), name


@pytest.mark.parametrize("name", ["contrary.nii.gz", "missing.zip", "lie.zip", "spy.ome.tif"])
def test_the_reason_reaches_the_user(files, send, name):
    with pytest.raises(AppError, match=re.escape(REFUSED[name])):
        send(files / "refused" / name)


def test_a_file_that_costs_too_much_ends_its_process_alone(files, send):
    with pytest.raises(AppError, match="takes too much memory to read, or is damaged"):
        send(files / "costly" / "deflated.dcm")
    assert send(files / "same" / "las.nii.gz")[0] == pytest.approx(ML)


SLOW = """
import os, sys
sys.path.insert(0, sys.argv[1])
os.environ["GRADIO_TEMP_DIR"] = sys.argv[2]
import bounds
bounds.LONGEST_S, bounds.TOO_SLOW = 0.1, "too slow"
import reading
try:
    reading.read_volume(sys.argv[3])
except reading.gr.Error as error:
    print(error.message)
"""


def test_a_file_that_takes_too_long_is_given_up(made, tmp_path):
    command = [made[1], "-c", SLOW, made[0], tmp_path, EXAMPLE]
    assert subprocess.check_output(command, text=True, timeout=60) == "too slow\n"


def test_without_a_volume_or_with_an_empty_window_there_is_a_message(made, app, files, send, show):
    with pytest.raises(AppError, match=r"^Please choose a file first\.$"):
        app[1].predict(None, "", api_name="/predict_volume")
    with running(*made) as (_, other):
        shown = other.predict(1, 1, 1, 0, 1, api_name="/show_slices")
        assert not any(isinstance(image, str) for image in shown)
    send(files / "same" / "las.nii.gz")
    for low, high in ((5, 5), (6, 5), (None, 5)):
        with pytest.raises(AppError, match="black has to be lower than that for white"):
            show((1, 1, 1), low, high)
