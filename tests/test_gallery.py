"""The gallery: all apps behind one address, in a real browser and over HTTP, and packaged.

It runs on a copy of the step apps, with apps that somebody has added, a classifier with random
weights, and two apps that do not start.
"""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from apps import find_app, find_apps
from calls import FILE, NO_ADDRESS, NO_UPLOAD, ask, call, send, told, upload
from check import check
from conftest import ROOT, STEPS, run_main, wait_for
from gradio.media import get_image
from playwright.sync_api import expect
from smoke import check_over_http
from test_accessibility import serious

pytestmark = pytest.mark.slow

IMAGE = Path(get_image("lion.jpg"))
SHOWN = [*STEPS[:4], "shout", *STEPS[4:], "cells", "colonies", "resnet"]
HAS_THEME = "[...document.querySelectorAll('link')].some(e => /theme.css/.test(e.href) && e.sheet)"
CELLS = '"""Cells."""\nimport gradio as gr, helper\ngr.Interface(helper.f, None, "text").launch()'
ADDED = {
    "example_apps/shout_app.py": '''"""Step 1.45, shout: small letters in, BIG & <bold> ones out."""
import gradio as gr

demo = gr.Interface(str.upper, "text", "text", api_name="shout", flagging_mode="never")
demo.launch(css="body { --loudness: 11 }", footer_links=["settings"])
''',
    "cells/main.py": CELLS,
    "cells/helper.py": "def f():\n    return 'helper of cells'",
    "colonies/main.py": CELLS.replace("Cells", "Colonies"),
    "colonies/helper.py": "def f():\n    return 'helper of colonies'",
    "broken/main.py": '"""Broken."""\nraise RuntimeError("something secret")',
}
SERVE = "import os\nfrom gallery import serve\nserve.main('127.0.0.1', int(os.environ['PORT']))\n"
ASSEMBLE = "from pathlib import Path\nfrom gallery import assemble\n"
ASSEMBLE += "folder = Path(sys.argv[1])\nfolder.mkdir()\nassemble.assemble(folder)\n"


def copy_tree(folder):
    """Copy the programs and the step apps into `folder`, and add some apps."""
    for name in ("scripts", "docs/images", "example_apps"):
        ignore = shutil.ignore_patterns("__pycache__", ".gradio")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name, text in ADDED.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    starts = {"serve": SERVE, "assemble": ASSEMBLE}
    for name, start in starts.items():  # as their commands do
        scripts = f"import sys\nsys.path[0] = {str(folder / 'scripts')!r}\n"
        (folder / f"{name}.py").write_text(scripts + start)
    return folder


@contextlib.contextmanager
def serving(file, uploads, **environment):
    """Serve a gallery; in the end, whatever was asked, it stops and has printed no traceback."""
    with run_main(file, GRADIO_TEMP_DIR=uploads, **environment) as server:
        server.uploads = uploads
        yield server.wait()
        status, printed = server.stop(signal.SIGTERM), server.printed()
    assert status == 0
    assert printed.splitlines()[-1] == "Stopped."
    assert "Traceback" not in printed
    assert "ERROR" not in printed


@pytest.fixture(scope="module")
def tree(tmp_path_factory, classifier):
    """The step apps, added ones, a classifier that has weights, and one that has none."""
    tree = copy_tree(tmp_path_factory.mktemp("gallery") / "tree")
    shutil.copytree(classifier("resnet").folder, tree / "resnet_image_classification")
    vgg11, weights = find_app("vgg11").folder, shutil.ignore_patterns("*.pth")
    shutil.copytree(vgg11, tree / vgg11.name, ignore=weights)
    return tree


@pytest.fixture(scope="module")
def gallery(tree):
    with serving(tree / "serve.py", tree.parent / "uploads") as running:
        yield running


@pytest.fixture
def gallery_page(page, gallery):
    """The gallery's page in a browser."""
    page.goto(gallery.url)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


def tile(page, name):
    return page.locator(".tile").filter(has=page.get_by_role("heading", name=name, exact=True))


# ---- The page ----


def test_every_app_has_a_tile_with_its_screenshot_name_and_lesson(gallery_page, tree):
    expect(gallery_page.locator(".tile h2")).to_have_text(SHOWN)
    for app in [find_app(name, tree) for name in SHOWN]:
        shown = tile(gallery_page, app.name)
        expect(shown).to_contain_text(app.summary.split(": ", 1)[-1], ignore_case=True)
        there = (ROOT / "docs" / "images" / f"{app.name}.png").exists()
        expect(shown.locator("img")).to_have_count(int(there))
        if there:
            shown.locator("img").evaluate("image => image.decode()")


def test_apps_that_do_not_start_are_left_out_in_a_line_each(gallery_page):
    lines = gallery_page.get_by_role("listitem").filter(has_text="is not here")
    cure = "is not here: it does not start. make run APP={} fetches what it needs, or says what"
    expect(lines).to_contain_text([f"{n} {cure.format(n)}" for n in ("broken", "vgg11")])
    assert "something secret" not in gallery_page.content()


def test_open_leads_to_the_app_by_itself(gallery_page, gallery):
    tile(gallery_page, "hello").get_by_role("link", name="Open").click()
    gallery_page.wait_for_url(f"{gallery.url}hello/")
    gallery_page.get_by_label("name").fill("Ada")
    gallery_page.get_by_role("button", name="Submit").click()
    expect(gallery_page.get_by_label("output")).to_have_value("Hello Ada!")


def test_an_app_can_be_used_in_place_and_is_loaded_only_then(gallery_page):
    expect(gallery_page.locator("iframe")).to_have_count(0)
    tile(gallery_page, "sepia").get_by_role("button", name="Try it here").click()
    frame = gallery_page.frame_locator("iframe")
    frame.locator("input[type=file]").set_input_files(IMAGE)
    image = frame.locator(".image-frame img[src*='/sepia/gradio_api/file=']")
    expect(image).to_have_count(1)
    frame.get_by_role("button", name="Submit").click()
    expect(image).to_have_count(2)
    # the frame is as high as the app, and has no scroll bar of its own
    expect(frame.locator("footer")).to_be_visible()
    frame_is_high = "e => e.clientHeight == e.contentDocument.documentElement.scrollHeight"
    gallery_page.wait_for_function(f"({frame_is_high})(document.querySelector('iframe'))")


def test_the_source_is_the_file_to_the_character(gallery_page, tree):
    shown, file = tile(gallery_page, "shout"), tree / "example_apps" / "shout_app.py"
    gallery_page.set_viewport_size({"width": 1100, "height": 600})
    shown.get_by_role("button", name="Source").click()
    expect(shown.get_by_text("example_apps/shout_app.py")).to_be_visible()
    expect(shown.locator(".cm-line").first).to_be_in_viewport()  # though the tile has moved
    expect(shown.locator(".cm-line span", has_text="import").first).to_be_visible()  # in colour
    with gallery_page.expect_download() as download:
        shown.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).read_text() == file.read_text().strip()


def test_on_a_phone_it_is_one_column_and_nothing_sticks_out(gallery_page):
    gallery_page.set_viewport_size({"width": 390, "height": 844})
    tile(gallery_page, "examples").get_by_role("button", name="Try it here").click()
    tile(gallery_page, "progress").get_by_role("button", name="Source").click()
    expect(gallery_page.frame_locator("iframe").get_by_label("name")).to_be_visible()
    expect(gallery_page.locator(".cm-line").first).to_be_visible()
    assert gallery_page.evaluate("document.documentElement.scrollWidth") == 390
    boxes = [shown.bounding_box() for shown in gallery_page.locator(".tile").all()]
    assert len({box["x"] for box in boxes}) == 1
    assert max(box["x"] + box["width"] for box in boxes) <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_the_page(gallery_page, scheme):
    gallery_page.emulate_media(color_scheme=scheme)
    assert serious(gallery_page) == []


def test_each_app_keeps_its_theme_its_css_and_its_footer(page, gallery):
    style = "e => [getComputedStyle(e)].flatMap(s => [s.backgroundColor, s.getPropertyValue('{}')])"
    looks = {}
    for name in ("hello", "themed", "shout"):
        page.goto(f"{gallery.url}{name}/")
        submit = page.get_by_role("button", name="Submit")
        page.wait_for_function(HAS_THEME)
        looks[name] = submit.evaluate(style.replace("{}", "--loudness"))
        api = page.get_by_role("button", name="Use via API")
        expect(api).to_have_count(0 if name == "shout" else 1)
    assert looks["hello"][0] == looks["shout"][0] != looks["themed"][0]
    assert [look[1] for look in looks.values()] == ["", "", "11"]


def test_a_classifier_predicts_for_an_example_of_its_own(page, gallery):
    page.goto(f"{gallery.url}resnet/")
    page.locator("button.gallery-item").first.click()
    expect(page.locator(".image-frame img[src*='/file=']")).to_have_count(1)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("[data-testid$=-confidence-set], .confidence-set")).to_have_count(5)


# ---- Over HTTP ----


@pytest.mark.parametrize("place", ["", "cells/", "sepia/", "resnet/"])
def test_an_app_opens_and_fetches_only_what_was_uploaded_to_it(gallery, place):
    """Nor does the page; and a file that is not there gets the same response."""
    functions = requests.get(f"{gallery.url}{place}config", timeout=10).json()["dependencies"]
    function = next(iter(functions), {"api_name": "none", "id": 0})
    queued = {"fn_index": function["id"], "session_hash": "stranger"}
    ways = {f"{way}/{function['api_name']}": {} for way in ("call", "run")} | {"queue/join": queued}
    other = "cells" if place != "cells/" else "hello"
    of_another_app = upload(f"{gallery.url}{other}/", IMAGE)["path"]
    uploads = gallery.uploads / place
    paths = ["https://example.com/a.png", IMAGE, IMAGE.with_name("absent.png"), of_another_app]
    paths.append(f"{uploads}/{os.path.relpath(IMAGE, uploads)}")
    for path, mark, (way, more) in itertools.product(paths, ({}, FILE), ways.items()):
        body = {"data": [{"path": str(path), **mark}], **more}
        response = requests.post(f"{gallery.url}{place}gradio_api/{way}", json=body, timeout=20)
        assert response.status_code == 422
        assert told(response) == (NO_ADDRESS if "http" in str(path) else NO_UPLOAD), (path, way)


def test_an_upload_is_used_by_its_app_and_shown_by_no_other(gallery):
    image = upload(f"{gallery.url}sepia/", IMAGE)
    assert ask(f"{gallery.url}sepia/", "sepia", image)
    for place, status in (("sepia/", 200), ("hello/", 403), ("", 403)):
        url = f"{gallery.url}{place}gradio_api/file={image['path']}"
        assert requests.get(url, timeout=10).status_code == status


@pytest.mark.parametrize("name", ["progress", "sepia"])
def test_a_client_gets_at_an_app_s_path_what_the_app_responds(gallery, tree, tmp_path, name):
    assert check_over_http(find_app(name, tree), f"{gallery.url}{name}/", str(tmp_path))


def test_added_apps_run_each_with_its_own_modules(gallery):
    assert ask(f"{gallery.url}shout/", "shout", "abc") == ["ABC"]
    for name in ("cells", "colonies"):
        assert f"helper of {name}" in str(ask(f"{gallery.url}{name}/", "f"))


def test_a_path_without_its_slash_leads_to_the_app(gallery):
    response = requests.get(f"{gallery.url}hello?address=//elsewhere", timeout=10)
    assert response.url == f"{gallery.url}hello/"
    assert requests.get(f"{gallery.url}nothing", timeout=10).status_code == 404


def test_each_app_keeps_its_limits(gallery):
    for name in ("resnet", "hello", "shout"):
        assert send(f"{gallery.url}{name}/", bytes(21_000_000)).status_code == 413
        url = f"{gallery.url}{name}/monitoring/summary"
        assert requests.get(url, timeout=10).status_code == 404


# ---- Servers of their own ----


@pytest.mark.long
def test_behind_a_proxy_the_addresses_of_apps_and_files_are_the_user_s(tmp_path):
    """The proxy takes the path /sub away before it asks the gallery."""
    proxy = {"X-Forwarded-Host": "apps.example.org", "X-Forwarded-Proto": "https"}
    file = copy_tree(tmp_path / "tree") / "serve.py"
    with serving(file, tmp_path / "uploads", GRADIO_ROOT_PATH="/sub/") as gallery:
        for place, root in (("", "/sub"), ("hello/", "/sub/hello")):
            config = requests.get(f"{gallery.url}{place}config", headers=proxy, timeout=10).json()
            assert config["root"] == "https://apps.example.org" + root
        sepia = f"{gallery.url}sepia/"
        response = call(sepia, "sepia", upload(sepia, IMAGE), **proxy)
        assert '"https://apps.example.org/sub/sepia/gradio_api/file=' in response


@pytest.mark.long
def test_uploads_are_deleted_in_time_and_in_the_end(tmp_path):
    tree = copy_tree(tmp_path / "tree")
    file, clock = tree / "example_apps" / "guard.py", "SWEEP_S, KEEP_S = "
    assert f"{clock}10, 1800" in file.read_text()
    file.write_text(file.read_text().replace(f"{clock}10, 1800", f"{clock}1, 10"))
    with serving(tree / "serve.py", tmp_path / "uploads") as gallery:
        sepia = f"{gallery.url}sepia/"
        image = upload(sepia, IMAGE)
        assert ask(sepia, "sepia", image)  # within the 10 s, on a busy machine as well
        wait_for(lambda: not Path(image["path"]).exists(), 40)
        last = Path(upload(sepia, IMAGE)["path"])
        assert last.exists()
    assert not last.exists()


@pytest.mark.long
def test_it_stops_at_once_while_pages_are_open_and_functions_run(tmp_path):
    with serving(copy_tree(tmp_path / "tree") / "serve.py", tmp_path / "uploads") as gallery:
        # what an open page holds, and what a slow function is asked
        urls = [f"{gallery.url}{name}gradio_api/heartbeat/1" for name in ("", "hello/", "sepia/")]
        url = f"{gallery.url}progress/gradio_api/call/greet"
        event = requests.post(url, json={"data": ["Ada"]}, timeout=10).json()["event_id"]
        responses = [requests.get(u, stream=True, timeout=10) for u in (*urls, f"{url}/{event}")]
        time.sleep(1)
        gallery.process.terminate()
        gallery.process.wait(5)
        for response in responses:
            response.close()


# ---- The gallery as an app folder, to be packaged ----


def assemble(tree, folder):
    """Run the program of a tree that puts the gallery together, and return what it prints."""
    command = [sys.executable, tree / "assemble.py", folder]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def assembled(tree):
    assemble(tree, tree.parent / "assembled")
    return tree.parent / "assembled"


def test_it_holds_the_apps_that_are_whole_and_needs_what_they_need(assembled):
    names = {app.name for app in find_apps(assembled)}
    assert names == {*SHOWN, "broken"}  # not vgg11, which has no weights
    lines = {*(assembled / "requirements.txt").read_text().splitlines()}
    for name in ("example_apps", "resnet_image_classification"):
        assert {*(ROOT / name / "requirements.txt").read_text().splitlines()} <= lines


def test_scilifelab_serve_would_run_it_with_classifiers_and_without(assembled, tmp_path):
    assemble(copy_tree(tmp_path / "tree"), tmp_path / "steps")
    for folder in (assembled, tmp_path / "steps"):
        assert {each.rule for each in check(folder, folder / "main.py")} <= {"weights"}
        dockerfile = (folder / "Dockerfile").read_text()
        for name in ("cells", "example_apps", "scripts", "docs"):
            assert f'["{name}/", "{name}/"]' in dockerfile


def test_contradicting_pins_give_a_message(tmp_path):
    tree = copy_tree(tmp_path / "tree")
    (tree / "cells" / "requirements.txt").write_text("gradio==6.0.0\n")
    printed = assemble(tree, tmp_path / "gallery")
    assert "hello needs gradio==6.31.0, and cells gradio==6.0.0." in printed
    assert "Traceback" not in printed


@pytest.mark.long
def test_it_runs_by_python_main(assembled, tmp_path, page):
    with serving(assembled / "main.py", tmp_path / "uploads") as gallery:
        app = find_app(str(assembled / "main.py"))
        assert check_over_http(app, gallery.url, str(tmp_path))
        page.goto(gallery.url)
        expect(page.locator(".tile h2")).to_have_text(SHOWN)
        assert ask(f"{gallery.url}hello/", "greet", "Ada") == ["Hello Ada!"]
        page.goto("about:blank")
