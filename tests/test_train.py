"""Training: a real VGG19 learns five kinds of flowers, and the app then tells them apart.

The data set is artificial, and in the form of the real one. What takes no training is tested by
`make test`, the rest by `make test-train`.
"""

import csv
import importlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import reference_predictions
import torch
from apps import App, find_app
from conftest import ROOT, import_file, mounted
from container.context import files_in_image, read
from flowers_made import KINDS, SPLITS, draw_petal, make_data_set, make_start
from gradio_client import Client
from PIL import Image
from playwright.sync_api import expect
from recipes_made import make_app
from smoke import start_app
from test_in_browser import shown_images, submit
from torchvision.datasets import Flowers102

FLOWER = find_app("flower").folder
NAMES = [name for _, name in KINDS]
NO_NETWORK = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
training = pytest.mark.training


def make_examples(folder):
    """Give an app example images of the kinds that it learns; return {name: file}."""
    for file in [*folder.glob("*.jpg"), folder / "expected.json"]:
        file.unlink(missing_ok=True)
    chance, images = random.Random(7), {}
    for (_, name), colour in KINDS.items():
        images[name] = folder / f"{name.replace(' ', '-')}.jpg"
        draw_petal(colour, chance).save(images[name])
    return images


@pytest.fixture
def app(tmp_path):
    """A copy of the app's folder, to train in."""
    folder = tmp_path / "flower_classification"
    shutil.copytree(FLOWER, folder, ignore=shutil.ignore_patterns("*.pth", "training"))
    make_examples(folder / "data")
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return make_start(tmp_path_factory.mktemp("start"))


def command(app, data, start, *options, md5=None):
    line = [sys.executable, str(app / "train_model.py"), "--data", str(data), "--device", "cpu"]
    line += ["--start", str(start), *options, *(["--md5", *md5] if md5 else [])]
    return line


def run(line, works=False, **options):
    """Run the training program; return what it prints. Nobody sees a traceback."""
    options = {"capture_output": True, "text": True, "timeout": 3000} | options
    options["env"] = {**os.environ, **options.pop("env", NO_NETWORK)}
    ended = subprocess.run(line, **options)
    assert (ended.returncode == 0) == works, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout if works else ended.stderr


# --- what takes no training ----------------------------------------------------------------------


@pytest.fixture
def training_data(monkeypatch):
    """The module beside train_model.py, and no network: the proxy does not respond."""
    monkeypatch.syspath_prepend(FLOWER)
    for name, address in NO_NETWORK.items():
        monkeypatch.setenv(name, address)
    return importlib.import_module("training_data")


@pytest.fixture
def training_set(training_data):
    return importlib.import_module("training_set")


def test_the_digests_are_those_of_torchvision_and_the_splits_too(
    training_set, tmp_path, monkeypatch
):
    digests = {name: md5 for name, md5 in Flowers102._file_dict.values()}
    assert digests == training_set.FILES
    own = make_data_set(tmp_path)
    labels, samples = training_set.find_images(tmp_path, own)
    assert labels == Flowers102.classes
    files = dict(zip(("image", "label", "setid"), zip(digests, own, strict=True), strict=True))
    monkeypatch.setattr(Flowers102, "_file_dict", files)
    for split, count in zip(("train", "val", "test"), SPLITS.values(), strict=True):
        theirs = Flowers102(tmp_path, split)
        assert len(samples[split]) == len(theirs) == count * len(KINDS)
        for (file, label), (image, number) in zip(samples[split], theirs, strict=True):
            assert label == number
            assert Image.open(file).getpixel((9, 9)) == image.getpixel((9, 9))


@pytest.fixture
def own_images(monkeypatch):
    """The training_set.py of the recipe own_images."""
    folder = ROOT / "docs" / "recipes" / "own_images" / "files"
    monkeypatch.syspath_prepend(ROOT / "scripts" / "shared")
    return import_file(folder / "training_set.py")


def make_folders(place):
    """Make folders of images for two labels, as people have them; return that of train."""
    for split in ("train", "val", "test"):
        for label in ("healthy", "rust"):
            (place / split / label / "plant 1").mkdir(parents=True)
            for name in ("0.jpg", "1.JPEG", "plant 1/2.png"):
                (place / split / label / name).touch()
    return place / "train"


def test_what_programs_leave_in_folders_is_no_label_and_no_image(own_images, tmp_path, capsys):
    train = make_folders(tmp_path)
    clean = own_images.find_images(tmp_path)
    assert clean[0] == ["healthy", "rust"]
    names = [str(Path(file).relative_to(train / "rust")) for file, n in clean[1]["train"] if n]
    assert names == ["0.jpg", "1.JPEG", "plant 1/2.png"]
    for left in (
        "train/.ipynb_checkpoints/0-checkpoint.jpg",
        "train/rust/.ipynb_checkpoints/0-checkpoint.jpg",
        "train/__MACOSX/rust/._0.jpg",
        "train/rust/@eaDir/0.jpg/SYNOPHOTO_THUMB_S.jpg",
        "train/rust/._0.jpg",
        "train/rust/Thumbs.db",
        "val/.DS_Store",
        "test/$RECYCLE.BIN/0.jpg",
    ):
        (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / left).touch()
    assert own_images.find_images(tmp_path) == clean
    assert capsys.readouterr().out == ""


def test_folders_without_images_and_files_that_are_none_are_named(own_images, tmp_path, capsys):
    train = make_folders(tmp_path)
    (train / "rust" / "notes.txt").touch()
    own_images.find_images(tmp_path)
    said = f"Left out in {train}, by their names: 1 files, such as {train / 'rust' / 'notes.txt'}\n"
    assert capsys.readouterr().out == said
    (train / "mildew").mkdir()
    for split in ("val", "test"):
        (tmp_path / split / "mildew").mkdir()
    (train / "mildew" / "._0.jpg").touch()
    with pytest.raises(SystemExit, match=r"There is no image in .*mildew"):
        own_images.find_images(tmp_path)
    (tmp_path / "val" / "rust").rename(tmp_path / "val" / "ruts")
    with pytest.raises(SystemExit, match="val must have the same folders as train: healthy, mil"):
        own_images.find_images(tmp_path)
    with pytest.raises(SystemExit, match="none/train must have a folder of images for every label"):
        own_images.find_images(tmp_path / "none")


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


def test_wrong_files_get_a_message(training_data, training_set, tmp_path):
    def said(md5, data=tmp_path):
        with pytest.raises(SystemExit) as stop:
            training_set.find_images(data, md5)
        return str(stop.value)

    md5, files = make_data_set(tmp_path), tmp_path / "flowers-102"
    another = f"{files / '102flowers.tgz'} is damaged, or another file: its MD5 digest is {md5[0]}"
    assert another in said([*training_set.FILES.values()])
    cut(files / "setid.mat")
    assert f"{files / 'setid.mat'} is damaged" in said(md5)
    (files / "setid.mat").unlink()
    message = said(md5)
    assert "No download: " in message
    address = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/setid.mat"
    assert message.endswith(f"by hand:\n{address}\n  as {files / 'setid.mat'}")

    md5 = make_data_set(tmp_path / "two", {"trnid": 1, "tstid": 1})
    assert "setid.mat has no split called valid." in said(md5, tmp_path / "two")
    md5 = make_data_set(tmp_path / "cut", dict.fromkeys(SPLITS, 1))
    samples = training_set.find_images(tmp_path / "cut", md5)[1]["val"]
    cut(samples[0][0])
    with pytest.raises(training_data.Unreadable, match="This file cannot be read as an image"):
        training_data.Images(samples, lambda image: image)[0]
    samples[1][0].unlink()  # as when the disk was full: it is unpacked again
    training_set.find_images(tmp_path / "cut", md5)
    assert training_data.Images(samples, lambda image: image)[0][0].size == (150, 130)

    start = tmp_path / "vgg19-dcbb9e9d.pth"
    start.write_bytes(b"cut short")
    with pytest.raises(SystemExit, match=r"another file: its SHA256 digest is .* not dcbb9e9d"):
        training_data.check(start, "sha256", "dcbb9e9d")


def test_an_image_and_a_copy_have_no_training_in_them(app):
    (app / "training").mkdir()
    (app / "training" / "checkpoint.pth").write_text("large")
    names = {file.name for file in files_in_image(app, read(app / "Dockerfile"))}
    assert {"main.py", "corn-poppy.jpg"} <= names
    assert not {name for name in names if name.startswith(("train", "requirements-train"))}
    assert "checkpoint.pth" not in names


@pytest.mark.slow
def test_make_train_says_which_apps_can_be_trained(make):
    done = make("train", "APP=resnet")
    assert done.returncode
    assert "resnet has no train_model.py. These have one: flower" in done.stdout


# --- a training run ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory, start):
    """An app in which a training run went through, what it printed, and the command."""
    folder = tmp_path_factory.mktemp("trained")
    app = folder / "flower_classification"
    shutil.copytree(FLOWER, app, ignore=shutil.ignore_patterns("*.pth", "training"))
    make_examples(app / "data")
    (app / "data" / "flower_model_vgg19.pth").write_text("the weights before")
    md5 = make_data_set(folder / "data")
    options = ("--epochs", "5", "--batch-size", "5")
    line = command(app, folder / "data", start, *options, md5=md5)
    return app, run(line, works=True), line


@training
def test_it_learns_and_writes_what_the_card_needs(trained):
    app, printed, _ = trained
    work, data = app / "training", app / "data"
    metrics = json.loads((work / "metrics.json").read_text())
    losses = [epoch["val"][0] for epoch in metrics["history"]]
    assert losses[-1] < losses[0] < 4.6  # that of a guess among 102
    assert metrics["top1"] >= 0.8  # a guess among five is right in 0.2
    assert metrics["top5"] >= metrics["top1"]
    assert metrics["images"] == {"train": 30, "val": 10, "test": 10}
    assert len(metrics["by_label"]) == 102
    assert metrics["by_label"]["sunflower"]["of"] == 2
    hits = sum(kind["right"] for kind in metrics["by_label"].values())
    assert hits / 10 == pytest.approx(metrics["top1"])
    assert metrics["versions"]["torch"] == torch.__version__
    assert metrics["seconds"] > 0
    for image in ("curves.png", "confusion.png"):
        assert min(Image.open(work / image).size) > 400
    weights = torch.load(data / "flower_model_vgg19.pth", weights_only=True)
    assert all(isinstance(values, torch.Tensor) for values in weights.values())
    assert (data / "flower_model_vgg19.pth.replaced").read_text() == "the weights before"
    assert "are now" in printed
    assert not (work / "checkpoint.pth").exists()
    assert not list(app.rglob("*.part"))
    with (work / "val_scores.csv").open(encoding="utf-8", newline="") as file:
        (true, *labels), *rows = csv.reader(file)
    assert (true, labels, len(rows)) == ("true", Flowers102.classes, 10)
    for right, *scores in rows:
        assert right in NAMES
        assert sum(map(float, scores)) == pytest.approx(1, abs=0.01)


@training
def test_the_app_names_the_right_kind_on_its_page(trained, page):
    folder = trained[0]
    app = App(("flower",), folder / "main.py", "")
    with start_app(app) as server:
        client = Client(server.wait().url, verbose=False)
        # the same probabilities as where the network was trained
        said = reference_predictions.compare(app, client)
        assert re.fullmatch(r"5 calls, within 0.0\d+ of the model where it was trained", said)
        client.close()
        for name in NAMES:
            page.goto(server.url)
            chosen = folder / "data" / f"{name.replace(' ', '-')}.jpg"
            page.locator("input[type=file]").set_input_files(chosen)
            expect(shown_images(page)).to_have_count(1)
            submit(page)
            expect(page.get_by_test_id("label-output-value")).to_have_text(name)


@training
def test_a_training_run_that_is_cut_off_continues_and_ends_with_the_same_weights(
    app, tmp_path, start
):
    md5 = make_data_set(tmp_path / "data", dict.fromkeys(SPLITS, 1))
    options = ("--epochs", "2", "--batch-size", "2")
    line = command(app, tmp_path / "data", start, *options, md5=md5)
    line = [*line, "--out", str(tmp_path / "cut off")]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    training = tmp_path / "cut off" / "training"
    while process.poll() is None and not (training / "curves.png").exists():
        time.sleep(0.2)
    time.sleep(1)  # into the second epoch
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C: to its helpers as well
    printed = "".join(process.communicate(timeout=120))
    assert process.returncode == 130, printed
    assert "Stopped. With --resume it continues" in printed
    assert "Traceback" not in printed
    assert {file.name for file in training.iterdir()} == {
        "best.pth",
        "checkpoint.pth",
        "curves.png",
    }
    assert "Continue with --resume, or delete" in run(line)
    other = run([*line, "--resume", "--epochs", "3"])
    assert "a training run with --epochs 2, or of other images" in other
    assert "Continuing after epoch 1 of 2." in run([*line, "--resume"], works=True)
    run([*line[:-1], str(tmp_path / "whole")], works=True)
    weights, same = (
        torch.load(tmp_path / out / "data" / "flower_model_vgg19.pth", weights_only=True)
        for out in ("cut off", "whole")
    )
    assert weights.keys() == same.keys()
    assert [name for name in weights if not torch.equal(weights[name], same[name])] == []


@training
def test_it_stops_early_when_nothing_is_learned_any_more(app, tmp_path, start):
    program = app / "train_model.py"
    code = program.read_text().replace("PATIENCE = 5", "PATIENCE = 1")
    program.write_text(code.replace("1e-5", "0").replace("1e-4", "0"))  # the learning rates
    md5 = make_data_set(tmp_path / "data", dict.fromkeys(SPLITS, 1))
    options = ("--epochs", "9", "--batch-size", "5")
    run(command(app, tmp_path / "data", start, *options, md5=md5), works=True)
    metrics = json.loads((app / "training" / "metrics.json").read_text())
    # the first for the new layers alone, and one more than it is patient
    assert (len(metrics["history"]), metrics["best_epoch"]) == (3, 1)


@training
def test_no_memory_no_room_and_a_damaged_image_get_a_message(app, tmp_path, start):
    data = tmp_path / "data"
    md5 = make_data_set(data, dict.fromkeys(SPLITS, 1))
    options = ("--epochs", "1", "--batch-size", "4")
    line = command(app, data, start, *options, md5=md5)

    def little_memory():
        resource.setrlimit(resource.RLIMIT_DATA, (2 * 10**9, 2 * 10**9))

    message = run(line, preexec_fn=little_memory)
    assert message.endswith("Out of memory with --batch-size 4. Try --batch-size 2 --resume\n")

    with mounted(tmp_path / "small", "-o", "size=200m"):
        message = run([*line, "--out", str(tmp_path / "small")])
        assert "The disk or your quota is full. Make room in " in message
        assert not list((tmp_path / "small").rglob("*.pth*"))

    image = data / "flowers-102" / "jpg" / "image_00001.jpg"
    image.write_bytes(image.read_bytes()[:700])
    message = run(line)
    assert f"\n{image}: This file cannot be read as an image." in f"\n{message}"

    checkpoint = app / "training" / "checkpoint.pth"
    checkpoint.write_text("cut short")
    assert f"{checkpoint} is damaged. Delete it, and start again." in run([*line, "--resume"])


@training
def test_five_leaf_diseases_in_folders_of_ones_own(tmp_path, start, page):
    app = make_app(tmp_path, "own_images")
    assert not (app / "download_model.py").exists()
    diseases = ["bacterial spot", "blight", "healthy", "mildew", "rust"]
    colours = dict(zip(diseases, KINDS.values(), strict=True))
    chance, folder = random.Random(0), tmp_path / "leaf_images"
    for split, count in {"train": 6, "val": 2, "test": 2}.items():
        for disease, colour in colours.items():
            (folder / split / disease).mkdir(parents=True)
            for number in range(count):
                draw_petal(colour, chance).save(folder / split / disease / f"{number}.jpg")
    make_examples(app / "data")
    line = command(app, folder, start, "--epochs", "5", "--batch-size", "5")
    (folder / "val" / "rust").rename(folder / "val" / "ruts")
    assert "val must have the same folders as train: bacterial spot, blight" in run(line)
    (folder / "val" / "ruts").rename(folder / "val" / "rust")
    run(line, works=True)
    assert (app / "data" / "labels.txt").read_text().splitlines() == diseases
    with start_app(App(("leaf",), app / "main.py", "")) as server:
        for disease, image in zip(diseases, sorted_by_colour(app), strict=True):
            page.goto(server.wait().url)
            page.locator("input[type=file]").set_input_files(image)
            expect(shown_images(page)).to_have_count(1)
            submit(page)
            expect(page.get_by_test_id("label-output-value")).to_have_text(disease)


def sorted_by_colour(app):
    """Return the example images in the order of KINDS."""
    return [app / "data" / f"{name.replace(' ', '-')}.jpg" for name in NAMES]
