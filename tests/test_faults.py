"""What goes wrong on a server sooner or later, and what an app makes of it.

The rest is elsewhere: a download that is cut off in test_download_model.py, damaged weights in
test_classifiers.py, and a read-only file system in the images that test_images.py runs.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
from conftest import (
    ROOT,
    Served,
    long,
    mounted,
    start_main,
    started_main,
    wait_for,
    wait_until_open,
)
from gradio_client import Client, handle_file
from playwright.sync_api import expect
from server import free_port

pytestmark = pytest.mark.slow
EXAMPLE = "bee.jpg"
BARE = ROOT / "scripts" / "bare"


@pytest.fixture
def copy(classifier, tmp_path):
    """Return a function that copies resnet, or the bare app, with some text of a file replaced."""

    def make_copy(source, name="main.py", old="", new=""):
        source = BARE if source == "bare" else classifier(source).folder
        folder = shutil.copytree(source, tmp_path / "app", dirs_exist_ok=True)
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")
        return folder

    return make_copy


def classify(served, file):
    client = Client(served.url, verbose=False)
    try:
        return client.predict(handle_file(file), api_name="/predict")
    finally:
        client.close()


def greet(served):
    url = f"{served.url}gradio_api/call/greet"
    event = requests.post(url, json={"data": ["Ada"]}, timeout=20).json()["event_id"]
    return "Hello Ada!" in requests.get(f"{url}/{event}", timeout=20).text


def upload(served, content, name="scan.png"):
    url = f"{served.url}gradio_api/upload"
    return requests.post(url, files={"files": (name, content)}, timeout=20)


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.long
def test_killed_app_leaves_uploads_only_until_the_next_start(copy, tmp_path):
    """And nothing of an app that still runs is touched."""
    folder, place = copy("bare"), tmp_path / "uploads"
    with started_main(folder, place) as (other, _):
        theirs = Path(upload(other, b"of another app").json()[0])
        process = start_main(folder / "main.py", port := free_port(), GRADIO_TEMP_DIR=str(place))
        wait_until_open(process, url := f"http://127.0.0.1:{port}/")
        ours = Path(upload(Served(url, place, None), b"secret").json()[0])
        assert ours.parents[1] != theirs.parents[1]
        process.kill()
        process.communicate()
        assert ours.exists()
        with started_main(folder, place) as (served, _):
            assert not ours.exists()
            assert not list(place.glob(f"*{process.pid}-*"))
            assert theirs.exists()
            assert greet(other)
            assert greet(served)
    assert list(place.glob("gradio-*")) == []


@pytest.mark.long
def test_stalled_upload_hinders_nobody_and_who_leaves_leaves_nothing(copy, tmp_path):
    folder = copy("bare", "guard.py", "KEEP_S = 10, 1800", "KEEP_S = 1, 10")
    with started_main(folder, tmp_path / "uploads") as (served, _):
        host, port = served.url.split("/")[2].split(":")
        with socket.create_connection((host, int(port))) as user:
            part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
            head = (
                f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 900000\r\n"
                "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
            )
            user.sendall(head.encode() + part + bytes(200_000))
            wait_for(lambda: len(files_in(served.uploads)) == 1)
            assert greet(served)
        for number in range(5):  # these upload and ask, and do not wait for the response
            assert upload(served, b"an image", f"{number}.jpg").ok
            call = f"{served.url}gradio_api/call/greet"
            assert requests.post(call, json={"data": ["Ada"]}, timeout=10).ok
        assert len(files_in(served.uploads)) >= 5
        wait_for(lambda: not files_in(served.uploads))
        assert greet(served)


@pytest.mark.long
def test_what_no_page_uploads_is_deleted_too(copy, tmp_path):
    """Gradio's parser leaves files under another name than the page's where they are."""
    folder = copy("bare", "guard.py", "KEEP_S = 10, 1800", "KEEP_S = 1, 2")
    (system := tmp_path / "system").mkdir()
    with started_main(folder, tmp_path / "uploads", TMPDIR=str(system)) as (served, _):
        before = files_in(system)
        for route in ("upload", "component_server", "process_recording", "run/greet"):
            for name in ("video", "files", "file"):
                form = {name: ("scan.png", bytes(2_000_000))}
                requests.post(f"{served.url}gradio_api/{route}", files=form, timeout=10)
        wait_for(lambda: not files_in(served.uploads) and files_in(system) == before)
        assert greet(served)


@pytest.mark.long
def test_beyond_its_limit_the_oldest_uploads_go(copy, tmp_path):
    folder = copy("bare", "guard.py", "MAX_KEPT, MAX_OPEN = 2e9", "MAX_KEPT, MAX_OPEN = 1e6")
    guard = folder / "guard.py"
    guard.write_text(guard.read_text().replace("KEEP_S = 10, 1800", "KEEP_S = 1, 1800"))
    with started_main(folder, tmp_path / "uploads") as (served, _):
        files = []
        for number in range(5):
            files.append(Path(upload(served, bytes(300_000), f"{number}.jpg").json()[0]))
            time.sleep(0.1)
        wait_for(lambda: sum(file.exists() for file in files) == 3)
        time.sleep(2)
        assert [file.exists() for file in files] == [False, False, True, True, True]


@pytest.mark.long
def test_full_disk_is_told_and_the_app_goes_on(copy, tmp_path, browser):
    folder, place = copy("resnet"), tmp_path / "small"
    page = browser.new_page()  # not the fixture: the refusal is an error in the console
    with mounted(place, "-o", "size=1m,mode=1777"), started_main(folder, place) as (served, _):
        response = upload(served, bytes(2_000_000))
        assert response.status_code == 507
        assert "disk" in response.json()["detail"]
        page.goto(served.url)
        (tmp_path / "large.bmp").write_bytes(b"BM" + bytes(2_000_000))
        page.locator("input[type=file]").first.set_input_files(tmp_path / "large.bmp")
        expect(page.get_by_text("disk")).to_be_visible()
        page.close()
        assert len(classify(served, folder / "data" / EXAMPLE)["confidences"]) == 5


@pytest.mark.parametrize("kind", ["read-only", "no folder"])
def test_temporary_folder_that_cannot_be_written_to_is_named(copy, tmp_path, kind):
    folder, place = copy("bare"), tmp_path / "place"
    with contextlib.ExitStack() as stack:
        if kind == "read-only":
            stack.enter_context(mounted(place, "-o", "ro"))
        else:
            place.write_text("a file")
        process = start_main(folder / "main.py", free_port(), GRADIO_TEMP_DIR=str(place))
        printed = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert printed.startswith(f"Uploads cannot be kept in {place}: ")
    assert "GRADIO_TEMP_DIR=" in printed
    assert "Traceback" not in printed


@pytest.mark.long
def test_weights_replaced_while_the_app_runs_change_nothing_until_it_restarts(copy, tmp_path):
    folder = copy("resnet")
    weights, example = next(folder.glob("data/*.pth")), folder / "data" / EXAMPLE
    with started_main(folder, tmp_path / "uploads") as (served, _):
        before = classify(served, example)
        weights.write_bytes(b"half a file")  # written over, where it is
        assert classify(served, example) == before
        (tmp_path / "new").write_bytes(b"half another file")
        (tmp_path / "new").replace(weights)
        assert classify(served, example) == before
        weights.unlink()
        assert classify(served, example) == before
    again = start_main(folder / "main.py", free_port(), GRADIO_TEMP_DIR=str(tmp_path / "again"))
    printed = again.communicate(timeout=60)[0]
    assert again.returncode == 1
    assert f"{weights} is missing" in printed


def test_variables_that_a_host_sets_do_no_harm(copy, tmp_path):
    """Kubernetes sets NAME_PORT for each service, also gradio-server; a Space sets SYSTEM."""
    port = free_port()
    place = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    given = {"PORT": str(port), "GRADIO_SERVER_PORT": "tcp://10.0.0.1:80", "PATH": place}
    given |= {"GRADIO_TEMP_DIR": str(tmp_path / "uploads"), "GRADIO_SERVER_NAME": "127.0.0.1"}
    given |= {"SYSTEM": "spaces", "SPACE_ID": "somebody/leaf"}
    command, folder = ["sh", "start-script.sh"], copy("bare")
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **given}, **options)
    try:
        wait_until_open(process, f"http://127.0.0.1:{port}/")
    finally:
        process.kill()
        printed = process.communicate()[0]
    assert "Traceback" not in printed


@pytest.mark.long
def test_a_root_path_that_is_none_gives_a_message(copy, tmp_path):
    uploads = str(tmp_path / "uploads")
    process = start_main(
        copy("bare") / "main.py", free_port(), GRADIO_TEMP_DIR=uploads, GRADIO_ROOT_PATH="hello"
    )
    said = process.communicate(timeout=60)[0]
    assert said == "GRADIO_ROOT_PATH=hello is not a path. Begin it with a slash: /hello\n"
    assert process.returncode == 1


@pytest.mark.long
def test_stop_during_a_prediction_finishes_it(copy, tmp_path):
    line = "    pixels = read_image(image, enough=1024)\n"
    folder = copy("resnet", "main.py", line, f"{line}    __import__('time').sleep(2)\n")
    with started_main(folder, tmp_path / "uploads") as (served, process):
        found = []
        ask = lambda: found.append(classify(served, folder / "data" / EXAMPLE))  # noqa: E731
        user = threading.Thread(target=ask)
        user.start()
        time.sleep(1)
        process.send_signal(signal.SIGINT)  # as `docker stop` does, by the Dockerfile
        user.join(20)
        assert process.wait(20) == 0
    assert len(found[0]["confidences"]) == 5
    assert files_in(tmp_path / "uploads") == []


def test_stop_before_the_app_has_started_leaves_nothing(copy, tmp_path):
    wait = 'print("here", flush=True)\n    __import__("time").sleep(60)\n'
    folder = copy("bare", "main.py", "    demo.launch(", f"    {wait}    demo.launch(")
    process = start_main(folder / "main.py", free_port(), GRADIO_TEMP_DIR=str(tmp_path / "uploads"))
    try:
        while process.stdout.readline() not in ("here\n", ""):
            pass
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode in (130, -signal.SIGINT)
    assert list((tmp_path / "uploads").glob("gradio-*")) == []


@pytest.mark.parametrize("kind", ["silent", long("closed")])
def test_proxy_that_does_not_respond_is_not_asked_for_this_computer(copy, tmp_path, kind):
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
        if kind == "closed":
            server.close()
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
        environment = dict.fromkeys(names, proxy) | {"NO_PROXY": "", "no_proxy": ""}
        folder = copy("bare")
        with started_main(folder, tmp_path / "uploads", **environment) as (served, process):
            time.sleep(2)  # Gradio asks for its own page when that is there already
            assert process.poll() is None
            assert greet(served)


@pytest.mark.long
def test_second_app_on_a_port_says_so_and_the_first_goes_on(copy, tmp_path):
    folder, place = copy("bare"), tmp_path / "uploads"
    with started_main(folder, place) as (served, _):
        kept = Path(upload(served, b"still needed").json()[0])
        port = served.url.split(":")[2].strip("/")
        second = start_main(folder / "main.py", port, GRADIO_TEMP_DIR=str(place))
        printed = second.communicate(timeout=60)[0]
        assert second.returncode == 1
        assert printed.startswith(f"Port {port} is taken")
        assert "PORT=" in printed
        assert "Traceback" not in printed
        assert kept.exists()
        assert greet(served)


@pytest.mark.long
def test_tab_left_open_over_a_restart_goes_on(copy, tmp_path, browser):
    folder, place, port = copy("bare"), tmp_path / "uploads", free_port()
    page = browser.new_page()  # not the fixture: a server that is away is an error in the console
    page.set_default_timeout(20_000)
    with started_main(folder, place, port) as (served, _):
        page.goto(served.url)
        expect(page.get_by_role("button", name="Submit")).to_be_visible()
    with started_main(folder, place, port):
        time.sleep(3)
        page.get_by_label("name").fill("Ada")
        page.get_by_role("button", name="Submit").click()
        expect(page.get_by_label("output")).to_have_value("Hello Ada!")
    page.close()
