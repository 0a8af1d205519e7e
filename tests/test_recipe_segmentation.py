"""The starting point `segmentation`: no seams, no cell twice, masks that agree with the truth."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from conftest import ROOT
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect
from recipes_made import (
    environment,
    made_and_served,
    make_app,
    require_ready,
    running,
    smoke_passes,
)
from scipy.ndimage import label, uniform_filter
from workshop_blocks import apply_change

POINT = ROOT / "docs/starting_points/segmentation"
CELLS, TRUTH = (Image.open(POINT / f"data/{name}.png") for name in ("cells", "truth"))


def iou(found, truth):
    """Return the share of the pixels in either of two masks that both have."""
    return ((found > 0) & (truth > 0)).sum() / ((found > 0) | (truth > 0)).sum()


def matched(found, truth):
    """Return how many objects of the truth have an object that shares more than half with them."""
    pairs, common = np.unique(
        np.stack([found[truth > 0], truth[truth > 0]]), axis=1, return_counts=True
    )
    sizes, true_sizes = np.bincount(found.ravel()), np.bincount(truth.ravel())
    either = sizes[pairs[0]] + true_sizes[pairs[1]] - common
    return ((pairs[0] > 0) & (common / either > 0.5)).sum()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_app(tmp_path_factory.mktemp("segmentation"), source="segmentation")


@pytest.fixture
def parts(folder, monkeypatch):
    """The modules of an app made from it, imported here."""
    monkeypatch.syspath_prepend(str(folder))
    names = ("tiles", "unet", "prepare", "weights", "made_cells", "train_unet", "image", "pixels")
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    found = {name: __import__(name) for name in names}
    yield type("Parts", (), found)
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (90, 700), (480, 513), (929, 1345)])
def test_tiles_give_what_the_whole_image_gives(parts, height, width):
    """With a network that looks 32 pixels far and sees black beyond the edge of a tile."""
    pixels = np.random.default_rng(0).random((2, height, width), "float32")

    def predict(tile):
        return uniform_filter(tile[0] * tile[1], 65, mode="constant")

    found = parts.tiles.predict_in_tiles(predict, pixels)
    whole = parts.tiles.predict_in_tiles(predict, pixels, tile=512 + 3 * 416)
    assert found.shape == whole.shape == (height, width)
    np.testing.assert_allclose(found, whole, atol=1e-6)


@pytest.fixture
def predict(parts):
    """Return the predict() of main.py, with the network of the example."""
    model = parts.weights.load_model(parts.unet.UNet, POINT / "data/unet.pt")

    @torch.inference_mode()
    def predict(tile):
        return torch.sigmoid(model(torch.from_numpy(tile)[None]))[0, 0].numpy()

    return predict


@pytest.mark.slow
def test_the_network_of_the_example_has_no_seams_either(parts, predict):
    image, truth = parts.made_cells.draw_cells(1, 800, 1100, crowded=12)
    pixels = parts.prepare.prepare(image)
    whole = parts.tiles.predict_in_tiles(predict, pixels, tile=1344)
    tiled = parts.tiles.predict_in_tiles(predict, pixels)
    assert np.abs(whole - tiled).max() < 1e-4
    seams = [416 + place for place in (0, 48, 95)]
    assert (truth[:, seams] > 0).any(axis=0).all()  # there are cells across each
    assert label(tiled > 0.5)[1] == label(whole > 0.5)[1] == pytest.approx(truth.max(), rel=0.1)
    assert iou(tiled > 0.5, truth) > 0.85


@pytest.mark.slow
def test_the_noise_of_a_nearly_empty_image_is_not_counted(parts, predict):
    image, truth = parts.made_cells.draw_cells(1, 1500, 1500, crowded=0.02)
    found = parts.tiles.predict_in_tiles(predict, parts.prepare.prepare(image)) > 0.5
    sizes = np.bincount(label(found)[0].ravel())[1:]
    assert (sizes >= 30).sum() == truth.max() == 4  # 30 pixels: as on the page
    assert iou(found, truth) > 0.85


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda tile: 9 * tile[0] - 4, r"not numbers from -4 to 5\.$"),
        (lambda tile: np.nan * tile[0], r"not numbers from nan to nan\.$"),
        (lambda tile: tile, r"512 x 512, not 1 x 512 x 512\.$"),
        (lambda tile: tile[0, ::2, ::2], r"512 x 512, not 256 x 256\.$"),
    ],
)
def test_a_network_that_gives_no_probabilities_is_noticed_at_the_start(parts, predict, message):
    with pytest.raises(SystemExit, match=message) as ended:
        parts.tiles.try_network(lambda image: np.asarray(image)[None, ..., 0] / 254, predict)
    assert str(ended.value).startswith("predict() in main.py has to return a probability, 0 to 1")


made, app = made_and_served("segmentation")


@pytest.mark.recipes
def test_smoke_passes_and_compares_with_the_reference_predictions(made):
    smoke_passes(*made)


@pytest.fixture
def segment(app, tmp_path):
    """Return a function that sends an image or a file, and returns the result."""

    def send(image, threshold=0.5, smallest=30):
        if isinstance(image, Image.Image):
            image.save(tmp_path / "sent.png")
            image = tmp_path / "sent.png"
        upload = image and handle_file(str(image))
        found, drawing, table, files = app[1].predict(
            upload, threshold, smallest, api_name="/find_objects"
        )
        mask, sizes = (next(f for f in files if f.endswith(end)) for end in ("tif", "csv"))
        sizes = pd.read_csv(sizes)
        assert all(each.startswith("app ") for each in sizes.pop("version"))
        return found, drawing, table, tifffile.imread(mask), sizes

    return send


@pytest.mark.recipes
def test_a_click_on_the_example_finds_its_cells(app, page, screenshot):
    page.goto(app[0])
    page.locator("button.gallery-item").click()
    expect(page.locator(".image-frame img[src*='/file=']")).to_have_count(1)
    page.get_by_role("button", name="Submit").click()
    found = page.get_by_label("Found")
    expect(found).to_have_value(re.compile(r"^\d+ objects, median area \d+ pixels\."))
    count = int(found.input_value().partition(" ")[0])
    truth = np.asarray(TRUTH)
    assert count == pytest.approx(truth.max(), rel=0.1)
    screenshot(page, "segmentation")
    with page.expect_download() as download:
        page.locator("a[download='mask.tif']").click()
    mask = tifffile.imread(download.value.path())
    assert (mask.dtype, mask.shape, mask.max()) == ("uint16", truth.shape, count)
    assert iou(mask, truth) > 0.85
    assert matched(mask, truth) > 0.85 * truth.max()


@pytest.mark.recipes
def test_a_large_image_counts_each_cell_once_and_is_measured_right(made, segment):
    draw = "import sys; from made_cells import draw_cells\nimage, truth = "
    draw += "draw_cells(7, 900, 1300, 10); image.save(sys.argv[1]); truth.tofile(sys.argv[2])"
    files = [made[0] / name for name in ("large.png", "large.bin")]
    subprocess.run([made[1], "-c", draw, *files], cwd=made[0], check=True, timeout=60)
    truth = np.fromfile(files[1], "int32").reshape(900, 1300)
    found, drawing, table, mask, sizes = segment(files[0])
    assert mask.shape == truth.shape
    assert iou(mask, truth) > 0.85
    assert matched(mask, truth) > 0.85 * truth.max()
    assert len(sizes) == mask.max() == pytest.approx(truth.max(), rel=0.1)
    assert found.startswith(f"{len(sizes):,} objects, median area ")
    assert sizes["area"].tolist() == np.bincount(mask.ravel())[1:].tolist()
    assert table["data"] == sizes.round(1).to_numpy().tolist()
    assert {row["label"] for row in drawing["annotations"]} == {"whole", "at the edge"}
    assert len(segment(files[0], smallest=300)[4]) == (sizes["area"] >= 300).sum() < len(sizes)
    assert iou(segment(files[0], threshold=0.95)[3], truth) < iou(mask, truth)


@pytest.mark.recipes
def test_what_cannot_be_segmented_gets_a_message_and_an_empty_field_no_object(segment, tmp_path):
    with pytest.raises(AppError, match=r"^Please choose an image first\.$"):
        segment(None)
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((5, 64, 64), "uint16"))
    with pytest.raises(AppError, match="more than one plane or channel"):
        segment(tmp_path / "stack.tif")
    for threshold, smallest in ((0, 30), (1.5, 30), ("high", 30), (None, 30), (0.5, -1)):
        with pytest.raises((AppError, ValueError), match="must be"):
            segment(CELLS, threshold, smallest)
    noise = np.random.default_rng(0).normal(100, 20, (300, 400)).clip(0, 255)
    for empty in (np.zeros((70, 80)), np.full((1, 1), 255), noise):
        found, drawing, table, mask, sizes = segment(Image.fromarray(empty.astype("uint8")))
        assert found.startswith("No object has that many pixels.")
        assert (drawing["annotations"], table["data"], len(sizes)) == ([], [], 0)
        assert mask.shape == empty.shape
        assert not mask.any()


@pytest.mark.long
def test_the_lines_of_the_page_make_it_an_app_with_an_onnx_network(tmp_path):
    """Without PyTorch; and the network takes tiles of one size only."""
    folder = make_app(tmp_path, source="segmentation")
    page = (POINT / "README.md").read_text(encoding="utf-8")
    main = folder / "main.py"
    main.write_text(apply_change(main.read_text(), re.search(r"(?s)```diff\n(.*?)```", page)[1]))
    export = "import sys, torch; from unet import UNet; model = UNet().eval()\n"
    export += "model.load_state_dict(torch.load('data/unet.pt'))\n"
    export += (
        "network, tile = torch.nn.Sequential(model, torch.nn.Sigmoid()), torch.rand(1, 1, 512, "
    )
    export += "512)\ntorch.onnx.export(network, (tile,), 'data/model.onnx', external_data=False)"
    subprocess.run([sys.executable, "-c", export], cwd=folder, check=True, timeout=200)
    named = (folder / "requirements.txt").read_text().splitlines()
    named = [line for line in named if not line.startswith(("torch", "loky", "-c"))]
    more = (ROOT / "docs/starting_points/onnx_model/requirements.txt").read_text().splitlines()
    named += [line for line in more if line.startswith("onnxruntime")]
    (folder / "requirements.txt").write_text("\n".join(named))
    require_ready(folder)
    for name in ("unet.py", "train_unet.py", "weights.py", "cores.py", "data/unet.pt"):
        (folder / name).unlink()
    with running(folder, environment(folder)) as (_, client):
        upload = handle_file(str(POINT / "data/cells.png"))
        *_, files = client.predict(upload, 0.5, 30, api_name="/find_objects")
        mask = tifffile.imread(next(file for file in files if file.endswith("tif")))
    assert iou(mask, np.asarray(TRUTH)) > 0.85


@pytest.mark.training
def test_training_reaches_the_iou_of_the_page(tmp_path):
    folder = make_app(tmp_path, source="segmentation")
    shutil.rmtree(folder / "data")
    (folder / "data").mkdir()
    command = [sys.executable, folder / "train_unet.py"]
    ended = subprocess.run(command, check=True, timeout=1200, capture_output=True, text=True)
    page = (POINT / "README.md").read_text(encoding="utf-8")
    reached, said = (
        float(re.search(r"IoU\s(?:of\s)?(0\.\d+)", text)[1]) for text in (ended.stdout, page)
    )
    assert reached == pytest.approx(said, abs=0.02)
    for name in ("cells.png", "truth.png"):
        assert (folder / "data" / name).read_bytes() == (POINT / "data" / name).read_bytes()
    assert (folder / "data/unet.pt").stat().st_size < 500_000
