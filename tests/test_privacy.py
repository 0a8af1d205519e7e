"""What an app tells others: nothing to other computers, nothing of uploads to its log.

How long uploads stay is tested in test_faults.py and test_classifiers.py, and that nobody else gets
them in test_guard.py.
"""

import contextlib
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import sample_images
from apps import find_app
from conftest import wait_until_open
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import expect
from server import free_port

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


@pytest.mark.slow
def test_app_asks_no_other_computer_and_logs_nothing_of_uploads(classifier, tmp_path, page):
    port, app = free_port(), classifier("resnet")
    environment = {"PORT": str(port), "GRADIO_TEMP_DIR": str(tmp_path / "uploads")}
    environment = {**os.environ, **environment, "GRADIO_ANALYTICS_ENABLED": "True"}
    for name in ("NO_PROXY", "no_proxy"):
        environment.pop(name)
    command = [sys.executable, "-c", LISTENER, app.file]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, env=environment, cwd="/", **pipes)
    try:
        url = f"http://127.0.0.1:{port}/"
        wait_until_open(process, url)
        page.goto(url)
        expect(page.get_by_role("button", name="Submit")).to_be_visible()
        client = Client(url, verbose=False)
        for name, content in (("patient-0815.png", None), ("patient-0816.png", b"diagnosis")):
            file = tmp_path / name
            file.write_bytes(content) if content else sample_images.drawing().save(file)
            with contextlib.suppress(AppError):
                client.predict(handle_file(file), api_name="/predict")
        client.close()
    finally:
        process.terminate()
        printed = process.communicate(timeout=20)[0]
    asked = re.findall(r"^ASKED (.*)$", printed, re.MULTILINE)
    assert asked, "nothing was noted: the test hears nothing"
    here = r"localhost|127\.0\.0\.1|0\.0\.0\.0|::1"
    here = re.compile(rf"[\w.]+ (\('({here})', |({here}|None)$)")
    assert [line for line in asked if not here.match(line)] == []
    for word in ("patient", "0815", "diagnosis"):
        assert word not in printed


@pytest.mark.parametrize("name", ["hello", "sepia"])
def test_where_an_upload_lies_cannot_be_guessed(serve, name):
    """Not even by somebody who has the same file and knows the folder, as all users do."""
    served = serve(find_app(name))
    assert re.fullmatch(r"gradio-\d+-[0-9a-f]{16}", served.uploads.name)
    assert served.uploads.stat().st_mode & 0o077 == 0
    content = b"the same file"
    files = {"files": ("a.txt", content)}
    path = requests.post(served.url + "gradio_api/upload", files=files, timeout=10).json()[0]
    guess = f"{served.uploads}/{hashlib.sha256(content).hexdigest()}/a.txt"
    listed = (served.uploads, Path(path).parent)
    for place, status in ((path, 200), (guess, 403), *((folder, 403) for folder in listed)):
        response = requests.get(f"{served.url}gradio_api/file={place}", timeout=10)
        assert response.status_code == status, place
