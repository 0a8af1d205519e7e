"""Calls that no page makes: each is refused, by a 4xx or a message, and the app goes on.

That no app has printed a traceback is checked in the end, by the fixture `serve`.
"""

import contextlib
import json
import re
import shutil
from pathlib import Path

import pytest
import requests
import sample_images
from apps import App, find_app
from conftest import ROOT, STEPS, long
from playwright.sync_api import expect

EACH = [*STEPS, "resnet"]
FUNCTIONS = {"sepia": "sepia", "resnet": "predict"}
DEEP = json.loads("[" * 900 + "]" * 900)
MARKUP = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


@pytest.fixture
def running(serve, classifier):
    return lambda name: serve(find_app(name) if name in STEPS else classifier(name))


def ask(served, name, body, route="call"):
    """Send a body to an app's function; return the status and the whole response."""
    url = f"{served.url}gradio_api/{route}/{FUNCTIONS.get(name, 'greet')}"
    content = body if isinstance(body, bytes) else json.dumps(body)
    headers = {"Content-Type": "application/json"}
    response = requests.post(url, data=content, headers=headers, timeout=30)
    if route == "call" and response.ok:
        event = response.json()["event_id"]
        return response.status_code, requests.get(f"{url}/{event}", timeout=30).text
    return response.status_code, response.text


WRONG_DATA = {
    "no argument": [],
    "too many": ["Ada", True, 50, "more", None],
    "a list": [["Ada"], ["x"], ["y"]],
    "an object": [{"a": 1}, {"b": 2}, {"c": 3}],
    "a number": [7, 7, 7],
    "nothing": [None, None, None],
    "deep": [DEEP, DEEP, DEEP],
    "out of range": ["Ada", True, 1e9],
    "not a number": ["Ada", True, float("nan")],
}


# a text field takes whatever can be written as a text; what is too much is not looked at
ONE_TEXT = {*WRONG_DATA} - {"no argument", "nothing"}
ACCEPTED = {name: ONE_TEXT for name in ("hello", "progress", "themed")}
ACCEPTED |= {name: {"too many", "a number"} for name in ("multi-input", "examples")}


CASES = [
    # progress takes 4 s to respond, and is otherwise like hello
    long(name, kind) if name == "progress" and kind in ONE_TEXT else (name, kind)
    for name in EACH
    for kind in WRONG_DATA
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_wrong_arguments_are_refused_or_accepted(running, name, kind):
    served = running(name)
    for route in ("call", "run"):
        status, text = ask(served, name, {"data": WRONG_DATA[kind]}, route)
        assert "Traceback" not in text
        if status == 200 and "event: error" not in text:
            assert kind in ACCEPTED.get(name, ())
        else:  # a message; Gradio's /run says 500 with each gr.Error
            words = re.search(r'"(?:error|message)":"(\w+ .+?\.?)"', text.replace('": "', '":"'))
            assert words, (route, status, text)
    assert requests.get(served.url, timeout=10).ok


@pytest.mark.parametrize("name", EACH)
def test_a_function_that_is_not_there_or_values_that_do_not_fit_by_any_way(running, name):
    served = running(name)
    function = FUNCTIONS.get(name, "greet")
    api = f"{served.url}gradio_api/"
    config = requests.get(served.url + "config", timeout=10).json()
    number = next(f["id"] for f in config["dependencies"] if f["api_name"] == function)
    wrong = [
        (f"call/{function}x", {"data": ["Ada"]}),
        (f"run/{function}x", {"data": ["Ada"]}),
        (f"run/{function}", {"data": ["Ada"], "fn_index": 9999}),
        ("queue/join", {"data": ["Ada"], "fn_index": 9999, "session_hash": "a"}),
        ("queue/join", {"data": [], "fn_index": number, "session_hash": "a"}),
        ("queue/join", {"data": ["Ada"], "session_hash": "a"}),
        (f"call/v2/{function}x", {}),
        (f"call/v2/{function}", {"unknown": 1}),
        (f"call/v2/{function}", {}),
        ("component_server", {}),
        ("component_server", {"component_id": 9999, "fn_name": "x", "session_hash": "a"}),
        ("cancel", {}),
        ("reset", {}),
    ]
    for route, body in wrong:
        response = requests.post(api + route, json=body, timeout=20)
        assert 400 <= response.status_code < 500, (route, body, response.text)
    assert requests.get(served.url, timeout=10).ok


FILE_MARK = {"_type": "gradio.FileData"}
NO_FILES = {
    "a text": "x",
    "a number": 1,
    "an object": {"x": 1},
    "a path alone": {"path": "UPLOAD"},
    "a mark alone": {"meta": FILE_MARK},
    "a mark of another type": {"path": "UPLOAD", "meta": "gradio.FileData"},
    "a list of texts": ["x"],
    "a list of nothing": [None],
    "a list of lists": [[{"path": "UPLOAD", "meta": FILE_MARK}]],
}


@pytest.fixture(scope="module")
def of_files(serve, tmp_path_factory):
    """An app of somebody else, with a field for a file and one for several."""
    folder = tmp_path_factory.mktemp("of_files") / "files"
    shutil.copytree(ROOT / "scripts" / "bare", folder)
    main, inputs = folder / "main.py", '[gr.File(label="One"), gr.File(file_count="multiple")]'
    code = main.read_text().replace("def greet(name):", "def greet(name, others):")
    code = code.replace('"Hello " + name', 'f"{name} {len(others or [])}"')
    main.write_text(code.replace('inputs="text"', f"inputs={inputs}"))
    return serve(App(("files",), main, ""))


def test_what_is_no_file_is_refused_with_a_message(of_files):
    content = {"files": ("note.txt", b"Hello", "text/plain")}
    (path,) = requests.post(of_files.url + "gradio_api/upload", files=content, timeout=10).json()
    file = {"path": path, "meta": FILE_MARK}
    for data in ([file, None], [file, []], [file, [file, file]]):
        status, text = ask(of_files, "files", {"data": data})
        assert (status, f"note.txt {len(data[1] or [])}!" in text) == (200, True)
    for kind, value in {**NO_FILES, "no list": file}.items():
        value = json.loads(json.dumps(value).replace("UPLOAD", path))
        wrong = [[file, value]] if kind == "no list" else [[value, None], [file, value]]
        for data in wrong:
            status, text = ask(of_files, "files", {"data": data})
            assert status in (403, 422), (kind, data, text)
            assert "must be a" in text or "Only files that were uploaded" in text
    status, text = ask(of_files, "files", {"data": [[file], None]})
    assert (status, "One must be a file" in text) == (422, True)


BODIES = {
    "no JSON": b"{",
    "no object": b"7",
    "no data": b"{}",
    "data of another type": b'{"data": 7}',
    "deep": b"[" * 100_000,
    "10 MB": b'{"data": ["' + b"x" * 10_000_000 + b'"]}',
    "bytes that are no text": b"\xff\xfe\xfd",
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("name", ["hello", "sepia", "resnet"])
def test_a_body_that_is_none_is_refused(running, name, kind):
    served = running(name)
    for route in ("call", "run"):
        status, text = ask(served, name, BODIES[kind], route)
        assert 400 <= status < 500, (route, text)
    assert requests.get(served.url, timeout=10).ok


def read_stream(url):
    """Return what an app sends until it ends, which it does without a proper end."""
    said = b""
    with contextlib.suppress(requests.exceptions.ChunkedEncodingError):
        for part in requests.get(url, stream=True, timeout=10).iter_content(1):
            said += part
    return said.decode()


@pytest.mark.parametrize("name", ["hello", "sepia"])
def test_an_event_of_somebody_else_is_not_told(running, name):
    served = running(name)
    url = f"{served.url}gradio_api/call/{FUNCTIONS.get(name, 'greet')}"
    for event in ("0" * 32, "../../config", "%2e%2e", "x" * 3000):
        assert "complete" not in read_stream(f"{url}/{event}")

    config = requests.get(served.url + "config", timeout=10).json()
    number = next(f["id"] for f in config["dependencies"] if f["api_name"] in ("greet", "sepia"))
    body = {"data": [None], "fn_index": number, "session_hash": "ada"}
    assert requests.post(served.url + "gradio_api/queue/join", json=body, timeout=10).ok
    stream = read_stream(served.url + "gradio_api/queue/data?session_hash=other")
    assert '"session_not_found":true' in stream
    assert "completed" not in stream
    assert "completed" in read_stream(served.url + "gradio_api/queue/data?session_hash=ada")


@pytest.mark.parametrize(
    "upload_name", ["../../up.png", "/etc/cron.d/up.png", MARKUP + ".png", "n" * 300, "..", ""]
)
def test_the_name_of_an_upload_leads_nowhere(running, tmp_path, upload_name):
    served = running("sepia")
    sample_images.drawing().save(tmp_path / "a.png")
    files = {"files": (upload_name, (tmp_path / "a.png").read_bytes())}
    response = requests.post(served.url + "gradio_api/upload", files=files, timeout=10)
    if response.ok:
        (path,) = response.json()
        assert served.uploads in Path(path).resolve().parents
        status, text = ask(served, "sepia", {"data": [{"path": path}]})
        assert (status, "event: complete" in text) == (200, True)
    else:
        assert 400 <= response.status_code < 500


def test_markup_stays_text_on_the_page(running, page):
    page.goto(running("hello").url)
    page.get_by_label("name").fill(MARKUP)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("output")).to_have_value(f"Hello {MARKUP}!")
    assert page.title() != "broken"
