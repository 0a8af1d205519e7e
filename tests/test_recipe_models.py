"""What brings another model: the recipes efficientnet_lite0 and five_classes, and iris."""

import subprocess

import pytest
from conftest import ROOT
from gradio.media import get_image
from gradio_client import handle_file
from playwright.sync_api import expect
from recipes_made import environment, make_app, running

PHOTOS = ROOT / "resnet_image_classification" / "data"
OUTPUT = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


@pytest.fixture(scope="module")
def efficientnet(tmp_path_factory):
    """The folder of an app with EfficientNet-Lite0, and the Python of its own environment."""
    folder = make_app(tmp_path_factory.mktemp("efficientnet"), "efficientnet_lite0")
    assert not (folder / "download_model.py").exists()
    return folder, environment(folder)


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_after_two_changed_lines_a_lion_is_a_lion(efficientnet):
    with running(*efficientnet) as (_, client):
        for photo in ("lion", "cheetah"):
            prediction = client.predict(handle_file(get_image(f"{photo}.jpg")), api_name="/predict")
            assert prediction["label"] == photo


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_a_fine_tuned_network_of_five_classes_predicts_its_own(tmp_path, efficientnet):
    import torch
    from PIL import Image
    from torchvision.models import ResNet18_Weights, resnet18

    names = ["honungsbi på en blomma", "katt", "kaffe", "lejon", "gepard"]
    photos = [PHOTOS / f"{photo}.jpg" for photo in ("bee", "cat", "espresso")]
    photos += [get_image("lion.jpg"), get_image("cheetah.jpg")]
    prepare = ResNet18_Weights.IMAGENET1K_V1.transforms()
    torch.manual_seed(0)
    model = resnet18().eval()
    model.fc = torch.nn.Identity()
    with torch.inference_mode():  # its last layer finds the nearest of the photos
        features = model(
            torch.stack([prepare(Image.open(photo).convert("RGB")) for photo in photos])
        )
        weights = {"fc.weight": 2 * features, "fc.bias": -(features**2).sum(1)}

    folder = make_app(tmp_path, "five_classes")
    for name in ("download_model.py", "fine_tuned_resnet18.pth"):
        assert not (folder / name).exists()
    torch.save({**model.state_dict(), **weights}, folder / "data" / "fine_tuned_resnet18.pth")
    (folder / "data" / "labels.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    with running(folder, efficientnet[1]) as (_, client):
        for name, photo in zip(names, photos, strict=True):
            prediction = client.predict(handle_file(photo), api_name="/predict")
            assert prediction["label"] == name
            assert prediction["confidences"][0]["confidence"] > 0.99
            assert {row["label"] for row in prediction["confidences"]} == {*names}


@pytest.mark.recipes
@pytest.mark.timeout(600)
def test_a_model_of_scikit_learn_tells_three_flowers_apart_without_torch(tmp_path, page):
    parts = [f"{part} {size} (cm)" for part in ("Sepal", "Petal") for size in ("length", "width")]
    # Fisher's first flower of each species
    flowers = {"setosa": (5.1, 3.5, 1.4, 0.2), "versicolor": (7.0, 3.2, 4.7, 1.4)}
    flowers["virginica"] = (6.3, 3.3, 6.0, 2.5)
    folder = make_app(tmp_path, source="iris")
    python = environment(folder)
    packages = {path.name for path in (folder.parent / "venv").rglob("*.dist-info")}
    assert any(name.startswith("scikit_learn") for name in packages)
    assert not any(name.startswith("torch") for name in packages)
    ended = subprocess.run([python, folder / "main.py"], **OUTPUT, timeout=60)
    assert ended.stderr == "data/model.skops is missing. Make it with: python train_iris.py\n"
    subprocess.run([python, folder / "train_iris.py"], cwd="/", check=True, timeout=60)
    with running(folder, python) as (url, _):
        page.goto(url)
        for species, lengths in flowers.items():
            for part, length in zip(parts, lengths, strict=True):
                page.get_by_label(part).fill(str(length))
            page.get_by_role("button", name="Submit").click()
            expect(page.get_by_test_id("label-output-value")).to_have_text(species)
        page.get_by_label(parts[0]).fill("")
        page.get_by_role("button", name="Submit").click()
        toast = page.get_by_test_id("toast-body")
        expect(toast.filter(has_text="Please fill in all four lengths.")).to_be_visible()

    trap = tmp_path / "trap"
    hostile = (
        "import os, sys, skops.io\nclass Trap:\n"
        "    def __reduce__(self): return os.system, (f'touch {sys.argv[1]}',)\n"
        "skops.io.dump(Trap(), sys.argv[2])"
    )
    command = [python, "-c", hostile, trap, folder / "data" / "model.skops"]
    subprocess.run(command, check=True, timeout=60)
    ended = subprocess.run([python, folder / "main.py"], **OUTPUT, timeout=60)
    assert ended.returncode == 1
    assert "Untrusted types found" in ended.stdout + ended.stderr
    assert not trap.exists()
