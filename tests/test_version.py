"""Each prediction can be traced to the app and the weights that made it."""

import csv
import hashlib
import shutil
import subprocess
import sys

import pytest
import requests
from conftest import ROOT
from gradio_client import handle_file
from playwright.sync_api import expect
from random_weights import make_checkpoint
from recipes_made import make_app, running


@pytest.mark.slow
def test_the_page_the_api_and_the_csv_file_name_the_app_and_its_weights(tmp_path, page):
    folder = make_app(tmp_path, "many_images", "resnet")
    weights = folder / "data" / "image_classification_resnet18.pth"
    make_checkpoint(weights)
    with running(folder) as (url, client):
        page.goto(url)
        foot = page.locator("#version")
        model = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
        expect(foot).to_have_text(f"app {foot.inner_text()[4:12]}, model {model}")
        said = foot.inner_text()
        box = foot.bounding_box()
        assert box["y"] > page.get_by_role("button", name="Classify all").bounding_box()["y"]
        info = requests.get(f"{url}gradio_api/info", timeout=20).json()["named_endpoints"]
        assert info["/predict"]["description"].endswith(f" Version: {said}.")
        assert "the five most likely {label" in info["/predict"]["description"]
        image = folder / "data" / "bee.jpg"
        *_, file = client.predict([handle_file(str(image))], api_name="/predict_many")
        with open(file, encoding="utf-8", newline="") as lines:
            (row,) = csv.DictReader(lines)
        assert row["version"] == said


def version_of(folder):
    command = [sys.executable, "-c", "import version; print(version.version())"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return ended.stdout.strip()


def test_the_version_changes_with_the_code_that_runs_and_with_the_weights(classifier, tmp_path):
    folder = shutil.copytree(classifier("resnet").folder, tmp_path / "app")
    (folder / "data" / "image_classification_resnet18.pth").write_bytes(b"weights")
    before = version_of(folder)
    model = before.split(", ")[1]
    assert model == f"model {hashlib.sha256(b'weights').hexdigest()[:8]}"
    (folder / "train_model.py").write_text("# is not imported")
    main = folder / "main.py"
    main.write_bytes(main.read_bytes().replace(b"\n", b"\r\n"))  # as Git may write it on Windows
    assert version_of(folder) == before
    for name in ("pixels.py", "data/labels.txt"):  # image.py imports the former
        with open(folder / name, "a") as file:
            file.write("# another line\n")
        assert version_of(folder) != before
        assert version_of(folder).endswith(model)
        before = version_of(folder)
    (folder / "data" / "image_classification_resnet18.pth").write_bytes(b"others")
    assert not version_of(folder).endswith(model)
    assert version_of(ROOT / "example_apps") == ""  # steps of the workshop
