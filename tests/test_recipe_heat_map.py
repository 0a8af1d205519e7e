"""The recipe heat_map: the map is on the thing that was named, also for several users."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from gradio.media import get_image
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect
from random_weights import make_checkpoint
from recipes_made import make_app, running, use_trained_network

pytestmark = pytest.mark.recipes
PLACES = {"top left": (0, 0), "top right": (1, 0), "bottom left": (0, 1), "bottom right": (1, 1)}
SIDE = 256


def save_in_corner(file, photo, place):
    """Write a photo in one corner of a grey square."""
    square = Image.new("RGB", (2 * SIDE, 2 * SIDE), (124, 116, 104))
    small = Image.open(get_image(f"{photo}.jpg")).convert("RGB").resize((SIDE, SIDE))
    column, row = PLACES[place]
    square.paste(small, (column * SIDE, row * SIDE))
    square.save(file, quality=95)
    return file


def ask(client, file):
    prediction = client.predict(handle_file(str(file)), api_name="/predict")
    drawn = client.predict(handle_file(str(file)), api_name="/draw_heat_map")
    return prediction, np.asarray(Image.open(drawn).convert("RGB"), "float32")


def heat_in(drawn):
    """Return how orange each quarter of a map is, from 0 to 1."""
    heat = (drawn[..., 0] - drawn[..., 2]) / (0.7 * 255)  # the image below is grey
    half = heat.shape[0] // 2
    return {
        place: heat[row * half :, column * half :][:half, :half].mean()
        for place, (column, row) in PLACES.items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_app(tmp_path_factory.mktemp("heat_map"), "heat_map")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, python_of_recipes):
    """The app with the trained network, whose layers have other names."""
    folder = make_app(tmp_path_factory.mktemp("trained"), "heat_map")
    use_trained_network(folder)
    with running(folder, python_of_recipes) as (url, client):
        yield url, client


def test_resnet18_gets_a_map_of_its_last_layer(folder, python_of_recipes):
    make_checkpoint(folder / "data" / "image_classification_resnet18.pth")
    with running(folder, python_of_recipes) as (_, client):
        prediction, drawn = ask(client, folder / "data" / "bee.jpg")
        assert len(prediction["confidences"]) == 5
        assert drawn.shape == (224, 224, 3)
        assert max(heat_in(drawn).values()) > 0.05
        with pytest.raises(AppError, match=r"^Please choose an image first\.$"):
            client.predict(None, api_name="/draw_heat_map")


LAYERS = """
import sys, heat_map, torch
from torchvision.models import resnet18, vgg11
for build in (resnet18, vgg11):
    print(heat_map.last_map(build(init_weights=False) if build is vgg11 else build(), BATCH))
flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 224 * 224, 2))
heat_map.last_map(flat, BATCH)
""".replace("BATCH", "torch.zeros(1, 3, 224, 224)")


def test_the_last_layer_with_places_is_found_or_the_start_ends(folder, python_of_recipes):
    command = [python_of_recipes, "-c", LAYERS]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ended.stdout.split() == ["layer4", "avgpool"]  # VGG's does nothing at this size
    assert ended.returncode == 1
    assert ended.stderr.startswith("heat_map finds no layer in `model`"), ended.stderr


def test_the_map_is_brightest_in_the_corner_where_the_animal_is(trained, tmp_path):
    for place in PLACES:
        prediction, drawn = ask(trained[1], save_in_corner(tmp_path / "a.jpg", "cheetah", place))
        assert prediction["label"] == "cheetah"
        heat = heat_in(drawn)
        others = [value for name, value in heat.items() if name != place]
        assert heat[place] > 2 * max(others), (place, heat)


def test_of_eight_users_at_once_each_gets_their_own_map(trained, tmp_path):
    files = [
        save_in_corner(tmp_path / f"{photo} {place}.jpg", photo, place)
        for photo in ("lion", "cheetah")
        for place in PLACES
    ]
    alone = [ask(trained[1], file) for file in files]
    with ThreadPoolExecutor(8) as users:
        together = list(users.map(lambda file: ask(trained[1], file), files * 2))
    for (prediction, drawn), (expected, right) in zip(together, alone * 2, strict=True):
        assert prediction["label"] == expected["label"]
        confidence = expected["confidences"][0]["confidence"]
        assert prediction["confidences"][0]["confidence"] == pytest.approx(confidence, abs=1e-4)
        assert abs(drawn - right).max() <= 2


def test_the_page_shows_the_map_beside_the_prediction(trained, page, screenshot, tmp_path):
    page.goto(trained[0])
    submit = page.get_by_role("button", name="Submit")
    expect(submit).to_be_enabled()
    shown = page.locator(".image-frame img[src*='/file=']")
    page.locator("input[type=file]").set_input_files(get_image("cheetah.jpg"))
    expect(shown).to_have_count(1)
    submit.click()
    expect(page.get_by_test_id("label-output-value")).to_have_text("cheetah")
    expect(shown).to_have_count(2)
    screenshot(page, "heat_map")
    page.get_by_role("button", name="Clear").first.click()
    expect(shown).to_have_count(0)
