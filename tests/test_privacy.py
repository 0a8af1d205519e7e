"""What an app tells others: nothing to other computers, nothing of uploads to its log.

How long uploads stay is tested in test_faults.py and test_classifiers.py, and that nobody else gets
them in test_guard.py.
"""

import contextlib
import hashlib
import re
import shutil
import sys
import time
from pathlib import Path

import pytest
import requests
import sample_images
from calls import call, upload
from conftest import ROOT, started_main
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import expect
from server import Server

pytestmark = pytest.mark.slow

# Python tells of each name that is looked up, and of each connection
LISTENER = """
import runpy, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        print("ASKED", event, arguments[event == "socket.connect"], flush=True)

sys.addaudithook(note)
file = sys.argv[1]
sys.path[0] = file.rpartition("/")[0]
runpy.run_path(file, run_name="__main__")
"""


@pytest.mark.long
def test_app_asks_no_other_computer_and_logs_nothing_of_uploads(
    classifier, tmp_path, page, monkeypatch
):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)
    environment = {"PORT": "{PORT}", "GRADIO_TEMP_DIR": tmp_path / "uploads"}
    environment |= {"GRADIO_ANALYTICS_ENABLED": "True"}
    command = [sys.executable, "-c", LISTENER, classifier("resnet").file]
    with Server(command, **environment) as server:
        url = server.wait().url
        page.goto(url)
        expect(page.get_by_role("button", name="Submit")).to_be_visible()
        client = Client(url, verbose=False)
        for name, content in (("patient-0815.png", None), ("patient-0816.png", b"diagnosis")):
            file = tmp_path / name
            file.write_bytes(content) if content else sample_images.drawing().save(file)
            with contextlib.suppress(AppError):
                client.predict(handle_file(file), api_name="/predict")
        client.close()
    printed = server.printed()
    asked = re.findall(r"^ASKED (.*)$", printed, re.MULTILINE)
    assert asked, "nothing was noted: the test hears nothing"
    here = r"localhost|127\.0\.0\.1|0\.0\.0\.0|::1"
    here = re.compile(rf"[\w.]+ (\('({here})', |({here}|None)$)")
    assert [line for line in asked if not here.match(line)] == []
    for word in ("patient", "0815", "diagnosis"):
        assert word not in printed


def test_where_an_upload_lies_cannot_be_guessed(running):
    """Not even by somebody who has the same file and knows the folder, as all users do."""
    served = running("hello")
    assert re.fullmatch(r"gradio-\d+-[0-9a-f]{16}", served.uploads.name)
    assert served.uploads.stat().st_mode & 0o077 == 0
    content = b"the same file"
    path = upload(served.url, content, "a.txt")["path"]
    guess = f"{served.uploads}/{hashlib.sha256(content).hexdigest()}/a.txt"
    listed = (served.uploads, Path(path).parent)
    for place, status in ((path, 200), (guess, 403), *((folder, 403) for folder in listed)):
        response = requests.get(f"{served.url}gradio_api/file={place}", timeout=10)
        assert response.status_code == status, place


@pytest.fixture(scope="module")
def opened(tmp_path_factory, make_httpserver):
    """The bare app for all computers, with its owner's token for what it takes for Hugging Face."""
    folder = tmp_path_factory.mktemp("opened")
    shutil.copytree(ROOT / "scripts" / "bare", folder / "app")
    token = {"HF_TOKEN": "hf_of_the_owner", "HF_ENDPOINT": make_httpserver.url_for("").rstrip("/")}
    token |= {"GRADIO_SERVER_NAME": "0.0.0.0"}
    with started_main(folder / "app", folder / "uploads", **token) as (served, _):
        yield served


def test_the_owner_s_token_is_sent_nowhere(opened, canary):
    """Gradio's run history asks Hugging Face with it, for whoever asks the app."""
    api = opened.url + "gradio_api/"
    bucket = {"x-gradio-history-bucket": "eve/b", "Authorization": "Bearer hf_eve"}
    for path in ("buckets", "records", "records/greet/1/assets/1"):
        response = requests.get(f"{api}run-history/{path}", headers=bucket, timeout=10)
        assert response.status_code == 404
    connected = requests.post(f"{api}run-history/connect", json={"bucket_id": "e/b"}, timeout=10)
    assert connected.status_code == 400
    assert "Hello Ada!" in call(opened.url, "greet", "Ada", **bucket)
    time.sleep(2)  # the history would be written after the result
    assert canary[1] == []


def test_a_web_page_under_another_name_cannot_call_what_only_this_computer_may(running):
    served = running("hello")  # `make run` listens on 127.0.0.1
    port = served.url.split(":")[2].strip("/")
    for host in (
        "example.com",
        f"example.com:{port}",
        f"localhost.:{port}",
        "127.0.0.1.example.com",
    ):
        for path in ("", "config", "gradio_api/info"):
            response = requests.get(served.url + path, headers={"Host": host}, timeout=10)
            assert response.status_code == 400
    for host in (f"localhost:{port}", f"127.0.0.1:{port}"):
        assert requests.get(served.url, headers={"Host": host}, timeout=10).status_code == 200


def test_the_address_that_a_caller_names_is_told_to_nobody_else(opened):
    named = {"X-Forwarded-Host": "evil.example"}
    paths = ("", "config", "gradio_api/info", "gradio_api/openapi.json")
    for path in paths:
        assert requests.get(opened.url + path, headers=named, timeout=10).ok
    body = {"name": "Ada"}
    url = opened.url + "gradio_api/call/v2/greet"
    assert requests.post(url, json=body, headers=named, timeout=10).ok
    for path in paths:
        response = requests.get(opened.url + path, timeout=10)
        assert (response.ok, "evil.example" in response.text) == (True, False)
