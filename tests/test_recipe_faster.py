"""The recipe `faster`: OpenVINO gives the predictions of PyTorch, for many users at once.

What it changes is speed; the predictions stay. So they are compared with those of the network that
was really trained, prepared by hand.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from calls import classify
from PIL import Image
from playwright.sync_api import expect
from recipes_made import make_app, running, use_trained_network
from test_labels_and_preprocessing import PHOTOS, by_hand, trained_network  # noqa: F401
from torchvision.models import ResNet18_Weights

LABELS = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]


def check_predictions(client, network, tolerance):
    """Compare the five probabilities with the network's own, for several users at once."""
    right = {}
    for photo in PHOTOS:
        with torch.inference_mode():
            scores = network(by_hand(Image.open(photo).convert("RGB"))[None])[0]
        right[photo] = dict(zip(LABELS, scores.softmax(0).tolist(), strict=True))
    with ThreadPoolExecutor(8) as users:
        photos = [*PHOTOS] * 6
        for photo, found in zip(
            photos, users.map(lambda p: classify(client, p), photos), strict=True
        ):
            assert next(iter(found)) == PHOTOS[photo]
            for label, probability in found.items():
                assert probability == pytest.approx(right[photo][label], abs=tolerance), photo


def check_page(page, url):
    page.goto(url)
    expect(page.get_by_role("button", name="Submit")).to_be_enabled()
    page.locator("input[type=file]").set_input_files(next(iter(PHOTOS)))
    expect(page.locator(".image-frame img[src*='/file=']")).to_have_count(1)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_test_id("label-output-value")).to_have_text("cheetah")


@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [
        pytest.param("f32", 1e-3, marks=pytest.mark.recipes),
        pytest.param("bf16", 0.02, marks=pytest.mark.long),
    ],
)
def test_faster_predicts_as_the_network_does(
    tmp_path,
    python_of_recipes,
    trained_network,  # noqa: F811
    page,
    precision,
    tolerance,
):
    folder = make_app(tmp_path, "faster")
    use_trained_network(folder)
    file = folder / "faster.py"
    assert file.read_text().count('"f32"') == 1
    file.write_text(file.read_text().replace('"f32"', f'"{precision}"'))
    with running(folder, python_of_recipes) as (url, client):
        check_predictions(client, trained_network, tolerance)
        check_page(page, url)
