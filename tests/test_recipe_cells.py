"""The starting point `cells`: objects are counted, and what cannot be read is refused."""

import subprocess

import numpy as np
import pandas as pd
import pytest
import tifffile
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect
from recipes_made import made_and_served

pytestmark = pytest.mark.recipes
SQUARES = [(20, 30, 10), (60, 40, 20), (30, 90, 30), (100, 0, 16)]  # row, column, side; one cut off
CORNERS = 4  # pixels that the median filter takes from a square


def squares(bright, dark):
    """Return an array of 160 x 140 with four squares."""
    pixels = np.full((160, 140), dark)
    for row, column, side in SQUARES:
        pixels[row : row + side, column : column + side] = bright
    return pixels


made, app = made_and_served("cells")


@pytest.fixture
def count(app, tmp_path):
    """Return a function that sends an image, an array or a file, and returns the result."""

    def send(image, smallest=50, widest=None, dark=False):
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        if isinstance(image, Image.Image):
            image.save(tmp_path / "sent.png")
            image = tmp_path / "sent.png"
        upload = image and handle_file(str(image))
        found, drawing, table, files = app[1].predict(
            upload, smallest, widest, dark, api_name="/count_cells"
        )
        mask, sizes = (next(f for f in files if f.endswith(end)) for end in ("png", "csv"))
        sizes = pd.read_csv(sizes)
        assert all(each.startswith("app ") for each in sizes.pop("version"))
        return found, drawing, table, Image.open(mask), sizes

    return send


def test_a_click_on_the_example_shows_24_coins(app, page, screenshot):
    page.goto(app[0])
    page.locator("button.gallery-item").click()
    expect(page.locator(".image-frame img[src*='/file=']")).to_have_count(1)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("Found")).to_have_value("24 objects, median area 1,448 pixels.")
    screenshot(page, "cells")
    with page.expect_download() as download:
        page.locator("a[download='mask.png']").click()
    assert Image.open(download.value.path()).mode == "I;16"


def test_objects_are_counted_and_measured(count):
    found, drawing, table, mask, sizes = count(squares(200, 40).astype("uint8"))
    assert found.splitlines() == [
        "4 objects, median area 325 pixels.",
        "At the edge of the image: 1; they may be cut off.",
    ]
    assert {row["label"]: 1 for row in drawing["annotations"]} == {"whole": 1, "at the edge": 1}
    assert table["data"] == sizes.round(1).to_numpy().tolist()
    assert len(sizes) == len(SQUARES)
    labels = np.asarray(mask)
    assert (mask.mode, labels.shape) == ("I;16", (160, 140))
    for row, column, side in SQUARES:
        middle = row + (side - 1) / 2, column + (side - 1) / 2
        number = labels[int(middle[0]), int(middle[1])]
        [[_, area, y, x, edge]] = sizes[sizes["object"] == number].to_numpy().tolist()
        assert side**2 - CORNERS <= area < side**2
        assert area == (labels == number).sum()
        assert (y, x) == pytest.approx(middle, abs=0.5)
        assert edge == ("yes" if column == 0 else "no")


def test_light_that_changes_across_the_image_can_be_corrected(count):
    pixels = (squares(60, 0) + np.linspace(0, 190, 140)).astype("uint8")
    assert not count(pixels)[0].startswith("4 objects")
    for widest in (32, 40.5):
        assert count(pixels, widest=widest)[0].startswith("4 objects")


def test_the_form_of_the_file_does_not_matter(count, tmp_path):
    grey = squares(200, 40).astype("uint8")
    expected = np.asarray(count(grey)[3])
    deep = Image.fromarray(grey.astype("uint16") * 256)
    green = Image.merge(
        "RGB", [Image.new("L", (140, 160)), Image.fromarray(grey)] + [Image.new("L", (140, 160))]
    )
    clear = Image.fromarray(grey).convert("RGBA")
    for name, image, how in (
        ("deep.png", deep, {}),
        ("deep.tif", deep, {}),
        ("green.png", green, {}),
        ("rgba.png", clear, {}),
        ("palette.gif", Image.fromarray(grey), {}),
    ):
        image.save(tmp_path / name, **how)
        assert (np.asarray(count(tmp_path / name)[3]) == expected).all(), name
    assert (np.asarray(count(255 - grey, dark=True)[3]) == expected).all()


def test_what_cannot_be_counted_right_gets_a_message_and_the_app_goes_on(app, count, tmp_path):
    with pytest.raises(AppError, match=r"^Please choose an image first\.$"):
        count(None)
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((5, 64, 64), "uint16"))
    with pytest.raises(AppError, match="more than one plane or channel"):
        count(tmp_path / "stack.tif")
    for value in (0, 100, 255):
        with pytest.raises(AppError, match="have the same value: there is nothing to find"):
            count(np.full((50, 60), value, "uint8"))
    with pytest.raises(AppError, match="same value"):
        count(np.zeros((1, 1), "uint8"))
    for smallest, widest in (("many", 0), (-1, 0), (50, 10**6)):
        with pytest.raises((AppError, ValueError), match="must be"):
            count(squares(200, 40).astype("uint8"), smallest, widest)
    assert count(squares(200, 40).astype("uint8"))[0].startswith("4 objects")


def test_none_thousands_and_far_too_many(count):
    found, drawing, table, mask, sizes = count(squares(200, 40).astype("uint8"), smallest=5000)
    assert found.startswith("No object has that many pixels.")
    assert (drawing["annotations"], table["data"], len(sizes)) == ([], [], 0)
    assert not np.asarray(mask).any()

    tile = np.zeros((12, 12), "uint8")
    tile[3:8, 3:8] = 255
    found, _, table, mask, sizes = count(np.tile(tile, (100, 100)), smallest=10)
    assert found.splitlines()[0].startswith("10,000 objects")
    assert "The table shows the first 1,000; sizes.csv has all." in found
    assert "The drawing shows one pixel in 2 each way" in found
    assert (len(table["data"]), len(sizes), np.asarray(mask).max()) == (1000, 10_000, 10_000)

    with pytest.raises(AppError, match="more than 65,535 objects"):
        count(np.tile(tile, (270, 270)), smallest=10)
    assert count(np.tile(tile, (20, 20)), smallest=None)[0].startswith("400 objects")


def test_the_example_needs_no_download(made):
    """pooch, by which scikit-image fetches images, is not there; the app does without."""
    ended = subprocess.run([made[1], "-c", "import pooch"], capture_output=True, text=True)
    assert "No module named 'pooch'" in ended.stderr
