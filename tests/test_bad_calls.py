"""Calls that no page makes: each is refused, by a 4xx or a message, and costs nobody else anything.

Gradio itself checks the values of a call, and writes a traceback of its own for some; that no app
has printed one for anything else is checked in the end, by the fixture `serve`.
"""

import contextlib
import json
import re
import shutil
from pathlib import Path

import pytest
import requests
import sample_images
from calls import FILE, NO_UPLOAD, call, connect, send, upload
from conftest import ROOT, started_main, wait_for
from playwright.sync_api import expect

DEEP = json.loads("[" * 900 + "]" * 900)
MARKUP = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
JSON = {"Content-Type": "application/json"}
NO_FUNCTION = "There is no such function, or it runs in the browser only."


def greets(served):
    return "Hello Ada!" in call(served.url, "greet", "Ada")


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A bare app with a slider, an example, a field for a file, and a listener without a backend.

    Its values of the wrong kind are Gradio's affair, and so is the traceback.
    """
    folder = tmp_path_factory.mktemp("odd")
    app = shutil.copytree(ROOT / "scripts" / "bare", folder / "app")
    text = (app / "main.py").read_text()
    more = """
with demo:
    level, said = gr.Slider(0, 10, label="Level"), gr.Textbox(label="Said")
    level.release(lambda value: f"at {value}", level, said, api_name="level")
    file, several = gr.File(), gr.File(file_count="multiple")
    several.upload(
        lambda *files: " ".join(map(str, files)), [file, several], said, api_name="files"
    )
    gr.Examples([["Ada"], ["Carl"]], said, api_name="load_example", api_visibility="public")
    gr.Button().click(None, level, said, js="value => value", api_name="in_browser")

if __name__"""
    assert "\nif __name__" in text
    (app / "main.py").write_text(text.replace("\nif __name__", more))
    with started_main(app, folder / "uploads", errors=True) as (served, _):
        yield served


WRONG_LEVELS = ["a text", None, [1], {"a": 1}, [[[[5]]]], 11, -1, 1e9, True, "1\n\x1b[31mERROR"]


@pytest.mark.slow
def test_a_value_of_the_wrong_kind_costs_nobody_anything(odd):
    for value in WRONG_LEVELS:
        assert "event: error" in call(odd.url, "level", value) or value is True
        assert greets(odd)
    # what a stranger sent is not a line of the log, and gives no orders to a terminal
    assert "\x1b" not in odd.printed()
    assert not re.search("^ERROR", odd.printed(), re.MULTILINE)


@pytest.mark.slow
def test_what_is_no_file_is_refused_with_a_message(odd):
    file = upload(odd.url, b"Hello", "note.txt")
    for value, expected in (
        (file, "note.txt"),
        (FILE, NO_UPLOAD),
        ({"path": "", **FILE}, NO_UPLOAD),
        ({"path": None, **FILE}, NO_UPLOAD),
        ([[file]], "event: error"),
        ("x", "event: error"),
    ):
        for values in ((value, None), (file, [value])):
            assert expected in call(odd.url, "files", *values), value
    # Gradio would pass on whatever stands beside the path
    odd_keys = {**file, "size": "x", "url": [], "orig_name": 5, "is_stream": "yes", "evil": 1}
    assert "event: complete" in call(odd.url, "files", odd_keys, None)


@pytest.mark.slow
def test_a_call_that_fits_no_function_is_refused_in_a_line(odd):
    """Also those that Gradio answers with a traceback, and those that end it for everybody."""
    config = requests.get(odd.url + "config", timeout=10).json()
    number = {f["api_name"]: f["id"] for f in config["dependencies"]}
    session = {"session_hash": "a"}
    in_browser, example = number["in_browser"], number["load_example"]
    wrong = [
        ("call/nothing", {"data": ["Ada"]}, NO_FUNCTION),
        ("call/in_browser", {"data": [5]}, NO_FUNCTION),
        ("run/nothing", {"data": ["Ada"]}, NO_FUNCTION),
        ("run/greet", {"data": ["Ada"], "fn_index": 9999}, NO_FUNCTION),
        ("run/greet", {"data": ["Ada"]}, "does not accept direct HTTP POST requests"),
        ("queue/join", {"data": ["Ada"], **session}, NO_FUNCTION),
        ("call/level", {"data": []}, "takes 1 value(s)"),
        ("call/level", {"data": [], "fn_index": in_browser}, "takes 1 value(s)"),
        ("call/level", {"data": [1, 2]}, "takes 1 value(s)"),
        ("call/level", {"data": 7}, "data"),
        ("call/level", {}, "data"),
        ("queue/join", {"data": ["Ada"], "fn_index": number["greet"]}, "Session hash not found"),
        ("call/v2/nothing", {}, "has a wrong form"),
        ("call/v2/greet", {"unknown": 1}, "has a wrong form"),
        ("call/v2/greet", {}, "has a wrong form"),
        ("cancel", {}, "session_hash"),
        ("reset", {}, "event_id"),
    ]
    for index in (9999, -1, in_browser, f"{in_browser}", str(number["greet"]), True, 0.0, [0]):
        wrong.append(("queue/join", {"data": [5], "fn_index": index, **session}, ""))
    for value in (9999, -1, 2, "x", None, True, 1.0, [0], {"a": 1}):
        wrong.append(("run/load_example", {"data": [value]}, "no such example"))
        wrong.append(("queue/join", {"data": [value], "fn_index": example, **session}, "example"))
    for name in ("", "b" * 65, "a b", "a\n", "a/b", "é!", 5.5, ["a"]):
        body = {"data": ["Ada"], "fn_index": number["greet"], "session_hash": name}
        wrong.append(("queue/join", body, ""))
    before = odd.printed()
    for route, body, said in wrong:
        response = requests.post(f"{odd.url}gradio_api/{route}", json=body, timeout=20)
        assert 400 <= response.status_code < 500, (route, body, response.text)
        assert response.status_code not in (403, 404), (route, body)  # proxies replace these
        assert said in response.text, (route, body, response.text)
    assert greets(odd)
    lines = odd.printed().removeprefix(before).splitlines()
    assert [line for line in lines if not line.startswith(("A call was refused: ", "* "))] == []
    assert len(lines) < 10
    url = odd.url + "gradio_api/run/load_example"
    assert "Carl" in requests.post(url, json={"data": [1]}, timeout=10).text


BODIES = {
    "no JSON": (b"{", 400, "This is not JSON."),
    "no object": (b"7", 400, "This is not a JSON object."),
    "deep": (b"[" * 40_000, 400, "This is not JSON."),
    "deeper than any page": (json.dumps({"data": [DEEP]}), 400, "nested more than 50 levels"),
    "10 MB": (b'{"data": ["' + b"x" * 10_000_000 + b'"]}', 413, "Send up to 4 MB"),
    "many lists": (b'{"data": [[' + b"[]," * 60_000 + b"0]]}", 413, "up to 50000 at once"),
    "many numbers": (b'{"data": [[' + b"5," * 60_000 + b"0]]}", 413, "up to 50000 at once"),
    "bytes that are no text": (b"\xff\xfe\xfd", 400, "This is not JSON."),
    "half a letter": (b'{"data": ["\\ud800"]}', 400, "This is not JSON."),
    "not a number": (b'{"data": [NaN]}', 400, "This is not JSON."),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BODIES)
def test_a_body_that_is_none_is_refused(running, kind):
    served, (body, status, said) = running("hello"), BODIES[kind]
    for route in ("call", "run", "call/v2"):
        url = f"{served.url}gradio_api/{route}/greet"
        response = requests.post(url, data=body, headers=JSON, timeout=30)
        assert (response.status_code, said in response.text) == (status, True), response.text
    assert requests.get(served.url, timeout=10).ok


def read_stream(url):
    """Return what an app sends until it ends, which it does without a proper end."""
    said = b""
    with contextlib.suppress(requests.exceptions.ChunkedEncodingError):
        for part in requests.get(url, stream=True, timeout=10).iter_content(1):
            said += part
    return said.decode()


GONE = "This result is no longer available. Please send your input again."


def test_an_event_of_somebody_else_is_not_told(running):
    served = running("hello")
    url = f"{served.url}gradio_api/call/greet"
    assert read_stream(f"{url}/{'0' * 32}") == json.dumps({"detail": GONE}, separators=(",", ":"))
    for event in ("../../config", "%2e%2e", "x" * 3000):
        assert "complete" not in read_stream(f"{url}/{event}")

    config = requests.get(served.url + "config", timeout=10).json()
    number = next(f["id"] for f in config["dependencies"] if f["api_name"] == "greet")
    body = {"data": [None], "fn_index": number, "session_hash": "ada"}
    assert requests.post(served.url + "gradio_api/queue/join", json=body, timeout=10).ok
    stream = read_stream(served.url + "gradio_api/queue/data?session_hash=other")
    assert '"session_not_found":true' in stream
    assert GONE in stream
    assert "completed" not in stream
    assert "completed" in read_stream(served.url + "gradio_api/queue/data?session_hash=ada")


@pytest.mark.slow
@pytest.mark.parametrize(
    "upload_name", ["../../up.png", "/etc/cron.d/up.png", MARKUP + ".png", "n" * 300, "..", ""]
)
def test_the_name_of_an_upload_leads_nowhere(running, upload_name):
    served = running("sepia")
    response = send(served.url, sample_images.saved(sample_images.drawing(), "PNG"), upload_name)
    if response.ok:
        (path,) = response.json()
        assert served.uploads in Path(path).resolve().parents
        assert "event: complete" in call(served.url, "sepia", {"path": path})
    else:
        assert 400 <= response.status_code < 500


@pytest.mark.slow
def test_markup_stays_text_on_the_page(running, page):
    page.goto(running("hello").url)
    page.get_by_label("name").fill(MARKUP)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("output")).to_have_value(f"Hello {MARKUP}!")
    assert page.title() != "broken"


def raw(served, head, body=b""):
    """Send a request as it is; return the status and the whole response."""
    with connect(served, f"{head}\n\n", body) as connection:
        said = b""
        while part := connection.recv(65536):
            said += part
    return int(said.split(b" ", 2)[1]), said.decode(errors="replace")


HOST = "Host: 127.0.0.1\nConnection: close"
HEADS = {
    "an origin without a host": ("GET / HTTP/1.0\nOrigin: http://example.com", 400),
    "a host that is none": (f"GET / HTTP/1.1\n{HOST}\nX-Forwarded-Host: a:b:c", 400),
    "a range of three": (f"GET /static/img/logo.svg HTTP/1.1\n{HOST}\nRange: bytes=1-2-3", 400),
    "6,000 letters": (f"GET /static/{'a' * 6000} HTTP/1.1\n{HOST}", 414),
    "a long name": (f"GET /static/{'a' * 256} HTTP/1.1\n{HOST}", 414),
    "a name long in bytes": (f"GET /static/{'%C3%A9' * 200} HTTP/1.1\n{HOST}", 414),
    "lines for the log": (
        f"GET /gradio_api/custom_component/x%0AERROR%20y/client/a/b HTTP/1.1\n{HOST}",
        404,
    ),
    "a file name with a line": (f"GET /gradio_api/file=%0AERROR%1b[31m HTTP/1.1\n{HOST}", 404),
    "two lengths": (
        "POST /gradio_api/call/greet HTTP/1.1\nContent-Type: application/json\n"
        f"Content-Length: 10\nTransfer-Encoding: chunked\n{HOST}",
        400,
    ),
}


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_that_no_browser_sends_leaves_nothing_in_the_log(running, kind):
    served = running("hello")
    before, (head, status) = served.printed(), HEADS[kind]
    assert raw(served, head)[0] == status
    assert served.printed() == before


def test_chunked_calls_are_counted_as_they_arrive(running):
    """By curl and R from a pipe; with both headers at once, Gradio counted neither."""
    served = running("hello")
    url, small = served.url + "gradio_api/call/greet", iter([b'{"data": ', b'["Ada"]}'])
    assert requests.post(url, data=small, headers=JSON, timeout=20).status_code == 200
    large = (b"x" * 100_000 for _ in range(100))
    response = requests.post(url, data=large, headers=JSON, timeout=20)
    assert (response.status_code, "Send up to 4 MB" in response.text) == (413, True)

    def form(megabytes):
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.bin"\r\n\r\n'
        yield from (bytes(100_000) for _ in range(10 * megabytes))
        yield b"\r\n--x--\r\n"

    form_type = {"Content-Type": "multipart/form-data; boundary=x"}
    for megabytes, status in ((1, 200), (60, 413)):
        where = served.url + "gradio_api/upload"
        with contextlib.suppress(requests.ConnectionError):  # refused while it was sent
            response = requests.post(where, data=form(megabytes), headers=form_type, timeout=20)
            assert response.status_code == status
    assert greets(served)
    assert not half_uploads(served)


def half_uploads(served):
    return [file for file in served.uploads.iterdir() if file.is_file()]


def test_half_an_upload_is_deleted_at_once(running):
    """Of too many files, and of a user who leaves before the whole has arrived."""
    served = running("hello")
    files = [("files", (f"{number}.txt", b"Hello")) for number in range(250)]
    response = requests.post(served.url + "gradio_api/upload", files=files, timeout=20)
    assert (response.status_code, "Too many files" in response.text) == (413, True)
    assert not half_uploads(served)
    head = f"POST /gradio_api/upload HTTP/1.1\n{HOST}\nContent-Length: 1000000\n"
    head += "Content-Type: multipart/form-data; boundary=x\n\n--x\n"
    head += 'Content-Disposition: form-data; name="files"; filename="a.bin"\n\n'
    with connect(served, head, bytes(500_000)):
        wait_for(lambda: half_uploads(served))
    wait_for(lambda: not half_uploads(served))
    assert greets(served)
