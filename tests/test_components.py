"""Pages that ask for more than most work through the guard, which lets known requests in only.

All on one page of a real browser; some components stand for the whole kind (those with functions on
the server, with a stream, with a listener for each session).
"""

import re
import shutil
import sys
import time
from types import SimpleNamespace

import pytest
import requests
import sample_images
from calls import NO_UPLOAD
from conftest import ROOT, nginx_before, started_main, wait_for
from gradio_client import Client
from maintain.browser import find_browser
from playwright.sync_api import expect
from server import Server, free_port

pytestmark = pytest.mark.slow
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


def copy_bare(folder, old="", new="", name="main.py"):
    """Copy the bare app with some text of a file replaced, and return its folder."""
    shutil.copytree(ROOT / "scripts" / "bare", folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    return folder


@pytest.fixture(scope="module")
def components(tmp_path_factory, browser):
    """The app with all components, its page in a browser with a camera, and what it was refused."""
    folder = tmp_path_factory.mktemp("components")
    app = copy_bare(folder / "app")
    shutil.copy(ROOT / "tests" / "components_app.py", app / "main.py")
    (app / "shown").mkdir()
    for name in ("a.txt", "b.txt"):
        (app / "shown" / name).write_text(name)
    sample_images.drawing(60, 40).save(folder / "drawing.png")
    refused = []
    with started_main(app, folder / "uploads") as (served, _):
        options = {"executable_path": find_browser(), "args": ["--no-sandbox", *CAMERA]}
        with browser.browser_type.launch(**options) as launched:
            allowed = ["camera", "clipboard-read", "clipboard-write"]
            page = launched.new_context(permissions=allowed).new_page()
            page.set_default_timeout(20_000)
            page.on("response", lambda r: r.status >= 400 and refused.append((r.status, r.url)))
            page.goto(served.url)
            expect(page.get_by_label("Ticked")).to_have_value("1")
            yield SimpleNamespace(served=served, page=page, folder=folder, refused=refused)
    # what a camera sends after its time, and what Gradio asks for in vain itself
    late = re.compile(r"/gradio_api/stream/\w+(/close)?$|/monitoring/summary$|/mcp/schema$")
    assert [each for each in refused if not late.search(each[1])] == []


def says(components, text):
    expect(components.page.get_by_label("Said", exact=True)).to_have_value(text)


def press(components, name):
    components.page.get_by_role("button", name=name, exact=True).click()


def test_a_gallery_that_is_clicked(components):
    components.page.get_by_role("button", name="Thumbnail 2 of 3").click()
    says(components, "number 1")


def test_rows_and_examples(components):
    components.page.get_by_role("button", name="two").first.click()
    says(components, "two")
    press(components, "Carl")
    expect(components.page.get_by_label("Name", exact=True)).to_have_value("Carl")


def test_a_state_and_a_table(components):
    for number in ("1", "2"):
        press(components, "Count")
        expect(components.page.get_by_label("Counted")).to_have_value(number)
    press(components, "Sum")
    says(components, "10")


def test_what_is_rendered_for_one_session(components):
    components.page.get_by_label("Words").fill("alpha beta")
    press(components, "Say beta")
    says(components, "said beta")


def test_a_limit_that_a_function_has_changed(components):
    press(components, "More")
    expect(components.page.get_by_label("number input for Level")).to_have_value("25")
    press(components, "Tell")
    says(components, "at 25")


def test_json_with_an_address_is_passed_and_with_a_path_refused_in_words(components):
    press(components, "Look")
    says(components, "{'url': 'https://example.com/a', 'n': [1]}")
    press(components, "Look wrong")
    expect(components.page.get_by_text(NO_UPLOAD).first).to_be_visible()
    components.refused[:] = [each for each in components.refused if each[0] != 422]
    url = components.served.url + "gradio_api/call/look"
    for value, status in (
        ({"url": "https://example.com/a"}, 200),
        ({"url": "data:,a", "more": 1}, 200),
        ({"path": "/etc/passwd", "more": 1}, 422),
        ({"a": [{"path": "notes/1"}]}, 422),
    ):
        response = requests.post(url, json={"data": [value]}, timeout=20)
        assert response.status_code == status
        if response.ok:
            event = response.json()["event_id"]
            assert value["url"] in requests.get(f"{url}/{event}", timeout=20).text


def test_a_page_goes_on_after_a_job_that_was_stopped(components):
    press(components, "Go")
    name = components.page.get_by_label("Name", exact=True)
    expect(name).to_have_value(re.compile("at [2-9]"))
    press(components, "Stop")
    components.page.wait_for_timeout(2_000)  # its timer asks meanwhile
    stopped = name.input_value()
    press(components, "Count")
    press(components, "Tell")
    says(components, re.compile("at [0-9]+$"))
    press(components, "Look")
    says(components, re.compile("example"))
    assert name.input_value() == stopped != "at 299"


def test_several_files_and_those_of_the_server(components):
    page = components.page
    several = page.locator("input[type=file][multiple]").first
    several.set_input_files([ROOT / "README.md", components.folder / "drawing.png"])
    says(components, "README.md, drawing.png")
    for name in ("a.txt", "b.txt"):  # which a function of the component has listed
        expect(page.get_by_text(name)).to_be_visible()


def test_a_message_with_files(components):
    field = components.page.get_by_test_id("textbox").and_(components.page.locator(":enabled"))
    field.last.fill("hello")
    field.last.press("Enter")
    says(components, "hello 0")


def test_a_drawing(components):
    page = components.page
    page.locator("input[type=file]").nth(1).set_input_files(components.folder / "drawing.png")
    page.wait_for_timeout(2_000)
    press(components, "Measure")
    says(components, re.compile(r"\(40, 60, \d\)"))
    form = {"type": "layer", "id": "1", "component_id": "1", "session_hash": "a"}
    form |= {"fn_name": "accept_blobs", "index": "1000000000"}  # Gradio would make a list of it
    url, file = components.served.url + "gradio_api/component_server", {"file": b"x"}
    assert requests.post(url, data=form, files=file, timeout=20).status_code == 400


def test_a_camera(components):
    components.page.get_by_text("Click to Access Webcam").first.click()
    components.page.get_by_role("button", name="capture photo").first.click()
    says(components, re.compile(r"\(\d+, \d+, 3\)"))


def test_a_link_to_what_the_page_shows_holds_no_address_of_a_caller(components):
    page, api = components.page, components.served.url + "gradio_api/"
    press(components, "Carl")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Carl")
    page.get_by_role("button", name="Share via Link").click()
    copied = "navigator.clipboard.readText().then(text => text.includes('deep_link='))"
    page.wait_for_function(copied)
    link = page.evaluate("navigator.clipboard.readText()")
    assert "Carl" in requests.get(link, timeout=20).text

    with (components.folder / "drawing.png").open("rb") as stream:
        (path,) = requests.post(api + "upload", files={"files": stream}, timeout=20).json()
    image = {"path": path, "url": "https://evil.example/x.png"}
    body = {"data": [{**image, "meta": {"_type": "gradio.FileData"}}], "session_hash": "linked"}
    config = requests.get(components.served.url + "config", timeout=20).json()
    number = next(f["id"] for f in config["dependencies"] if f["api_name"] == "picture")
    assert requests.post(api + "queue/join", json={**body, "fn_index": number}, timeout=20).ok
    said = requests.get(api + "queue/data?session_hash=linked", timeout=20).text
    assert "(40, 60, 3)" in said
    link = requests.get(api + "deep_link?session_hash=linked", timeout=20).json()
    text = requests.get(f"{components.served.url}?deep_link={link}", timeout=20).text
    assert (path in text, "evil.example" in text) == (True, False)


def test_a_second_page(components):
    page = components.page
    page.goto(components.served.url + "second")
    page.get_by_label("Word").fill("ab")
    press(components, "Double")
    expect(page.get_by_label("Twice")).to_have_value("abab")


@pytest.mark.long
def test_a_login_of_the_author_s_own_and_a_mistake_in_it(tmp_path, browser):
    users = "lambda user, password: {'ada': 'secret'}[user] == password"
    old = "    demo.launch(**settings(demo))"
    logout = '    with demo:\n        gr.Button("Leave", link="/logout")\n'
    new = f"{logout}    demo.launch(**settings(demo, auth={users}))"
    folder, page = copy_bare(tmp_path / "app", old, new), browser.new_page()
    with started_main(folder, tmp_path / "uploads", errors=True) as (served, _):
        client = Client(served.url, auth=("ada", "secret"), verbose=False)
        assert client.predict("Ada", api_name="/greet") == "Hello Ada!"
        client.close()
        call = {"url": served.url + "gradio_api/call/greet", "json": {"data": ["Ada"]}}
        assert requests.post(**call, timeout=10).status_code == 401
        wrong = {"username": "ada", "password": "x"}
        assert requests.post(served.url + "login", data=wrong, timeout=10).status_code == 400
        large = {"username": "ada", "password": "x" * 200_000}
        assert requests.post(served.url + "login", data=large, timeout=10).status_code == 413
        assert "Traceback" not in served.printed()
        requests.post(served.url + "login", data={**wrong, "username": "eve"}, timeout=10)
        wait_for(lambda: "KeyError: 'eve'" in served.printed())  # logged after the response
        assert "Traceback" in served.printed()
        page.goto(served.url)
        page.get_by_label("username").fill("ada")
        page.get_by_label("password").fill("secret")
        page.get_by_role("button", name="Login").click()
        page.get_by_label("name").fill("Ada")
        page.get_by_role("button", name="Submit").click()
        expect(page.get_by_label("output")).to_have_value("Hello Ada!")
        page.get_by_text("Leave").click()
        expect(page.get_by_label("username")).to_be_visible()
        page.close()


@pytest.mark.long
def test_a_function_that_is_renamed_while_gradio_reloads_the_app(tmp_path):
    folder = copy_bare(tmp_path / "app")
    environment = {"GRADIO_TEMP_DIR": tmp_path / "uploads", "PORT": "{PORT}"}
    environment |= {"GRADIO_SERVER_NAME": "127.0.0.1"}
    command = [sys.executable, "-c", "from gradio.cli import cli; cli()", "main.py"]
    with Server(command, cwd=folder, **environment) as server:
        url = server.wait().url
        call = {"url": url + "gradio_api/call/greet", "json": {"data": ["Ada"]}}
        assert requests.post(**call, timeout=10).status_code == 200
        main = folder / "main.py"
        main.write_text(main.read_text().replace("greet", "welcome"))
        call["url"] = url + "gradio_api/call/welcome"
        deadline = time.monotonic() + 60
        while not (response := requests.post(**call, timeout=10)).ok:
            assert time.monotonic() < deadline, response.text
            time.sleep(1)
            main.touch()  # the first change comes before Gradio watches the file
        event = response.json()["event_id"]
        assert "Hello Ada!" in requests.get(f"{call['url']}/{event}", timeout=10).text
        assert requests.get(url + "health", timeout=10).ok


def test_a_refusal_is_on_the_page_behind_a_proxy_of_error_pages(running, tmp_path, browser):
    """The user uploads an image and goes to lunch; meanwhile it is deleted."""
    served, outside = running("sepia"), free_port()
    location = f"""location / {{ proxy_pass {served.url}; proxy_intercept_errors on;
      error_page 403 404 500 502 503 504 @page; proxy_buffering off; }}
      location @page {{ internal; return 503 "<html>This app is not available</html>"; }}"""
    page = browser.new_page()  # not the fixture: the refusal is an error in the console
    page.set_default_timeout(20_000)
    sample_images.drawing().save(tmp_path / "a.png")
    with nginx_before(tmp_path, outside, location):
        page.goto(f"http://127.0.0.1:{outside}/")
        with page.expect_response("**/gradio_api/upload*"):
            page.locator("input[type=file]").first.set_input_files(tmp_path / "a.png")
        expect(page.get_by_role("button", name="Remove Image")).to_be_visible()
        for file in served.uploads.glob("*/a.png"):
            file.unlink()
        page.get_by_role("button", name="Submit").click()
        expect(page.get_by_text(NO_UPLOAD).first).to_be_visible()
        assert "not available" in requests.get(f"http://127.0.0.1:{outside}/no", timeout=10).text
    page.close()
