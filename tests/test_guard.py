"""Nobody gets a file that was not uploaded, nor can make an app fetch one: each app is asked.

Each is called as strangers may: by its API and by the queue of its page, with what the page would
send and with what it would not. `make run` starts the apps, as for most other tests; sepia and the
classifiers are also started by `python FILE`, and `hello` as in its image.
"""

import contextlib
import functools
import itertools
import json
import os
import shutil
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
import sample_images
from apps import find_app
from conftest import ROOT, STEPS, Served, start_main, wait_until_open
from server import free_port

MESSAGE = "Only files that were uploaded here can be used."
MARK = {"meta": {"_type": "gradio.FileData"}}
JSON = ["application/json", "application/json; charset=utf-8", "application/vnd.api+json"]
JSON += [
    "application/json; a=multipart",
    "application/multipart+json",
    "text/plain",
    "application/x-www-form-urlencoded",
    None,
]
EACH = [*STEPS, "resnet"]  # the other classifiers have the same guard.py


@pytest.fixture(scope="module")
def canary():
    """A web server on this machine, and the list of paths that it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def running(serve, classifier):
    """Return a function that starts an app by its name; it is `Served` for all tests here."""

    def run(name):
        return serve(find_app(name) if name in STEPS else classifier(name))

    return run


@functools.cache
def endpoint(served):
    """Return the name of an app's function, its number for the page, and what it is sent."""
    config = requests.get(served.url + "config", timeout=10).json()
    function = next(
        d for d in config["dependencies"] if d["api_name"] in ("greet", "sepia", "predict")
    )
    return function["api_name"], function["id"], len(function["inputs"])


def ask(served, file, route, content_type="application/json"):
    """Send an app a file as its first input; return the status and the text of the response."""
    name, number, inputs = endpoint(served)
    body = {"data": [file, True, 5][:inputs]}
    url = f"{served.url}gradio_api/{route}"
    if route == "queue/join":
        body |= {"fn_index": number, "session_hash": "stranger"}
    else:
        url += f"/{name}"
    headers = {"Content-Type": content_type} if content_type else {}
    response = requests.post(url, data=json.dumps(body), headers=headers, timeout=20)
    if route == "call" and response.ok:
        return response.status_code, requests.get(
            f"{url}/{response.json()['event_id']}", timeout=20
        ).text
    return response.status_code, response.text


def upload(served, file):
    with file.open("rb") as stream:
        url = served.url + "gradio_api/upload"
        return Path(requests.post(url, files={"files": stream}, timeout=10).json()[0])


@pytest.fixture
def private(tmp_path):
    sample_images.drawing(40, 30).save(tmp_path / "private.png")
    return tmp_path / "private.png"


def forbidden(uploads, private, canary):
    """Return what an app must not open, each under the name of a kind."""
    uploads.mkdir(parents=True, exist_ok=True)
    for name in ("link.png", "fifo.png"):
        (uploads / name).unlink(missing_ok=True)
    (uploads / "link.png").symlink_to(private)
    os.mkfifo(uploads / "fifo.png")
    (uploads / "folder.png").mkdir(exist_ok=True)
    climbing = os.path.relpath(private, uploads)
    return {
        "a file": str(private),
        "no file": str(private.with_name("absent.png")),
        "a file of the program": str(ROOT / "docs" / "images" / "sepia.png"),
        "climbing out": f"{uploads}/{climbing}",
        "a link": str(uploads / "link.png"),
        "a folder": str(uploads / "folder.png"),
        "the folder of uploads": str(uploads),
        "a FIFO": str(uploads / "fifo.png"),
        "a device": "/dev/zero",
        "a Windows share": r"\\203.0.113.9\share\scan.png",
        "a share": "//203.0.113.9/share/scan.png",
        "a file address": private.as_uri(),
        "a web address": "https://example.com/scan.png",
        "an address here": f"{canary}/scan.png",
        "an overlong name": str(uploads / ("x" * 5000)),
        "a NUL": str(uploads / "a\0b"),
        "nothing": "",
        "a number": 0,
        "a list": [str(private)],
        "an object": {"path": str(private)},
    }


@pytest.mark.parametrize("name", EACH)
def test_what_was_not_uploaded_is_refused_in_one_message(running, private, canary, name):
    """The same words whether the file exists or not, by every way in, and at once."""
    served, (address, asked) = running(name), canary
    start = time.monotonic()
    for kind, path in forbidden(served.uploads, private, address).items():
        for route, mark in itertools.product(("call", "run", "queue/join"), (MARK, {})):
            status, text = ask(served, {"path": path, **mark}, route)
            assert (status, json.loads(text)) == (403, {"detail": MESSAGE}), (kind, route, mark)
    assert time.monotonic() - start < 60
    assert asked == []
    assert "Traceback" not in served.printed()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "progress")) for n in EACH]
)
def test_an_address_in_url_is_refused_or_never_asked(running, private, canary, name):
    served, (address, asked) = running(name), canary
    for file in ({"url": f"{address}/a.png"}, {"path": None, "url": "https://example.com/a.png"}):
        for route, mark in itertools.product(("call", "run", "queue/join"), (MARK, {})):
            status, text = ask(served, {**file, **mark}, route)
            assert (status, json.loads(text)) == (403, {"detail": MESSAGE}), (file, route)
    # beside an upload's path, the page itself sends the address of its preview
    path = str(upload(served, private))
    for route in ("call", "run"):
        assert ask(served, {"path": path, "url": f"{address}/a.png", **MARK}, route)[0] == 200
    assert asked == []
    assert "Traceback" not in served.printed()


@pytest.mark.parametrize("name", EACH)
def test_an_app_fetches_nothing_for_others(running, canary, name):
    """Gradio's own address for files would fetch any page, and pass it on."""
    served, (address, asked) = running(name), canary
    for route, url in itertools.product(
        ("file=", "file/", "proxy="), (address, "https://example.com")
    ):
        for method in ("GET", "HEAD"):
            whole = f"{served.url}gradio_api/{route}{url}/a.png"
            response = requests.request(method, whole, timeout=10, allow_redirects=False)
            if method == "HEAD":  # no text, and not every address has it
                assert response.status_code in (403, 405), whole
            else:
                assert (response.status_code, response.json()) == (403, {"detail": MESSAGE}), whole
    assert asked == []


@pytest.mark.parametrize("name", ["hello", "sepia"])
def test_an_address_of_a_file_does_not_tell_whether_it_exists(running, private, name):
    served = running(name)
    responses = {
        (response.status_code, response.text.replace(path, ""))
        for path in (str(private), str(private.with_name("absent.png")), "/etc/passwd", "/dev/zero")
        for response in [requests.get(f"{served.url}gradio_api/file={path}", timeout=10)]
    }
    assert len(responses) == 1
    assert responses.pop()[0] == 403


@pytest.mark.parametrize("content_type", JSON)
@pytest.mark.parametrize("name", ["hello", "sepia", "resnet"])
def test_no_content_type_slips_past(running, private, name, content_type):
    served = running(name)
    for route in ("call", "run", "queue/join"):
        for file in ({"path": str(private)}, {"path": "https://example.com/a.png", **MARK}):
            status, text = ask(served, file, route, content_type)
            assert (status, MESSAGE in text) == (403, True), (route, text)


@pytest.mark.parametrize("name", ["sepia", "resnet"])
def test_a_file_hidden_deep_in_the_request_is_refused_too(running, private, name):
    served = running(name)
    file = {"path": str(private)}
    for hidden in ([file], {"image": file}, [[{"a": [file]}]], {"path": None, "more": file}):
        assert ask(served, hidden, "run")[0] == 403


@pytest.mark.parametrize("name", ["sepia", "resnet"])
def test_uploads_and_the_examples_of_the_page_are_used(running, private, name):
    served = running(name)
    file = {"path": str(upload(served, private))}
    for route, mark in itertools.product(("call", "run"), (MARK, {})):
        status, text = ask(served, {**file, **mark}, route)
        assert status == 200
        assert "label" in text or "image.png" in text
    if name == "resnet":
        config = requests.get(served.url + "config", timeout=10).json()
        samples = next(c for c in config["components"] if c["type"] == "dataset")["props"][
            "samples"
        ]
        assert len(samples) == 3
        for (example,) in samples:
            assert "label" in ask(served, example, "call")[1]


@contextlib.contextmanager
def started_by_python(file, folder, port=None):
    """Start an app by `python FILE`, and stop it in the end."""
    port = port or free_port()
    process = start_main(file, port, GRADIO_TEMP_DIR=str(folder / "uploads"))
    try:
        url = f"http://127.0.0.1:{port}/"
        assert wait_until_open(process, url).ok
        yield Served(url, folder / "uploads", None)
    finally:
        process.send_signal(signal.SIGTERM)
        printed = process.communicate(timeout=20)[0]
    assert "Traceback" not in printed
    assert "private" not in printed


def check_closed(served, private):
    for route, mark in itertools.product(("call", "run", "queue/join"), (MARK, {})):
        for path in (str(private), "https://example.com/scan.png"):
            status, text = ask(served, {"path": path, **mark}, route)
            assert (status, json.loads(text)) == (403, {"detail": MESSAGE})


@pytest.mark.slow
def test_sepia_by_its_file_alone_is_closed(tmp_path, private, workshop_ports_free):
    with started_by_python(find_app("sepia").file, tmp_path, port=8080) as served:
        check_closed(served, private)


@pytest.mark.slow
def test_a_classifier_by_its_file_alone_is_closed(classifier, tmp_path, private):
    with started_by_python(classifier("resnet").file, tmp_path) as served:
        check_closed(served, private)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hello", "multi-input", "sepia"])
def test_a_step_app_in_its_image_is_closed(tmp_path, private, workshop_ports_free, name):
    """The files as the Dockerfile names them; `make docker-smoke` tries the image itself."""
    folder = find_app(name).folder
    shutil.copy(find_app(name).file, tmp_path / "app.py")
    shutil.copy(folder / "in_container.py", tmp_path / "main.py")
    for helper in ("guard.py", "image.py"):
        shutil.copy(folder / helper, tmp_path)
    with started_by_python(tmp_path / "main.py", tmp_path, port=8080) as served:
        check_closed(served, private)
