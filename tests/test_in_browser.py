"""The apps as users see them: a real browser opens the page, types, uploads, clicks and reads.

The `page` of conftest.py also sees to it that no page asks another computer for anything and that
none logs an error.
"""

import hashlib
import io
import re

import pytest
import sample_images
import tifffile
from apps import find_app
from gradio.media import get_image
from PIL import Image
from playwright.sync_api import expect


@pytest.fixture
def open_app(page, serve):
    """Return a function that opens an app's page and waits until it can be used."""

    def open_page(app):
        page.goto(serve(app).url)
        expect(page.get_by_role("button", name="Submit")).to_be_enabled()
        return page

    return open_page


def submit(page):
    page.get_by_role("button", name="Submit").click()


def output(page, number=0):
    return page.get_by_label(f"output {number}")


def shown_images(page):
    """The images that the app's server has sent, as opposed to icons."""
    return page.locator(".image-frame img[src*='/file=']")


def message(page, text):
    return page.get_by_test_id("toast-body").filter(has_text=text)


def test_type_a_name_and_read_the_greeting_or_what_to_do(open_app):
    page = open_app(find_app("hello"))
    submit(page)
    expect(message(page, "Please type a name first.")).to_be_visible()
    page.get_by_label("name").fill("Ada")
    submit(page)
    expect(page.get_by_label("output")).to_have_value("Hello Ada!")


@pytest.mark.slow
def test_a_click_on_an_example_fills_the_form(open_app):
    page = open_app(find_app("examples"))
    page.get_by_text("Rosalind").click()
    expect(page.get_by_label("name")).to_have_value("Rosalind")
    expect(page.get_by_label("is_morning")).to_be_checked()
    submit(page)
    expect(output(page, 0)).to_have_value("Good morning Rosalind. It is 55 degrees today")
    expect(output(page, 1)).to_have_value("12.78")


@pytest.mark.slow
def test_the_progress_bar_moves(open_app):
    page = open_app(find_app("progress"))
    page.get_by_label("name").fill("Ada")
    submit(page)
    seen = set()
    while page.get_by_label("output").input_value() != "Hello Ada!":
        texts = page.locator(".progress-level, .progress-text").all_inner_texts()
        text = " ".join(texts)
        if match := re.search(r"(\d+)/20 steps.*Greeting - (\d+)\.0%", text, re.DOTALL):
            seen.add(tuple(map(int, match.groups())))
        page.wait_for_timeout(50)
    assert len(seen) >= 5
    assert all(percent == steps * 5 for steps, percent in seen)


@pytest.mark.slow
def test_title_description_reference_and_theme(open_app):
    page = open_app(find_app("themed"))
    expect(page.get_by_role("heading", name="A friendly greeter")).to_be_visible()
    expect(page.get_by_text("Type your name and press Submit.")).to_be_visible()
    expect(page.get_by_role("link", name="DOI")).to_be_visible()
    themed = page.get_by_role("button", name="Submit").evaluate(
        "e => getComputedStyle(e).background"
    )
    page = open_app(find_app("hello"))
    plain = page.get_by_role("button", name="Submit").evaluate(
        "e => getComputedStyle(e).background"
    )
    assert themed != plain


# the colour of the pixel at (5, 5) of an image in the page, as [red, green, blue, alpha]
PIXEL = """image => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 9;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return [...context.getImageData(5, 5, 1, 1).data];
}"""


@pytest.mark.slow
def test_upload_an_image_and_see_it_in_sepia(open_app, tmp_path):
    page = open_app(find_app("sepia"))
    sample_images.drawing(400, 300).save(tmp_path / "drawing.png")
    page.locator("input[type=file]").set_input_files(tmp_path / "drawing.png")
    expect(shown_images(page)).to_have_count(1)
    submit(page)
    expect(shown_images(page)).to_have_count(2)
    result = shown_images(page).last
    size = result.evaluate("e => e.decode().then(() => [e.naturalWidth, e.naturalHeight])")
    assert size == [400, 300]
    red, green, blue, _ = result.evaluate(PIXEL)
    assert red > green > blue


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sepia", "resnet"])
def test_no_image_or_a_file_that_is_none_shows_what_to_do(open_app, classifier, tmp_path, name):
    page = open_app(find_app(name) if name == "sepia" else classifier(name))
    submit(page)
    expect(message(page, "Please choose an image first.")).to_be_visible()
    file = sample_images.save_bad_ones(tmp_path)["text.png"]
    page.locator("input[type=file]").set_input_files(file)
    expect(shown_images(page)).to_have_count(1)
    submit(page)
    expect(message(page, "This file cannot be read as an image.")).to_be_visible()


@pytest.mark.slow
def test_a_click_on_an_example_and_submit_gives_a_label_and_clear_empties_all(open_app, classifier):
    page = open_app(classifier("resnet"))
    expect(page.locator("button.gallery-item")).to_have_count(3)
    page.locator("button.gallery-item").first.click()
    expect(shown_images(page)).to_have_count(1)
    submit(page)
    label = page.get_by_test_id("label-output-value")
    expect(label).to_be_visible()
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(shown_images(page)).to_have_count(0)
    expect(label).to_have_count(0)


@pytest.mark.slow
def test_upload_a_photo_and_read_five_labels(open_app, classifier):
    page = open_app(classifier("resnet"))
    page.locator("input[type=file]").set_input_files(get_image("lion.jpg"))
    expect(shown_images(page)).to_have_count(1)
    submit(page)
    label = page.get_by_test_id("label-output-value")
    expect(label).to_be_visible()
    rows = page.locator("[data-testid$=-confidence-set], .confidence-set")
    expect(rows).to_have_count(5)
    assert all(re.search(r"\d+%", text) for text in rows.all_inner_texts())


@pytest.mark.slow
def test_what_the_browser_cannot_show_is_shown_as_it_is_read(open_app, classifier, tmp_path):
    """A TIFF of 12 bits comes out as bright as the model gets it; a photo stays the upload."""
    page = open_app(classifier("resnet"))
    tifffile.imwrite(tmp_path / "camera.tif", sample_images.grey_ramp(4095).astype("uint16"))
    sample_images.drawing().save(tmp_path / "photo.jpg")
    for name, shown in (("photo.jpg", "photo.jpg"), ("camera.tif", "image.png")):
        page.locator("input[type=file]").first.set_input_files(tmp_path / name)
        image = shown_images(page).first
        expect(image).to_have_attribute("src", re.compile(rf"/{re.escape(shown)}$"))
        expect(image).to_have_js_property("naturalWidth", sample_images.WIDTH)
        if shown == "image.png":
            seen = Image.open(io.BytesIO(page.request.get(image.get_attribute("src")).body()))
            assert seen.convert("L").getextrema() == (0, 255)
        submit(page)
        expect(page.locator("[data-testid$=-confidence-set], .confidence-set")).to_have_count(5)
        page.get_by_role("button", name="Clear").click()
        expect(shown_images(page)).to_have_count(0)
    # what cannot be read is told at once
    (tmp_path / "b.tif").write_bytes(b"II*\0" + bytes(100))
    page.locator("input[type=file]").first.set_input_files(tmp_path / "b.tif")
    expect(message(page, "cannot be read as an image")).to_be_visible()


@pytest.mark.slow
def test_the_foot_of_the_page_and_the_api_name_the_app_and_its_weights(open_app, classifier):
    app = classifier("resnet")
    page = open_app(app)
    weights = app.folder / "data" / "image_classification_resnet18.pth"
    model = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    foot = page.locator("#version")
    expect(foot).to_contain_text("app ")
    version = foot.inner_text().strip()
    assert re.fullmatch(f"app [0-9a-f]{{8}}, model {model}", version)
    box = foot.bounding_box()
    assert box["y"] > page.get_by_role("button", name="Submit").bounding_box()["y"]
    info = page.request.get(f"{page.url}gradio_api/info").json()["named_endpoints"]["/predict"]
    assert info["description"].endswith(f" Version: {version}.")
    assert "the five most likely {label" in info["description"]
