"""What strangers may try to end, freeze or fill an app, or to use it against others.

Files and addresses are in test_guard.py, calls that no page makes in test_bad_calls.py.
"""

import asyncio
import concurrent.futures
import contextlib
import json
import os
import resource
import shutil
import socket
import time

import aiohttp
import pytest
import requests
import sample_images
from calls import BUSY, ask, call, connect, upload
from conftest import ROOT, run_async, started_main, wait_for
from gradio_client import Client

pytestmark = pytest.mark.slow

ATTACKED = """
import asyncio, time

def wait(seconds):
    time.sleep(seconds)
    return f"waited {seconds}"

def echo(text):
    return text

def repeat(text):
    return 3 * text

async def end(how):
    queue = demo._queue
    if how == "busy for ever":
        queue.active_jobs = [[]] * queue.max_thread_count
    for task in asyncio.all_tasks():
        if how == "cancelled" and "start_processing" in repr(task):
            task.cancel()

with demo:
    seconds, said, count = gr.Number(), gr.Textbox(), gr.State(0)
    gr.Button().click(wait, seconds, said, api_name="wait")
    gr.Button().click(echo, said, said, api_name="echo")
    gr.Button().click(repeat, said, said, api_name="repeat")
    gr.Button().click(end, said, None, api_name="end")
    gr.Button().click(lambda n: (n + 1, n + 1), count, [count, seconds], api_name="count")
    gr.Button().click(None, said, said, js="value => value", api_name="in_browser")

if __name__"""


def make_attacked(folder):
    """Make a copy of the bare app with functions that wait, remember, and end its queue."""
    shutil.copytree(ROOT / "scripts" / "bare", folder)
    text = (folder / "main.py").read_text()
    assert "\nif __name__" in text
    (folder / "main.py").write_text(text.replace("\nif __name__", ATTACKED))
    return folder


def change(folder, *changes):
    """Replace texts in the files of a copy, such as limits: (name, old, new); return the folder."""
    for name, old, new in changes:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))
    return folder


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """An app that all tests here attack, in a shell that lets it open 1,024 files."""
    folder = tmp_path_factory.mktemp("attacked")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        with started_main(make_attacked(folder / "app"), folder / "uploads") as (served, process):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            yield served, process
            assert greets(served)
            assert process.poll() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A copy with small limits: 60 events, 6 s, 50 MB, 100 uploads to ask for, a sweep each 2 s."""
    times = "UNREAD_S, HEALTH_S, ARRIVE_S ="
    folder = tmp_path_factory.mktemp("small")
    change(
        make_attacked(folder / "app"),
        ("middleware.py", "1_000, 50_000", "60, 50_000"),
        ("middleware.py", "10_000", "100"),
        ("middleware.py", f"{times} 120, 5, 120", f"{times} 6, 5, 3"),
        ("guard.py", "SWEEP_S, KEEP_S = 10", "SWEEP_S, KEEP_S = 2"),
        ("guard.py", "MAX_OPEN = 2e9", "MAX_OPEN = 5e7"),
    )
    with started_main(folder / "app", folder / "uploads") as (served, process):
        yield served, process


def greets(served):
    return call(served.url, "greet", "Ada") == 'event: complete\ndata: ["Hello Ada!"]\n\n'


def is_healthy(served):
    return requests.get(served.url + "health", timeout=20).status_code == 200


def memory(process):
    """Return how many MB a process has in memory."""
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))


def test_three_requests_end_no_app(attacked):
    """An empty session was replaced in one place of Gradio's queue and not in another."""
    served, _ = attacked
    for session in ("a", "b", ""):
        body = {"data": ["x"], "fn_index": 0, "session_hash": session}
        requests.post(served.url + "gradio_api/queue/join", json=body, timeout=20)
    time.sleep(1)
    assert is_healthy(served)
    assert greets(served)


async def flood(served, bodies, route="queue/join"):
    """Send many calls, some at a time; return how often there was which status."""
    statuses = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20)) as session:

        async def send(body):
            async with session.post(f"{served.url}gradio_api/{route}", json=body) as response:
                statuses.append(response.status)

        await asyncio.gather(*(send(body) for body in bodies))
    return {status: statuses.count(status) for status in statuses}


def test_2050_sessions_push_out_nobody_who_waits(attacked):
    """Neither by functions that run in the browser, nor by calls that nobody reads."""
    served, _ = attacked
    config = requests.get(served.url + "config", timeout=10).json()
    number = {f["api_name"]: f["id"] for f in config["dependencies"]}
    with concurrent.futures.ThreadPoolExecutor(6) as users:
        waiting = [users.submit(call, served.url, "wait", 2) for _ in range(6)]
        time.sleep(0.5)
        for name, expected in (("in_browser", {400}), ("echo", {200, 429})):
            bodies = (
                {"data": ["x"], "fn_index": number[name], "session_hash": f"{name}{i}"}
                for i in range(2050)
            )
            assert run_async(flood(served, bodies)).keys() <= expected
        assert {user.result() for user in waiting} == {'event: complete\ndata: ["waited 2"]\n\n'}
    assert is_healthy(served)
    status = f"{served.url}gradio_api/queue/status"
    wait_for(lambda: requests.get(status, timeout=20).json()["queue_size"] == 0)


def test_calls_that_nobody_reads_are_refused_and_forgotten(small):
    """More than 1,000; then, after two minutes at the latest, the app is open again."""
    served, _ = small
    bodies = [{"data": ["x"], "fn_index": 0, "session_hash": "one"} for _ in range(70)]
    assert run_async(flood(served, bodies)) == {200: 60, 429: 10}
    assert BUSY in call(served.url, "greet", "Ada")
    assert is_healthy(served)
    wait_for(lambda: greets(served))


def test_callers_cost_a_page_neither_its_state_nor_its_place(attacked):
    """Gradio keeps 100 sessions: a program that calls 120 times would push out all pages."""
    served, _ = attacked
    page = Client(served.url, verbose=False)
    assert page.predict(api_name="/count") == 1
    for _ in range(120):
        assert greets(served)
    assert page.predict(api_name="/count") == 2
    page.close()


@pytest.mark.parametrize("how", ["busy for ever", "cancelled"])
@pytest.mark.long
def test_a_dead_queue_is_found_by_the_health_check(tmp_path, how):
    """And by nothing else: the page stays open."""
    folder = make_attacked(tmp_path / "app")
    with started_main(folder, tmp_path / "uploads") as (served, process):
        assert is_healthy(served)
        assert requests.post(
            served.url + "gradio_api/call/end", json={"data": [how]}, timeout=20
        ).ok
        wait_for(lambda: not is_healthy(served))
        assert requests.get(served.url, timeout=20).status_code == 200
        process.kill()  # it would wait for its queue


def test_many_health_checks_at_once_are_all_answered(attacked):
    """While one waits for the queue, another said "not healthy", and a probe ended the app."""
    served, _ = attacked
    time.sleep(5.5)  # what was found lately would be said again
    with concurrent.futures.ThreadPoolExecutor(20) as probes:
        assert all(probes.map(is_healthy, [served] * 20))


PUNYCODE = "multipart/form-data; boundary=x; charset=punycode"


def test_no_form_freezes_an_app(attacked):
    """Gradio decoded a text in it for 37 seconds, and an hour for 8 MB; nobody else got a word."""
    served, _ = attacked
    text = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"a" * 800_000
    for route in ("upload", "component_server", "queue/join", "../login"):
        for kind in (PUNYCODE, PUNYCODE.replace("; charset", ";charset"), PUNYCODE.upper()):
            response = requests.post(
                f"{served.url}gradio_api/{route}",
                data=text + b"\r\n--x--\r\n",
                headers={"Content-Type": kind},
                timeout=10,
            )
            assert response.status_code in (400, 415)
    for kind in ('multipart/form-data; boundary="x"', "Multipart/Form-Data;boundary=x"):
        response = requests.post(
            f"{served.url}gradio_api/upload",
            data=text.replace(b'"a"', b'"files"; filename="a.bin"') + b"\r\n--x--\r\n",
            headers={"Content-Type": kind},
            timeout=10,
        )
        assert (response.status_code, len(response.json())) == (200, 1)


@pytest.mark.long
def test_memory_levels_off_whatever_callers_send(attacked):
    """Texts of 4 MB took 30 MB each, for 100 sessions; what nobody reads took all there is."""
    served, process = attacked
    assert greets(served)
    before = memory(process)
    large = "x" * 3_900_000 + "\N{GRINNING FACE}"  # in Python, four bytes a letter
    url = served.url + "gradio_api/"
    for _ in range(60):  # each read, in a session of its own
        call(served.url, "echo", large)
    for _ in range(60):  # not read
        requests.post(url + "call/echo", json={"data": [large]}, timeout=60)
    for _ in range(20):
        lists = '{"data": [[' + "[]," * 49_000 + "0]]}"
        headers = {"Content-Type": "application/json"}
        requests.post(url + "call/echo", data=lists, headers=headers, timeout=60)
    for number in range(500):
        query = {"upload_id": f"{number}{'x' * 3_900}"}
        requests.post(url + "upload", params=query, files={"x": ""}, timeout=20)
    assert memory(process) - before < 900
    wait_for(lambda: greets(served), 150)  # the queue gets to it


def test_more_files_at_once_than_200_are_refused(attacked):
    served, _ = attacked
    url = served.url + "gradio_api/upload"
    for number, status in ((200, 200), (300, 413)):
        files = [("files", (f"{i}.txt", b"")) for i in range(number)]
        assert requests.post(url, files=files, timeout=20).status_code == status
    before = served.printed()
    for form in (b"files", b'files"; filename="a', b"x\"; filename*=\"foo''%ff"):
        body = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\nHello' % form
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        for end, query in ((b"\r\n--x--\r\n", ""), (b"", "?upload_id=1"), (b"\r\n--x", "")):
            response = requests.post(url + query, data=body + end, headers=headers, timeout=10)
            assert response.status_code in (200, 400)
    assert len(served.printed().removeprefix(before).splitlines()) < 10


def test_connections_that_say_nothing_leave_the_page_open(attacked):
    """1,100 with half a head, then 6 uploads of 190 files that never end."""
    served, process = attacked
    host, port = served.url.split("/")[2].split(":")
    before, idle = served.printed(), []
    try:
        for _ in range(1_100):
            idle.append(socket.create_connection((host, int(port)), timeout=10))
            idle[-1].sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert greets(served)
        head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 900000\r\n"
        head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        file = '--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\na\r\n'
        for _ in range(6):
            idle.append(socket.create_connection((host, int(port)), timeout=10))
            idle[-1].sendall((head + 190 * file).encode())
        wait_for(lambda: len(os.listdir(f"/proc/{process.pid}/fd")) >= 2_200)
        assert greets(served)
    finally:
        for connection in idle:
            connection.close()
    assert served.printed() == before


def test_a_response_that_is_never_read_is_counted(attacked):
    """Otherwise, each connection could hold one, beside the others.

    It has 11.7 MB: of up to 4 MB, the system takes all, and the app is rid of them.
    """
    served, process = attacked
    host, port = served.url.split("/")[2].split(":")
    large, idle, refused = "x" * 3_900_000, [], 0
    before = memory(process)
    try:
        for _ in range(40):
            url = served.url + "gradio_api/call/repeat"
            response = requests.post(url, json={"data": [large]}, timeout=60)
            if response.status_code == 429:
                refused += 1
                continue
            idle.append(socket.create_connection((host, int(port)), timeout=10))
            path = f"/gradio_api/call/repeat/{response.json()['event_id']}"
            idle[-1].sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert refused > 10
        assert memory(process) - before < 600
        assert greets(served)
    finally:
        for connection in idle:
            connection.close()


@pytest.mark.long
def test_an_image_that_takes_gigabytes_or_minutes_costs_others_nothing(tmp_path):
    """Each is refused in words, or read; meanwhile the page opens and another user's is read."""
    names = ("guard.py", "middleware.py", "version.py", "image.py", "pixels.py")
    (folder := tmp_path / "app").mkdir()
    for name in (*names, "launcher.py", "sepia_app.py"):
        shutil.copy(ROOT / "example_apps" / name, folder)
    os.rename(folder / "launcher.py", folder / "main.py")
    os.rename(folder / "sepia_app.py", folder / "app.py")
    image = folder / "image.py"
    assert "2, 20, 1500" in image.read_text()
    image.write_text(image.read_text().replace("2, 20, 1500", "2, 4, 1500"))
    (tmp_path / "files").mkdir()
    good = tmp_path / "files" / "good.png"
    sample_images.drawing().save(good)
    with started_main(folder, tmp_path / "uploads") as (served, process):
        assert ask(served.url, "sepia", upload(served.url, good))
        before = memory(process)
        for file in sample_images.save_costly(tmp_path / "files"):
            costly = upload(served.url, file)
            with concurrent.futures.ThreadPoolExecutor(1) as other:
                said = other.submit(call, served.url, "sepia", costly)
                assert requests.get(served.url, timeout=20).ok
                assert ask(served.url, "sepia", upload(served.url, good))
            words = ("takes too much memory", "takes over 4 s", "cannot be read", "complete")
            assert any(word in said.result() for word in words), (file.name, said.result())
            assert memory(process) - before < 400, file.name
        assert ask(served.url, "sepia", upload(served.url, good))


# ---- Found when the guard was attacked once more ----

JSON = {"Content-Type": "application/json"}


def uploaded(served):
    return upload(served.url, b"Hello", "a.txt")["path"]


def test_a_path_of_megabytes_is_refused_at_once(attacked):
    """resolve() looked up each of its two million parts: minutes, in which nobody got a word."""
    served, _ = attacked
    folder = os.path.dirname(os.path.dirname(uploaded(served)))
    body = {"data": [{"path": folder + "/a" * 1_900_000}]}
    url = served.url + "gradio_api/call/greet"
    assert requests.post(url, json=body, timeout=10).status_code == 422


def test_a_call_with_thousands_of_files_is_refused(small):
    """50,000 empty data: addresses froze the app, and swept away the uploads of all others."""
    served, _ = small
    path = uploaded(served)
    for file, number in (
        ('{"url": "data:;base64,"}', 40_000),
        (json.dumps({"path": path}), 20_000),
    ):
        body = '{"data": [' + ",".join([file] * number) + "]}"
        start = time.monotonic()
        url = served.url + "gradio_api/call/greet"
        assert requests.post(url, data=body, headers=JSON, timeout=60).status_code == 413
        assert time.monotonic() - start < 5
    time.sleep(3)  # a sweep
    assert os.path.exists(path)


def test_nobody_is_told_the_file_name_of_another_upload(small):
    """By an upload_id that is theirs: two of 10,000 had the same number."""
    served, _ = small
    host = "HTTP/1.1\nHost: 127.0.0.1\n"
    form = "Content-Type: multipart/form-data; boundary=x\nContent-Length: 9000\n\n--x\n"
    form += 'Content-Disposition: form-data; name="files"; filename="Ada.png"\n\nabc'
    streams = [connect(served, f"POST /gradio_api/upload?upload_id=mine {host}{form}")]
    time.sleep(0.5)
    for number in range(90):
        path = f"/gradio_api/upload_progress?upload_id=other{number}"
        streams.append(connect(served, f"GET {path} {host}Connection: close\n\n"))
    for stream in streams[1:]:
        stream.settimeout(5)
        said = b""
        with contextlib.suppress(OSError):
            while part := stream.recv(65536):
                said += part
        assert b"Ada.png" not in said
    own = connect(served, f"GET /gradio_api/upload_progress?upload_id=mine {host}\n")
    time.sleep(1)
    assert b"Ada.png" in own.recv(65536)
    for stream in (own, *streams):
        stream.close()
    # nor once its user has left, when the number goes to somebody else
    half = connect(served, f"POST /gradio_api/upload?upload_id=left {host}{form}")
    time.sleep(0.5)
    half.close()
    time.sleep(0.5)
    own = connect(served, f"GET /gradio_api/upload_progress?upload_id=left {host}\n")
    time.sleep(1)
    assert b"Ada.png" not in own.recv(65536)
    own.close()


def test_a_stream_that_takes_nothing_is_ended(small):
    """One such connection kept its results for good: everybody else got 429 for as long."""
    served, _ = small
    body = {"data": ["x" * 90_000], "fn_index": 0, "session_hash": "one"}
    url = served.url + "gradio_api/"
    assert requests.post(url + "queue/join", json=body, timeout=20).ok
    path = "/gradio_api/queue/data?session_hash=one"
    stream = connect(served, f"GET {path} HTTP/1.1\nHost: 127.0.0.1\n\n", room=4096)
    sent = 0
    while requests.post(url + "queue/join", json=body, timeout=20).ok:
        sent += 1
        assert sent < 1_000
    wait_for(lambda: greets(served))
    stream.close()


def test_a_call_that_never_arrives_whole_is_ended(small):
    """With 100 MB of such, large calls of others were refused for as long as these lasted."""
    served, _ = small
    head = "POST /gradio_api/call/greet HTTP/1.1\nHost: 127.0.0.1\nContent-Length: 4000000\n"
    head += "Content-Type: application/json\n\n"
    half = [connect(served, head, b"[" * 3_900_000) for _ in range(26)]
    large = {"data": ["x" * 400_000]}
    url = served.url + "gradio_api/call/echo"
    wait_for(lambda: requests.post(url, json=large, timeout=20).ok)
    assert b" 408 " in half[0].recv(100)
    for connection in half:
        connection.close()


@pytest.mark.long
def test_half_uploads_leave_the_disk(small):
    """Deleting a file that is still written frees nothing."""
    served, process = small
    head = "POST /gradio_api/upload HTTP/1.1\nHost: 127.0.0.1\nContent-Length: 20000000\n"
    head += "Content-Type: multipart/form-data; boundary=x\n\n--x\n"
    head += 'Content-Disposition: form-data; name="files"; filename="a"\n\n'
    half = [connect(served, head, bytes([i + 1]) * 19_000_000) for i in range(6)]
    time.sleep(8)
    taken, files = 0, f"/proc/{process.pid}/fd/"
    for file in os.listdir(files):
        with contextlib.suppress(OSError):
            if str(served.uploads) in os.readlink(files + file):
                taken += os.stat(files + file).st_blocks * 512
    assert taken < 60e6
    for connection in half:
        connection.close()


def test_a_wrong_get_writes_a_line_at_most(attacked):
    """Each wrote 50 lines and more."""
    served, _ = attacked
    file = f"gradio_api/file={uploaded(served)}"
    for path, headers in (
        ("?page=x", {}),
        ("", {"Host": "999.999.999.999"}),
        ("config", {"X-Forwarded-Host": "[:::::]"}),
        (file, {"Range": "bytes=1-2-3"}),
        (file, {"Range": b"bytes=\xb2-\xb3"}),
    ):
        before = served.printed()
        assert requests.get(served.url + path, headers=headers, timeout=20).status_code == 400
        assert len(served.printed().removeprefix(before).splitlines()) <= 1


def test_another_web_page_may_ask_for_leave(attacked):
    """@gradio/client on a page of another address asks by OPTIONS before each call."""
    served, _ = attacked
    headers = {"Origin": "http://localhost:5000", "Access-Control-Request-Method": "POST"}
    url = served.url + "gradio_api/queue/join"
    response = requests.options(url, headers=headers, timeout=20)
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:5000"


def test_a_quote_alone_hides_no_files(attacked):
    served, _ = attacked
    part = '--"x\r\nContent-Disposition: form-data; name="files"; filename="a{}"\r\n\r\n\r\n'
    body = "".join(part.format(i) for i in range(400)) + '--"x--\r\n'
    headers = {"Content-Type": 'multipart/form-data; boundary="x'}
    url = served.url + "gradio_api/upload"
    assert requests.post(url, data=body, headers=headers, timeout=20).status_code in (413, 415)
