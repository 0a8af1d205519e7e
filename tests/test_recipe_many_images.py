"""The recipe `many_images`: many files or ZIP files at once, a table, and a CSV file."""

import csv
import re
import struct
import threading
import time
import zipfile
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import requests
import torch
from conftest import ROOT, import_file
from gradio_client import handle_file
from PIL import Image
from playwright.sync_api import expect
from recipes_made import make_app, running, use_trained_network
from test_labels_and_preprocessing import PHOTOS, by_hand, load_trained_network
from torchvision.models import ResNet18_Weights

NAMES = ["cheetah.jpg", "bee.jpg", "espresso.jpg", "cat.jpg"]
ADDED = ["__MACOSX/a.png", "plate 1/.DS_Store", "Thumbs.db", "plate 1/._a.png", "@eaDir/a.png"]
ADDED += ["plate 1/.ipynb_checkpoints/a-checkpoint.png", "Desktop.ini"]
PNG = b"\x89PNG, or so"


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """The recipe's module, in an app."""
    folder = make_app(tmp_path_factory.mktemp("many"), "many_images")
    return import_file(folder / "many_images.py")


def zip_file(file, contents, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file


def uploaded(*files):
    return [{"path": str(file), "orig_name": file.name} for file in files]


def predict(upload):
    if not Path(upload["path"]).read_bytes().startswith(PNG):
        raise gr.Error("This is no image.")
    return {"an image": 0.8, "else": 0.2}


def classify(many, *files):
    """Return the rows for files by their names, as the app makes them; nothing is left behind."""
    number, place = many.count(uploaded(*files)), files[0].parent / "unpacked"
    place.mkdir(exist_ok=True)
    rows = list(many.classify(uploaded(*files), predict, place))
    assert [*place.iterdir()] == []
    assert len(rows) == number
    assert {len(row) for row in rows} == {len(many.COLUMNS)}
    return {row[0]: (row[1], row[-1]) for row in rows}


def test_after_five_images_that_take_too_long_the_others_are_not_waited_for(many):
    rows = [["a.png", many.TOO_SLOW], ["b.png", ""], ["c.png", many.TOO_MUCH]]
    assert list(many.few_costly(rows)) == rows
    with pytest.raises(gr.Error, match="5 of these images take too much"):
        list(many.few_costly(3 * rows))


def claim(file, content, place, value):
    """Make a ZIP file with one image whose list of contents says something else about it."""
    whole = bytearray(zip_file(file, {"b.png": content}).read_bytes())
    struct.pack_into("<I", whole, whole.index(b"PK\1\2") + place, value)
    file.write_bytes(whole)
    return file


ENCRYPTED, SIZE = 8, 24  # places in a line of that list


def test_each_image_gets_a_row_whatever_is_wrong_with_the_others(many, tmp_path):
    contents = {"plate 1/": b"", "./plate 1/ö/a.png": PNG, "damaged.png": PNG * 9, "a.txt": b"a"}
    file = zip_file(tmp_path / "a.ZIP", contents | dict.fromkeys(ADDED, b"1"), zipfile.ZIP_STORED)
    content = file.read_bytes()
    file.write_bytes(content.replace(PNG * 9, PNG * 8 + b"?" * len(PNG)))
    damaged = "This file is damaged in the ZIP file. Please make that again."
    rows = {
        "./plate 1/ö/a.png": ("an image", ""),
        "damaged.png": ("", damaged),
        "a.txt": ("", "This is no image."),
    }
    assert classify(many, file) == rows
    (tmp_path / "b.png").write_bytes(PNG)
    several = {f"a.ZIP/{name}": row for name, row in rows.items()} | {"b.png": ("an image", "")}
    assert classify(many, file, tmp_path / "b.png", tmp_path / "gone.png") == several | {
        "gone.png": ("", "The app failed on this image: FileNotFoundError.")
    }


REFUSED = {
    "is damaged": lambda file: file.write_bytes(PNG),
    "damaged, or is no": lambda file: file.write_bytes(
        zip_file(file, {"a": PNG}).read_bytes()[:40]
    ),
    "is encrypted": lambda file: claim(file, PNG, ENCRYPTED, 1 | zipfile.ZIP_DEFLATED << 16),
    "names that lead out": lambda file: zip_file(file, {"a/../../b.png": PNG}),
    "has names that": lambda file: zip_file(file, {"/etc/b.png": PNG}),
    "in an unusual way": lambda file: zip_file(file, {"b.png": PNG}, zipfile.ZIP_LZMA),
    "no images in": lambda file: zip_file(file, dict.fromkeys(ADDED, b"1")),
    "more than 1,000 images": lambda file: zip_file(file, {f"{i}": b"" for i in range(1001)}),
    # the list of what is in it would take a gigabyte of memory
    "has more than 1,000": lambda file: zip_file(file, {f"{i}/": b"" for i in range(30_000)}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_zip_file_of_a_wrong_kind_is_refused_with_a_message(many, tmp_path, message):
    REFUSED[message](tmp_path / "a.zip")
    upload = {"path": str(tmp_path / "a.zip"), "orig_name": "<img src=//a.b>.zip"}
    with pytest.raises(gr.Error, match=message) as refused:
        many.count([upload])
    assert "<" not in refused.value.message  # the page shows it as HTML
    assert refused.value.message.endswith(".")
    assert not refused.value.print_exception


def test_a_zip_file_is_judged_by_what_it_unpacks_to_not_by_what_it_claims(
    many, tmp_path, monkeypatch
):
    bomb = zip_file(tmp_path / "a.zip", {f"{i}.png": bytes(300_000) for i in range(4)})
    with monkeypatch.context() as patch:
        patch.setattr(many, "MAX_UNPACKED", 1_000_000)
        with pytest.raises(gr.Error, match="unpacks to more than 1 MB"):
            many.count(uploaded(bomb))
        honest = zip_file(tmp_path / "b.zip", {"b.png": PNG + bytes(700_000)})
        assert many.count(uploaded(honest)) == 1
        with pytest.raises(gr.Error, match="unpacks to more than"):  # two of them
            many.count(uploaded(honest, honest))
        small = claim(tmp_path / "c.zip", PNG, SIZE, 4_000_000_000)
        assert classify(many, small) == {"b.png": ("an image", "")}
    small = claim(tmp_path / "d.zip", PNG + bytes(10**8), SIZE, 5)
    assert "is damaged in the ZIP file" in classify(many, small)["b.png"][1]


def test_no_file_name_becomes_a_formula(many, tmp_path):
    """Nor on the page, whose table can be copied; other names are in test_safe_csv.py."""
    uploads = [{"path": "/gone", "orig_name": name} for name in ("=1", "a;=1", "ö.png")]
    rows = list(many.classify(uploads, predict, tmp_path))
    many.safe_csv.write(tmp_path / "a.csv", [many.COLUMNS, *rows])
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as lines:
        _, *written = csv.reader(lines)
    for table in (written, many.shorten(rows)):
        assert [row[0] for row in table] == ["'=1", "a;'=1", "ö.png"]


@pytest.fixture(scope="module")
def app(tmp_path_factory, python_of_recipes):
    """An app with the recipe and a trained network, and a Python with its packages."""
    folder = make_app(tmp_path_factory.mktemp("app"), "many_images")
    use_trained_network(folder)
    return folder, python_of_recipes


def photos(place):
    """Copy photos that the trained network knows to a folder, under short names."""
    for name in NAMES:
        photo = next(photo for photo in PHOTOS if Path(photo).name == name)
        (place / name).write_bytes(Path(photo).read_bytes())
    return {name: place / name for name in NAMES}


@pytest.mark.recipes
def test_predictions_are_those_of_the_network_in_the_table_and_in_the_csv_file(app, tmp_path):
    labels, network = ResNet18_Weights.IMAGENET1K_V1.meta["categories"], load_trained_network()
    contents = {f"plate 1/{name}": file.read_bytes() for name, file in photos(tmp_path).items()}
    contents |= {"cut.jpg": contents["plate 1/bee.jpg"][:9000], **dict.fromkeys(ADDED, b"1")}
    file = zip_file(tmp_path / "my images.zip", contents)
    with running(*app) as (url, client):
        table, saved = client.predict([handle_file(file)], api_name="/predict_many")
        for wrong in ([], None):
            with pytest.raises(Exception, match="Please choose images or a ZIP file first"):
                client.predict(wrong, api_name="/predict_many")
        file.write_bytes(b"PK")
        with pytest.raises(Exception, match=r"my images\.zip is damaged"):
            client.predict([handle_file(file)], api_name="/predict_many")
        large = {"files": ("a.zip", bytes(101_000_000))}
        response = requests.post(f"{url}gradio_api/upload", files=large, timeout=60)
        assert (response.status_code, "up to 100 MB" in response.text) == (413, True)
        # nothing stays but what is deleted on time: uploads, results, and copies of these
        left = [path for path in (app[0] / "uploads").rglob("*") if path.is_file()]
        assert {path.suffix for path in left} <= {".zip", ".csv", ".lock", ".jpg"}
    with open(saved, encoding="utf-8", newline="") as lines:
        written = [*csv.DictReader(lines)]
    assert {row.pop("version")[:4] for row in written} == {"app "}
    rows = {row["file"]: [*row.values()] for row in written}
    assert [*rows] == [f"plate 1/{name}" for name in NAMES] + ["cut.jpg"]
    assert "cannot be read as an image" in rows["cut.jpg"][-1]
    for photo, label in PHOTOS.items():
        with torch.inference_mode():
            right = network(by_hand(Image.open(photo).convert("RGB"))[None])[0].softmax(0)
        row = rows[f"plate 1/{Path(photo).name}"]
        assert (row[1], row[-1]) == (label, "")
        for name, probability in zip(row[1:-1:2], map(float, row[2:-1:2]), strict=True):
            assert probability == pytest.approx(right[labels.index(name)].item(), abs=1e-3)
    # the same on the page, label and probability in one cell
    assert table["data"][-1] == ["cut.jpg", *[""] * 5, rows["cut.jpg"][-1]]
    for shown in table["data"][:-1]:
        cells = rows[shown[0]][1:-1]
        for cell, label, probability in zip(shown[1:-1], cells[::2], cells[1::2], strict=True):
            assert re.fullmatch(rf"{label} 0\.\d\d\d", cell)
            assert float(cell[-5:]) == pytest.approx(float(probability), abs=6e-4)


@pytest.mark.recipes
def test_the_page_shows_progress_a_table_and_a_file_to_download(app, page, screenshot, tmp_path):
    files = photos(tmp_path)
    (tmp_path / "notes.txt").write_text("no image")
    packed = {f"plate 2/{i}.jpg": files[NAMES[i % 4]].read_bytes() for i in range(40)}
    with running(*app) as (url, _):
        page.goto(url)
        choose = page.locator("input[type=file][multiple]")
        choose.set_input_files([*files.values(), tmp_path / "notes.txt"])
        expect(page.get_by_role("cell", name="espresso.jpg")).to_be_visible()
        page.get_by_role("button", name="Classify all").click()
        expect(page.get_by_role("gridcell", name="cannot be read as an image")).to_be_visible()
        for label in PHOTOS.values():
            expect(page.get_by_role("gridcell", name=f"{label} 0.")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name=re.compile(r"^\d+\.\d B")).last.click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert len(text.splitlines()) == 6
        screenshot(page, "many_images")
        page.reload()
        file = zip_file(tmp_path / "plate 2.zip", packed)
        page.locator("input[type=file][multiple]").set_input_files(file)
        expect(page.get_by_role("cell", name="plate 2.zip")).to_be_visible()
        page.get_by_role("button", name="Classify all").click()
        expect(page.get_by_text(re.compile(r"\d+/40")).first).to_be_visible()
        expect(page.get_by_role("gridcell", name="plate 2/3.jpg")).to_be_visible(timeout=60_000)


def memory(folder):
    """Return the most memory that a running app has had, in MB."""
    for process in Path("/proc").glob("[0-9]*"):
        with_name = (process / "cmdline").read_bytes()
        if str(folder / "main.py").encode() in with_name:
            return int(re.search(r"VmHWM:\s+(\d+)", (process / "status").read_text())[1]) // 1000
    raise AssertionError("the app is not running")


@pytest.mark.recipes
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read as on Linux")
def test_150_images_need_no_more_memory_than_ten_and_others_get_predictions(app, tmp_path):
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (300, 450, 3), "uint8"))
    noise.save(tmp_path / "a.jpg", quality=60)
    content = (tmp_path / "a.jpg").read_bytes()
    ten, many = (
        zip_file(tmp_path / f"{n}.zip", {f"{i}.jpg": content for i in range(n)}) for n in (10, 150)
    )
    waits = []
    with running(*app) as (_, client):
        client.predict([handle_file(ten)], api_name="/predict_many")
        before, start = memory(app[0]), time.monotonic()
        job = client.submit([handle_file(many)], api_name="/predict_many")
        while not job.done():
            asked = time.monotonic()
            client.predict(handle_file(tmp_path / "a.jpg"), api_name="/predict")
            waits.append(time.monotonic() - asked)
            threading.Event().wait(1)
        table, _ = job.result()
        seconds, after = time.monotonic() - start, memory(app[0])
    size = f"{many.stat().st_size / 1e6:.0f} MB"
    print(f"{size}, {seconds:.0f} s; {before} MB, then {after} MB; others: {max(waits):.2f} s")
    assert len(table["data"]) == 150
    assert not [row for row in table["data"] if row[-1]]
    assert after - before < 50
    assert max(waits) < 10


def test_the_page_of_the_recipe_names_the_limits(many):
    text = (ROOT / "docs/recipes/many_images/README.md").read_text(encoding="utf-8")
    limits = (many.MAX_UPLOAD // 10**6, many.MAX_UNPACKED // 10**6, many.MAX_FILES)
    for limit in (many.MAX_IMAGES, *limits):
        assert f" {limit:,} " in " ".join(text.split())
