"""What brings another model: the recipes efficientnet_lite0 and five_classes."""

import pytest
from conftest import ROOT
from gradio.media import get_image
from gradio_client import handle_file
from recipes_made import environment, make_app, running

pytestmark = pytest.mark.recipes
PHOTOS = ROOT / "resnet_image_classification" / "data"


@pytest.fixture(scope="module")
def efficientnet(tmp_path_factory):
    """The folder of an app with EfficientNet-Lite0, and the Python of its own environment."""
    folder = make_app(tmp_path_factory.mktemp("efficientnet"), "efficientnet_lite0")
    assert not (folder / "download_model.py").exists()
    return folder, environment(folder)


def test_after_two_changed_lines_a_lion_is_a_lion(efficientnet):
    with running(*efficientnet) as (_, client):
        for photo in ("lion", "cheetah"):
            prediction = client.predict(handle_file(get_image(f"{photo}.jpg")), api_name="/predict")
            assert prediction["label"] == photo


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
