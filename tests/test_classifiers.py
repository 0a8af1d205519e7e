"""The classifiers, each through its real server, with real checkpoints of random numbers."""

import contextlib
import io
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
import sample_images
import torch
from apps import find_app
from calls import ask, classify, send, upload
from conftest import ROOT, import_app, import_file, run_main, wait_for
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from random_weights import flower_vgg19
from server import free_port
from torch import nn
from torchvision.datasets import Flowers102
from torchvision.models import ResNet18_Weights, resnet18, vgg11

IMAGENET = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
LABELS = {"flower": Flowers102.classes, "resnet": IMAGENET, "vgg11": IMAGENET}
WEIGHTS = {
    "flower": "flower_model_vgg19.pth",
    "resnet": "image_classification_resnet18.pth",
    "vgg11": "image_classification_vgg11.pth",
}


@pytest.fixture
def app(classifier, request):
    """resnet, with which the other two have all but "Your model" in common, or the one named."""
    return classifier(getattr(request, "param", "resnet"))


@pytest.fixture
def served(serve, app):
    return serve(app)


@pytest.fixture
def client(served, tmp_path):
    client = Client(served.url, verbose=False, download_files=tmp_path)
    yield client
    client.close()


@pytest.fixture(scope="module")
def good_images(tmp_path_factory):
    return sample_images.save_all(tmp_path_factory.mktemp("images"))


def reference(app, file):
    """Return what torchvision's own loading and preprocessing make of an RGB image."""
    name = app.names[0]
    checkpoint = torch.load(app.folder / "data" / WEIGHTS[name], weights_only=False)
    if name == "flower":
        model = checkpoint
    else:
        model = {"resnet": resnet18, "vgg11": vgg11}[name]()
        model.load_state_dict(checkpoint)
    batch = ResNet18_Weights.IMAGENET1K_V1.transforms()(Image.open(file).convert("RGB"))[None]
    with torch.inference_mode():
        probabilities = model.eval()(batch)[0].softmax(0)
    top = probabilities.topk(5)
    return {LABELS[name][i]: p for p, i in zip(*map(torch.Tensor.tolist, top), strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "app", ["resnet", "flower", pytest.param("vgg11", marks=pytest.mark.long)], indirect=True
)
def test_the_five_most_likely_labels_with_their_probabilities(app, client, good_images):
    prediction = classify(client, good_images["rgb.png"])
    assert prediction == pytest.approx(reference(app, good_images["rgb.png"]), rel=1e-3)
    assert list(prediction.values()) == sorted(prediction.values(), reverse=True)
    assert len(prediction) == 5


def test_no_other_file_is_opened_that_a_tiff_names(classifier, tmp_path, capfd):
    """An OME-TIFF can name further files that belong to it: here, one that nobody uploaded."""
    asked, other = sample_images.save_one_that_names_another(tmp_path)
    module, opened = import_app(classifier("resnet")), []
    pixels = import_file(classifier("resnet").folder / "pixels.py")  # what reads it, in a process
    sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
    with contextlib.suppress(pixels.Refused):
        pixels.read(asked)
    assert str(asked) in opened
    assert str(other) not in opened
    capfd.readouterr()
    with contextlib.suppress(module.gr.Error):
        module.predict({"path": str(asked)})
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_the_api_stays_as_programs_know_it(served, client, good_images):
    """The name, the parameter and the form of the result: others' programs rely on them."""
    (name, endpoint), *others = client.view_api(print_info=False, return_format="dict")[
        "named_endpoints"
    ].items()
    assert (name, others) == ("/predict", [])
    assert [p["parameter_name"] for p in endpoint["parameters"]] == ["image"]
    prediction = client.predict(image=handle_file(str(good_images["rgb.png"])), api_name="/predict")
    assert set(prediction) == {"label", "confidences"}
    assert prediction["label"] == prediction["confidences"][0]["label"]
    for row in prediction["confidences"]:
        assert set(row) == {"label", "confidence"}
        assert isinstance(row["label"], str)
        assert 0 <= row["confidence"] <= 1


@pytest.mark.slow
def test_a_small_file_of_many_megapixels_gets_a_message(client, tmp_path):
    for name, side in (("a.png", 7200), ("b.png", 14000)):
        Image.new("1", (side, side)).save(tmp_path / name)
        with pytest.raises(AppError, match="over 50 megapixels"):
            classify(client, tmp_path / name)


@pytest.mark.slow
def test_a_file_over_20_mb_is_refused(served):
    response = send(served.url, b"x" * 20_200_000)
    assert (response.status_code, "Send up to 20 MB" in response.text) == (413, True)


@pytest.mark.long
def test_uploads_go_after_a_while_and_examples_stay(app, tmp_path):
    """The app as it is, but for the clock: every second what is older than ten."""
    copy = tmp_path / "app"
    shutil.copytree(app.folder, copy)
    text = (copy / "guard.py").read_text(encoding="utf-8")
    assert "SWEEP_S, KEEP_S = 10, 1800" in text
    fast = text.replace("SWEEP_S, KEEP_S = 10, 1800", "SWEEP_S, KEEP_S = 1, 10")
    (copy / "guard.py").write_text(fast, encoding="utf-8")
    with run_main(copy / "main.py", GRADIO_TEMP_DIR=tmp_path / "t") as server:
        url = server.wait().url
        client = Client(url, verbose=False, download_files=tmp_path)
        file = upload(url, b"somebody's image")["path"]
        wait_for(lambda: not Path(file).exists(), 40)
        config = requests.get(url + "config", timeout=10).json()
        dataset = next(c for c in config["components"] if c["type"] == "dataset")
        for row in dataset["props"]["samples"]:
            assert requests.get(f"{url}gradio_api/file={row[0]['path']}", timeout=10).ok
        assert len(classify(client, next((copy / "data").glob("*.jpg")))) == 5
        client.close()


@pytest.mark.slow
def test_examples_in_any_ending_are_on_the_page(app, tmp_path):
    copy = shutil.copytree(app.folder, tmp_path / "app")
    for file in (copy / "data").glob("*.jpg"):
        file.unlink()
    shown = ["a.JPG", "b.jpg", "c.Jpeg", "d.jpeg", "e.png", "f.PNG"]
    for name in (*shown, "._b.jpg", ".png", "notes.json", "readme.pdf"):
        Image.new("RGB", (9, 9)).save(copy / "data" / name, "PNG")
    config = import_app(app._replace(file=copy / "main.py")).demo.get_config_file()
    (dataset,) = (c for c in config["components"] if c["type"] == "dataset")
    assert [Path(row[0]["path"]).name for row in dataset["props"]["samples"]] == shown


@pytest.mark.slow
def test_images_of_four_users_are_read_at_the_same_time(app, tmp_path):
    """Each reading waits for three others: with fewer at a time, all would wait in vain."""
    copy = shutil.copytree(app.folder, tmp_path / "app")
    main, line = copy / "main.py", "    pixels = read_image("
    text = main.read_text(encoding="utf-8")
    assert text.count(line) == 1
    text = text.replace(line, f"    together.wait()\n{line}")
    barrier = "import threading\n\ntogether = threading.Barrier(4, timeout=60)\n"
    text = text.replace("\n@share_cores", f"\n{barrier}\n@share_cores")
    main.write_text(text, encoding="utf-8")
    photo = next((copy / "data").glob("*.jpg")).read_bytes()
    with run_main(main, GRADIO_TEMP_DIR=tmp_path / "uploads") as server:
        url = server.wait().url
        images = [upload(url, photo) for _ in range(4)]
        with ThreadPoolExecutor(4) as users:
            assert all(users.map(lambda image: ask(url, "predict", image), images))


@pytest.mark.slow
def test_a_large_photo_is_decoded_at_a_smaller_size(tmp_path):
    """Which takes half the time; the model looks at fewer pixels anyway."""
    read_image = import_file(ROOT / "example_apps" / "image.py").read_image
    Image.linear_gradient("L").resize((4000, 3000)).save(tmp_path / "photo.jpg")
    whole, smaller = (
        read_image({"path": tmp_path / "photo.jpg"}, enough) for enough in (None, 1024)
    )
    assert (whole.size, smaller.size) == ((4000, 3000), (2000, 1500))
    difference = np.asarray(whole.resize(smaller.size), float) - np.asarray(smaller, float)
    assert np.abs(difference).mean() < 2


def copy_without_weights(name, place):
    """Copy an app's folder, and return the copy."""
    ignore = shutil.ignore_patterns("*.pth")
    return shutil.copytree(find_app(name).folder, place / "app", ignore=ignore)


class RunsACommand:
    """A pickle that runs a command when it is loaded carelessly."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


# the three files differ in their models alone: vgg11 loads as resnet does, flower in its own way
LOADERS = {  # what main.py passes to load_model
    "resnet": lambda module, file: (module.resnet18, file),
    "flower": lambda module, file: (module.build, file, module.LAYERS),
}


@pytest.mark.slow
def test_missing_weights_are_named_with_the_command_that_fetches_them(tmp_path):
    """What else may be wrong with a file is in test_bring_your_model.py."""
    copy = copy_without_weights("resnet", tmp_path)
    environment = {**os.environ, "PORT": str(free_port())}
    command = [sys.executable, copy / "main.py"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    lines = ended.stderr.strip().splitlines()
    assert ended.returncode == 1
    assert len(lines) == 2
    assert f"{WEIGHTS['resnet']} is missing" in lines[0]
    assert "download_model.py" in lines[1]


def hostile_files(trap):
    """Return files of weights that would run a command, each under the name of a form."""

    def saved(content, **options):
        file = io.BytesIO()
        torch.save(content, file, **options)
        return file.getvalue()

    command, module = RunsACommand(f"touch {trap}"), nn.Linear(1, 1)
    module.more = command
    return {
        "a bare pickle": pickle.dumps(command),
        "deep in a state_dict": saved({"a": [{"b": (command,)}]}),
        "torch's older format": saved(command, _use_new_zipfile_serialization=False),
        "in a whole model": saved(module),
        "in DataParallel": saved(nn.DataParallel(module)),
        "in DataParallel, older": saved(
            nn.DataParallel(module), _use_new_zipfile_serialization=False
        ),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", LOADERS)
def test_no_form_of_file_runs_code(classifier, tmp_path, name):
    """Each would run a command if it were loaded without care: that is tried first."""
    module, trap = import_app(classifier(name)), tmp_path / "trap"
    for form, content in hostile_files(trap).items():
        (tmp_path / "weights.pth").write_bytes(content)
        with contextlib.suppress(Exception):
            if form == "a bare pickle":
                pickle.loads(content)
            else:
                torch.load(tmp_path / "weights.pth", weights_only=False)
        assert trap.exists(), form
        trap.unlink()
        with pytest.raises(SystemExit, match="may run code"):
            module.load_model(*LOADERS[name](module, tmp_path / "weights.pth"))
        assert not trap.exists(), form


@pytest.mark.parametrize(
    ("name", "form"),
    [("resnet", "older format"), ("flower", "whole model"), ("flower", "whole DataParallel")],
)
@pytest.mark.long
def test_weights_load_in_each_form_in_which_they_were_published(tmp_path, name, form):
    copy = copy_without_weights(name, tmp_path)
    model = flower_vgg19() if name == "flower" else resnet18()
    content = {"whole model": model, "whole DataParallel": nn.DataParallel(model)}.get(form)
    if form == "older format":  # torchvision's first file has that, and fewer entries
        content = {k: v for k, v in model.state_dict().items() if "num_batches" not in k}
    file = copy / "data" / WEIGHTS[name]
    torch.save(content, file, _use_new_zipfile_serialization=form != "older format")
    program = "import main, pathlib; file = next(pathlib.Path('data').glob('*.jpg')); "
    program += "print(len(main.predict({'path': str(file)})))"
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=120)
    assert ended.stdout.strip() == "5", ended.stderr
