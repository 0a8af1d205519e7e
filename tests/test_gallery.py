"""The gallery: all apps behind one address, in a real browser and over HTTP, and packaged.

It runs on a copy of the step apps, with apps that somebody has added and two that do not start;
and, slower, with the classifiers too, one with made-up weights and one with none.
"""

import contextlib
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pictures
import pytest
import requests
from check_app import check
from conftest import ROOT, STEPS, start_main, wait_until_open
from gradio.media import get_image
from gradio_client import Client
from gradio_client.exceptions import AppError
from list_apps import find_app, find_apps
from playwright.sync_api import expect
from smoke_test import check_over_http, free_port

ADDED = {
    "example_apps/shout_app.py": '''
"""Step 9.1, shout: small letters in, BIG & <bold> ones out."""

import gradio as gr

demo = gr.Interface(str.upper, "text", "text", api_name="shout", flagging_mode="never")
demo.launch(
    css="body { --loudness: 11 }",
    footer_links=["settings"],
    max_file_size="1mb",
    enable_monitoring=False,
)
''',
    "cells/main.py": '''
"""Cells."""

import gradio as gr
import helper

gr.Interface(lambda: helper.NAME, None, "text", api_name="name").launch()
''',
    "cells/helper.py": "NAME = 'helper of cells'",
    "colonies/helper.py": "NAME = 'helper of colonies'",
    "broken/main.py": '"""Broken."""\nraise RuntimeError("something secret")',
    "hungry/main.py": '"""Hungry."""\nraise SystemExit("data/model.pth is missing")',
    "hungry/download_model.py": 'FILE = HERE / "data" / "model.pth"',
}
ADDED["colonies/main.py"] = ADDED["cells/main.py"].replace("Cells", "Colonies")


class Gallery(NamedTuple):
    """A running gallery: its files, its address, its folder for uploads."""

    tree: Path
    url: str
    uploads: Path

    def file(self, name):
        return next(app.file for app in find_apps(self.tree) if name in app.names)


def copy_tree(folder):
    """Copy the programs and the step apps into `folder`, and add some apps."""
    for name in ("scripts", "docs/images", "example_apps"):
        ignore = shutil.ignore_patterns("__pycache__", ".gradio")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name, text in ADDED.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text.lstrip(), encoding="utf-8")
    return folder


@contextlib.contextmanager
def serving(tree, uploads, program="scripts/serve_gallery.py", **environment):
    """Serve a gallery; yield it and its process, which is stopped in the end."""
    port = free_port()
    environment = {"GRADIO_TEMP_DIR": str(uploads), **environment}
    process = start_main(tree / program, port, **environment)
    try:
        url = f"http://127.0.0.1:{port}/"
        assert wait_until_open(process, url).ok
        yield Gallery(tree, url, uploads), process
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """A gallery of the step apps and the added ones."""
    folder = tmp_path_factory.mktemp("gallery")
    with serving(copy_tree(folder / "tree"), folder / "uploads") as (running, _):
        yield running


@pytest.fixture(scope="module")
def whole_gallery(tmp_path_factory, classifier):
    """A gallery with a classifier that has weights, and one that has none."""
    folder = tmp_path_factory.mktemp("whole_gallery")
    tree = copy_tree(folder / "tree")
    shutil.copytree(classifier("resnet").folder, tree / "resnet_image_classification")
    vgg11, weights = find_app("vgg11").folder, shutil.ignore_patterns("*.pth")
    shutil.copytree(vgg11, tree / vgg11.name, ignore=weights)
    with serving(tree, folder / "uploads") as (running, _):
        yield running


@pytest.fixture
def gallery_page(page, gallery):
    """The gallery's page in a browser."""
    page.goto(gallery.url)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


def tile(page, name):
    return page.locator(".tile").filter(has=page.get_by_role("heading", name=name, exact=True))


def submit(frame):
    frame.get_by_role("button", name="Submit").click()


@pytest.mark.slow
def test_every_app_has_a_tile_with_its_picture_name_and_lesson(gallery_page, gallery):
    apps = [app for app in find_apps(gallery.tree) if app.name not in ("broken", "hungry")]
    assert [app.name for app in apps[:6]] == STEPS
    names = gallery_page.locator(".tile h2")
    expect(names).to_have_text([app.name for app in apps])
    for app in apps:
        shown = tile(gallery_page, app.name)
        lesson = app.summary.rpartition(f", {app.name}: ")[2]
        expect(shown.locator(".text")).to_contain_text(lesson, ignore_case=True)
        picture = shown.locator("img")
        there = (ROOT / "docs" / "images" / f"{app.name}.png").exists()
        expect(picture).to_have_count(int(there))
        if picture.count():
            assert picture.evaluate("e => e.decode().then(() => e.naturalWidth)") == 960


@pytest.mark.slow
def test_what_is_left_out_is_said_in_a_line_each(gallery_page):
    lines = gallery_page.get_by_role("listitem").filter(has_text="is not here")
    expect(lines).to_have_text(
        [
            "broken is not here: it does not start. make run APP=broken says why.",
            "hungry is not here: its weights are missing or damaged."
            " make model APP=hungry fetches them.",
        ]
    )
    assert "something secret" not in gallery_page.content()


@pytest.mark.slow
def test_open_leads_to_the_app_by_itself(gallery_page, gallery):
    tile(gallery_page, "hello").get_by_role("link", name="Open").click()
    gallery_page.wait_for_url(f"{gallery.url}hello/")
    gallery_page.get_by_label("name").fill("Ada")
    submit(gallery_page)
    expect(gallery_page.get_by_label("output")).to_have_value("Hello Ada!")


@pytest.mark.slow
def test_an_app_can_be_used_in_place_and_is_loaded_only_then(gallery_page):
    expect(gallery_page.locator("iframe")).to_have_count(0)
    tile(gallery_page, "sepia").get_by_role("button", name="Try it here").click()
    expect(gallery_page.locator("iframe")).to_have_count(1)
    frame = gallery_page.frame_locator("iframe")
    submit(frame)
    expect(frame.get_by_text("Please choose a picture first.")).to_be_visible()
    frame.locator("input[type=file]").set_input_files(get_image("lion.jpg"))
    shown = frame.locator(".image-frame img[src*='/sepia/gradio_api/file=']")
    expect(shown).to_have_count(1)
    submit(frame)
    expect(shown).to_have_count(2)
    # the frame is as high as the app, and needs no scroll bar
    height = "document.querySelector('iframe').contentDocument.documentElement.scrollHeight"
    gallery_page.wait_for_function(f"document.querySelector('iframe').clientHeight == {height}")
    assert gallery_page.evaluate(height) > 22 * 16


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shout", pytest.param("sepia", marks=pytest.mark.slow)])
def test_the_source_is_the_file_to_the_character(gallery_page, gallery, name):
    shown = tile(gallery_page, name)
    shown.get_by_role("button", name="Source").click()
    expect(shown.locator(".cm-line").first).to_contain_text('"""')
    spans = "[...document.querySelectorAll('.cm-line span')]"
    colours = f"new Set({spans}.map(e => getComputedStyle(e).color)).size"
    gallery_page.wait_for_function(f"{colours} >= 3")
    with gallery_page.expect_download() as download:
        shown.get_by_role("button", name="Download").click()
    file = gallery.file(name)
    assert Path(download.value.path()).read_text() == file.read_text(encoding="utf-8").strip()
    expect(shown.get_by_text(file.relative_to(gallery.tree).as_posix())).to_be_visible()


@pytest.mark.slow
def test_each_app_keeps_its_theme_its_css_and_its_footer(page, gallery):
    submits, variables = {}, {}
    for name in ("hello", "themed", "shout"):
        page.goto(f"{gallery.url}{name}/")
        button = page.get_by_role("button", name="Submit")
        submits[name] = button.evaluate("e => getComputedStyle(e).backgroundColor")
        variables[name] = page.locator("body").evaluate(
            "e => getComputedStyle(e).getPropertyValue('--loudness')"
        )
        api = page.get_by_role("button", name="Use via API")
        expect(api).to_have_count(0 if name == "shout" else 1)
    assert submits["themed"] == "rgb(99, 102, 241)"  # the indigo of Gradio's theme Soft
    assert submits["hello"] == submits["shout"] != submits["themed"]
    assert variables == {"hello": "", "themed": "", "shout": "11"}


@pytest.mark.slow
def test_a_click_on_an_example_fills_the_form(page, gallery):
    page.goto(f"{gallery.url}examples/")
    page.get_by_text("Rosalind").click()
    expect(page.get_by_label("name")).to_have_value("Rosalind")
    submit(page)
    expect(page.get_by_label("output 1")).to_have_value("12.78")


@pytest.mark.slow
def test_the_progress_bar_moves(page, gallery):
    page.goto(f"{gallery.url}progress/")
    page.get_by_label("name").fill("Ada")
    submit(page)
    seen, output = set(), page.get_by_label("output")
    while output.input_value() != "Hello Ada!":
        seen |= {*re.findall(r"Greeting - \d+", page.locator("main").inner_text())}
        page.wait_for_timeout(50)
    assert len(seen) >= 5


@pytest.mark.slow
def test_on_a_phone_it_is_one_column_and_nothing_sticks_out(gallery_page):
    gallery_page.set_viewport_size({"width": 390, "height": 844})
    tile(gallery_page, "examples").get_by_role("button", name="Try it here").click()
    tile(gallery_page, "progress").get_by_role("button", name="Source").click()
    expect(gallery_page.frame_locator("iframe").get_by_label("name")).to_be_visible()
    expect(gallery_page.locator(".cm-line").first).to_be_visible()
    wide = "[document.documentElement.scrollWidth, innerWidth]"
    assert gallery_page.evaluate(wide) == [390, 390]
    edges = "tiles => [...new Set(tiles.map(e => e.getBoundingClientRect().left))]"
    assert len(gallery_page.locator(".tile").evaluate_all(edges)) == 1


@pytest.mark.slow
def test_on_a_wide_screen_an_open_tile_takes_the_whole_width(gallery_page):
    shown = tile(gallery_page, "sepia")
    closed = shown.bounding_box()["width"]
    shown.get_by_role("button", name="Source").click()
    expect(shown.locator(".cm-line").first).to_be_visible()
    assert shown.bounding_box()["width"] > 2.5 * closed
    expect(shown).to_be_in_viewport()


def call(gallery, name, endpoint, *values, **headers):
    """Call an app as `curl` does, and return what it answers."""
    url = f"{gallery.url}{name}/gradio_api/call/{endpoint}"
    event = requests.post(url, json={"data": values}, headers=headers, timeout=10).json()
    return requests.get(f"{url}/{event['event_id']}", headers=headers, timeout=10).text


def upload(gallery, name, file, content=None):
    files = {"files": (Path(file).name, content or Path(file).read_bytes())}
    return requests.post(f"{gallery.url}{name}/gradio_api/upload", files=files, timeout=10)


def as_input(path):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


@pytest.mark.slow
def test_a_client_calls_an_app_at_its_path(gallery):
    client = Client(f"{gallery.url}hello/", verbose=False, analytics_enabled=False)
    assert client.predict("Ada", api_name="/greet") == "Hello Ada!"
    with pytest.raises(AppError, match="Please type a name first"):
        client.predict("", api_name="/greet")
    client.close()


@pytest.mark.slow
def test_added_apps_run_each_with_its_own_modules(gallery):
    assert "ABC" in call(gallery, "shout", "shout", "abc")
    assert "helper of cells" in call(gallery, "cells", "name")
    assert "helper of colonies" in call(gallery, "colonies", "name")


@pytest.mark.slow
def test_a_path_without_its_slash_leads_to_the_app(gallery):
    answer = requests.get(f"{gallery.url}hello?address=//elsewhere", timeout=10)
    assert answer.url == f"{gallery.url}hello/"
    assert requests.get(f"{gallery.url}nothing", timeout=10).status_code == 404


@pytest.mark.slow
def test_each_app_keeps_its_limits(gallery):
    assert upload(gallery, "shout", "large.png", bytes(2_000_000)).status_code == 413
    assert upload(gallery, "sepia", "large.png", bytes(2_000_000)).status_code == 200
    for name, status in (("shout", 403), ("hello", 200)):
        url = f"{gallery.url}{name}/monitoring/summary"
        assert requests.get(url, timeout=10).status_code == status


@pytest.mark.slow
def test_behind_a_proxy_the_addresses_of_files_keep_the_app_s_path(gallery):
    path = upload(gallery, "sepia", get_image("lion.jpg")).json()[0]
    proxy = {"X-Forwarded-Host": "apps.example.org", "X-Forwarded-Proto": "https"}
    answer = call(gallery, "sepia", "sepia", as_input(path), **proxy)
    assert '"https://apps.example.org/sepia/gradio_api/file=' in answer


@pytest.mark.slow
def test_a_file_that_was_not_uploaded_is_not_read(gallery, tmp_path):
    pictures.drawing(40, 30).save(tmp_path / "private.png")
    assert "event: error" in call(gallery, "sepia", "sepia", as_input(tmp_path / "private.png"))


@pytest.mark.slow
def test_apps_do_not_share_their_uploads(gallery):
    path = upload(gallery, "sepia", get_image("lion.jpg")).json()[0]
    assert Path(path).is_relative_to(gallery.uploads / "sepia")
    for name, status in (("sepia", 200), ("hello", 403)):
        url = f"{gallery.url}{name}/gradio_api/file={path}"
        assert requests.get(url, timeout=10).status_code == status


# ---- With the classifiers: slow ----


@pytest.mark.slow
def test_a_classifier_gives_five_labels(page, whole_gallery):
    page.goto(f"{whole_gallery.url}resnet/")
    page.locator("button.gallery-item").first.click()
    expect(page.locator(".image-frame img[src*='/file=']")).to_have_count(1)
    submit(page)
    expect(page.locator("[data-testid$=-confidence-set], .confidence-set")).to_have_count(5)


@pytest.mark.slow
def test_a_classifier_without_weights_is_left_out_in_a_line(page, whole_gallery):
    page.goto(whole_gallery.url)
    line = page.get_by_role("listitem").filter(has_text="vgg11")
    expect(line).to_contain_text("weights are missing or damaged. make model APP=vgg11 fetches")
    names = [*STEPS, "shout", "cells", "colonies", "resnet"]
    expect(page.locator(".tile h2")).to_have_text(names)


@pytest.mark.slow
def test_a_classifier_keeps_its_limit_and_reads_only_what_was_uploaded(whole_gallery, tmp_path):
    assert upload(whole_gallery, "resnet", "large.png", bytes(21_000_000)).status_code == 413
    pictures.drawing(40, 30).save(tmp_path / "private.png")
    answer = call(whole_gallery, "resnet", "predict", as_input(tmp_path / "private.png"))
    assert "event: error" in answer


# ---- Servers of their own: slow ----


@pytest.mark.slow
def test_uploads_are_deleted_in_time_and_in_the_end(tmp_path):
    tree = copy_tree(tmp_path / "tree")
    file = tree / "example_apps" / "sepia_app.py"
    file.write_text(file.read_text().replace("delete_cache=(300, 1800)", "delete_cache=(1, 2)"))
    with serving(tree, tmp_path / "uploads") as (gallery, _):
        path = Path(upload(gallery, "sepia", get_image("lion.jpg")).json()[0])
        assert path.exists()
        assert "event: complete" in call(gallery, "sepia", "sepia", as_input(path))
        deadline = time.monotonic() + 15
        while path.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not path.exists()
        last = Path(upload(gallery, "sepia", get_image("cheetah.jpg")).json()[0])
        assert last.exists()
    assert not last.exists()


@pytest.mark.slow
def test_it_stops_at_once_while_pages_are_open_and_functions_run(tmp_path):
    with serving(copy_tree(tmp_path / "tree"), tmp_path / "uploads") as (gallery, process):
        # what an open page holds, and what a slow function is asked
        hold = {"stream": True, "timeout": 10}
        pages = [
            requests.get(f"{gallery.url}{name}gradio_api/heartbeat/1", **hold)
            for name in ("", "hello/", "sepia/")
        ]
        url = f"{gallery.url}progress/gradio_api/call/greet"
        event = requests.post(url, json={"data": ["Ada"]}, timeout=10).json()["event_id"]
        answer = requests.get(f"{url}/{event}", **hold)
        time.sleep(1)
        start = time.monotonic()
        process.terminate()
        printed = process.communicate(timeout=20)[0]
        assert time.monotonic() - start < 5
        for response in (*pages, answer):
            response.close()
    assert process.returncode == 0
    assert printed.splitlines()[-1] == "Stopped."
    assert "Traceback" not in printed
    assert "ERROR" not in printed


@pytest.mark.slow
def test_without_torch_the_other_apps_run(tmp_path, page):
    tree = copy_tree(tmp_path / "tree")
    shutil.copytree(
        find_app("vgg11").folder, tree / "vgg11", ignore=shutil.ignore_patterns("*.pth")
    )
    absent = 'raise ModuleNotFoundError("No module named \'torch\'", name="torch")'
    (tmp_path / "torch.py").write_text(absent)
    serving_it = serving(tree, tmp_path / "uploads", PYTHONPATH=str(tmp_path))
    with serving_it as (gallery, process):
        page.goto(gallery.url)
        sentence = "vgg11 is not here: torch is not installed. make run APP=vgg11 installs it."
        expect(page.get_by_role("listitem").filter(has_text="vgg11")).to_have_text(sentence)
        expect(page.locator(".tile")).to_have_count(len(STEPS) + 3)
        page.goto("about:blank")
        process.terminate()
        printed = process.communicate(timeout=10)[0]
    assert "Traceback" not in printed


@pytest.mark.slow
def test_below_a_path_of_a_proxy(tmp_path):
    """The proxy takes the path away before it asks the gallery."""
    serving_it = serving(copy_tree(tmp_path / "tree"), tmp_path / "up", GRADIO_ROOT_PATH="/sub/")
    with serving_it as (gallery, _):
        for name, root in (("", "sub"), ("hello/", "sub/hello")):
            config = requests.get(f"{gallery.url}{name}config", timeout=10).json()
            assert config["root"] == gallery.url + root
        assert "Hello Ada!" in call(gallery, "hello", "greet", "Ada")


@pytest.mark.slow
def test_a_taken_port_gives_a_sentence(gallery):
    command = [sys.executable, gallery.tree / "scripts" / "serve_gallery.py", "--port"]
    port = gallery.url.rpartition(":")[2].rstrip("/")
    ended = subprocess.run([*command, port], capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert f"Port {port} is taken" in ended.stderr
    assert "Traceback" not in ended.stderr


# ---- The gallery as an app folder, to be packaged ----


def assemble(tree, folder):
    """Run the program of a tree that puts the gallery together, and return what it prints."""
    command = [sys.executable, tree / "scripts" / "assemble_gallery.py", folder]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def assembled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assembled")
    assemble(copy_tree(folder / "tree"), folder / "gallery")
    return folder / "gallery"


def test_serve_would_run_the_assembled_gallery(assembled):
    assert check(assembled, assembled / "main.py", "gallery") == []


def test_it_holds_the_apps_that_are_whole_and_nothing_else_that_starts(assembled):
    inside = [app.file.relative_to(assembled).as_posix() for app in find_apps(assembled)]
    assert "hungry/main.py" not in inside  # it has no weights
    assert {"cells/main.py", "example_apps/shout_app.py"} < {*inside}
    assert len(inside) == len(STEPS) + 4
    for name in ("Dockerfile", "start-script.sh", ".dockerignore", "requirements.txt"):
        assert [file.parent for file in assembled.rglob(name)] == [assembled]
    dockerfile = (assembled / "Dockerfile").read_text()
    assert 'COPY --chown=app:app ["cells/", "cells/"]' in dockerfile
    assert "FOLDER" not in dockerfile


def test_it_needs_what_its_apps_need(assembled):
    steps = (ROOT / "example_apps" / "requirements.txt").read_text()
    assert (assembled / "requirements.txt").read_text() == steps


def test_contradicting_pins_and_a_full_folder_give_a_sentence(tmp_path):
    tree = copy_tree(tmp_path / "tree")
    (tree / "cells" / "requirements.txt").write_text("gradio==6.0.0\n")
    printed = assemble(tree, tmp_path / "gallery")
    assert "One app needs gradio==6.31.0, another one gradio==6.0.0" in printed
    assert "Traceback" not in printed
    assert "is not empty" in assemble(tree, tree)


@pytest.mark.slow
def test_it_runs_by_python_main_with_a_classifier(whole_gallery, tmp_path, page):
    folder = tmp_path / "gallery"
    assemble(whole_gallery.tree, folder)
    assert check(folder, folder / "main.py", "gallery") == []
    lines = {*(folder / "requirements.txt").read_text().splitlines()}
    for name in ("example_apps", "resnet_image_classification"):
        assert {*(ROOT / name / "requirements.txt").read_text().splitlines()} <= lines
    with serving(folder, tmp_path / "uploads", "main.py") as (gallery, process):
        assert check_over_http(find_app(str(folder / "main.py")), gallery.url, str(tmp_path))
        page.goto(gallery.url)
        expect(tile(page, "resnet").locator("img")).to_be_visible()
        expect(page.locator(".tile")).to_have_count(len(STEPS) + 4)
        assert "Hello Ada!" in call(gallery, "hello", "greet", "Ada")
        page.goto("about:blank")
        process.terminate()
        assert process.wait(10) == 0
