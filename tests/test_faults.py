"""What goes wrong on a server sooner or later, and what an app makes of it.

The rest is elsewhere: a download that is cut off in test_download_model.py, damaged weights in
test_classifiers.py, and a read-only file system in the images that test_images.py runs.
"""

import os
import shutil
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from calls import ask, call, send, upload
from conftest import ROOT, mounted, run_main, started_main, wait_for
from playwright.sync_api import expect
from server import Server, free_port

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
    (prediction,) = ask(served.url, "predict", upload(served.url, file))
    return prediction


def greet(served):
    return "Hello Ada!" in call(served.url, "greet", "Ada")


def keep(served, content, name="scan.png"):
    """Upload a file, and return where it is kept."""
    return Path(upload(served.url, content, name)["path"])


def told_at_the_start(folder, **environment):
    """Return what an app prints that does not start."""
    with run_main(folder / "main.py", **environment) as server:
        assert server.process.wait(60) == 1
    assert "Traceback" not in server.printed()
    return server.printed()


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.long
def test_killed_app_leaves_uploads_only_until_the_next_start(copy, tmp_path):
    """And nothing of an app that still runs is touched."""
    folder, place = copy("bare"), tmp_path / "uploads"
    with started_main(folder, place) as (other, _):
        theirs = keep(other, b"of another app")
        with run_main(folder / "main.py", GRADIO_TEMP_DIR=place) as killed:
            ours = keep(killed.wait(), b"secret")
            assert ours.parents[1] != theirs.parents[1]
            killed.kill()
        assert ours.exists()
        with started_main(folder, place) as (served, _):
            assert not ours.exists()
            assert not list(place.glob(f"*{killed.process.pid}-*"))
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
            keep(served, b"an image", f"{number}.jpg")
            url = f"{served.url}gradio_api/call/greet"
            assert requests.post(url, json={"data": ["Ada"]}, timeout=10).ok
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
            files.append(keep(served, bytes(300_000), f"{number}.jpg"))
            time.sleep(0.1)
        wait_for(lambda: sum(file.exists() for file in files) == 3)
        time.sleep(2)
        assert [file.exists() for file in files] == [False, False, True, True, True]


@pytest.mark.long
def test_full_disk_is_told_and_the_app_goes_on(copy, tmp_path, browser):
    folder, place = copy("resnet"), tmp_path / "small"
    page = browser.new_page()  # not the fixture: the refusal is an error in the console
    with mounted(place, "-o", "size=1m,mode=1777"), started_main(folder, place) as (served, _):
        response = send(served.url, bytes(2_000_000))
        assert response.status_code == 507
        assert "disk" in response.json()["detail"]
        page.goto(served.url)
        (tmp_path / "large.bmp").write_bytes(b"BM" + bytes(2_000_000))
        page.locator("input[type=file]").first.set_input_files(tmp_path / "large.bmp")
        expect(page.get_by_text("disk")).to_be_visible()
        page.close()
        assert len(classify(served, folder / "data" / EXAMPLE)["confidences"]) == 5


def test_temporary_folder_that_cannot_be_written_to_is_named(copy, tmp_path):
    place = tmp_path / "place"
    place.write_text("a file")
    printed = told_at_the_start(copy("bare"), GRADIO_TEMP_DIR=place)
    assert printed.startswith(f"Uploads cannot be kept in {place}: ")
    assert "GRADIO_TEMP_DIR=" in printed


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
    assert f"{weights} is missing" in told_at_the_start(folder, GRADIO_TEMP_DIR=tmp_path / "again")


def test_variables_that_a_host_sets_do_no_harm(copy, tmp_path):
    """Kubernetes sets NAME_PORT for each service, also gradio-server; a Space sets SYSTEM."""
    place = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    given = {"PORT": "{PORT}", "GRADIO_SERVER_PORT": "tcp://10.0.0.1:80", "PATH": place}
    given |= {"GRADIO_TEMP_DIR": tmp_path / "uploads", "GRADIO_SERVER_NAME": "127.0.0.1"}
    given |= {"SYSTEM": "spaces", "SPACE_ID": "somebody/leaf", "GRADIO_MCP_SERVER": "True"}
    with Server(["sh", "start-script.sh"], cwd=copy("bare"), **given) as server:
        server.wait().kill()
    assert "Traceback" not in server.printed()
    assert "mcp" not in server.printed().lower()  # only the recipe `agents` opens it


@pytest.mark.long
def test_a_root_path_that_is_none_gives_a_message(copy, tmp_path):
    places = {"GRADIO_TEMP_DIR": tmp_path / "uploads", "GRADIO_ROOT_PATH": "hello"}
    said = told_at_the_start(copy("bare"), **places)
    assert said == "GRADIO_ROOT_PATH=hello is not a path. Begin it with a slash: /hello\n"


@pytest.mark.long
def test_stop_during_a_prediction_finishes_it(copy, tmp_path):
    line = "    pixels = read_image(image, enough=1024)\n"
    folder = copy("resnet", "main.py", line, f"{line}    __import__('time').sleep(2)\n")
    with started_main(folder, tmp_path / "uploads") as (served, process):
        with ThreadPoolExecutor(1) as users:
            prediction = users.submit(classify, served, folder / "data" / EXAMPLE)
            time.sleep(1)
            process.send_signal(signal.SIGINT)  # as `docker stop` does, by the Dockerfile
            assert len(prediction.result(20)["confidences"]) == 5
        assert process.wait(20) == 0
    assert files_in(tmp_path / "uploads") == []


def test_stop_before_the_app_has_started_leaves_nothing(copy, tmp_path):
    wait = 'print("here", flush=True)\n    __import__("time").sleep(60)\n'
    folder = copy("bare", "main.py", "    demo.launch(", f"    {wait}    demo.launch(")
    with run_main(folder / "main.py", GRADIO_TEMP_DIR=tmp_path / "uploads") as server:
        wait_for(lambda: "here" in server.printed())
        assert server.stop() in (130, -signal.SIGINT)
    assert list((tmp_path / "uploads").glob("gradio-*")) == []


def test_proxy_that_does_not_respond_is_not_asked_for_this_computer(copy, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
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
        kept = keep(served, b"still needed")
        port = served.url.split(":")[2].strip("/")
        printed = told_at_the_start(folder, port=port, GRADIO_TEMP_DIR=place)
        assert printed.startswith(f"Port {port} is taken")
        assert "PORT=" in printed
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
