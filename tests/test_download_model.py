"""What users rely on when `download_model.py` fetches a model.

The real program runs in a folder of its own, with a small payload instead of the model, against
a web server on this machine that misbehaves as told.
"""

import hashlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import mounted

PROGRAM = Path(__file__).parents[1] / "flower_classification" / "download_model.py"
PAYLOAD = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
HTML = b"\xef\xbb\xbf\n <!DocType html><html><body>Please sign in</body></html>"
MINE = b"my own fine-tuned weights"
DIGEST, OTHER_DIGEST = (hashlib.sha256(content).hexdigest() for content in (PAYLOAD, OTHER))
CONSTANTS = re.compile(r"^FILE = .*?^MAX_BYTES = [^\n]*\n", re.DOTALL | re.MULTILINE)
PATIENCE_S = 30  # after which a program counts as hanging
NO_PROXY = {"NO_PROXY": "*"}

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


class Server(ThreadingHTTPServer):
    """Responds to each path as told: the n-th response the n-th time, then the last one."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.responses, self.requests = {}, []
        self.half_sent, self.over = threading.Event(), threading.Event()  # for responses that stall

    def url(self, path, *responses):
        self.responses[path] = list(responses)
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request, client_address):
        pass  # clients that go away are part of the tests


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        responses = self.server.responses[self.path]
        (responses.pop(0) if len(responses) > 1 else responses[0])(self)

    def log_message(self, *args):
        pass


def reply(body=PAYLOAD, status=200, length=None, pause_s=0):
    def respond(handler):
        handler.send_response(status)
        if length != "none":
            handler.send_header("Content-Length", length or str(len(body)))
        handler.end_headers()
        half = len(body) // 2
        handler.wfile.write(body[:half])
        time.sleep(pause_s)
        handler.wfile.write(body[half:])

    return respond


good, not_found, web_page, other_file = reply(), reply(b"", 404), reply(HTML), reply(OTHER)
cut = reply(PAYLOAD[:150_000], length="300000")


def stall(handler):
    cut(handler)
    handler.server.half_sent.set()
    handler.server.over.wait(PATIENCE_S)


def endless(handler):
    """Send zeros without an end; packed, these are few bytes on the way."""
    packer = zlib.compressobj(wbits=31)
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    while not handler.server.over.is_set():
        handler.wfile.write(packer.compress(bytes(2**20)))


def only_soon(handler):
    """Say again and again that the response is about to come."""
    while not handler.server.over.wait(0.001):
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def drip(handler):
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.over.wait(0.1):
        handler.wfile.write(b"x")


def silence(handler):
    handler.server.over.wait(PATIENCE_S)


def hang_up(handler):
    handler.close_connection = True  # not even a status line


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE_S)


@pytest.fixture
def dead_server():
    with socket.socket() as unused:  # bound, so that nobody else takes it; not listening
        unused.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{unused.getsockname()[1]}"


class App:
    """A folder with the program in it, as a user would copy it, but for the constants."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder, self.data = folder, folder / "data"
        self.file, self.replaced = self.data / "model.pth", self.data / "model.pth.replaced"

    def write(
        self,
        *sources,
        sha256=(DIGEST,),
        min_bytes=200_000,
        max_bytes=400_000,
        timeout_s=10,
        total_s=60,
    ):
        constants = 'FILE = Path(__file__).parent / "data" / "model.pth"\n'
        constants += f"SOURCES = {sources!r}\nSHA256 = {sha256!r}\n"
        constants += f"MIN_BYTES = {min_bytes}\nMAX_BYTES = {max_bytes}\n"
        text, blocks = CONSTANTS.subn(lambda _: constants, PROGRAM.read_text(encoding="utf-8"))
        assert blocks == text.count("\nTIMEOUT_S = 30 ") == text.count("_WAITS_S = (2, 10)") == 1
        text = text.replace("\nTIMEOUT_S = 30 ", f"\nTIMEOUT_S = {timeout_s} ")
        text = text.replace("_WAITS_S = (2, 10)", "_WAITS_S = (0.01, 0.02)")
        text = text.replace("\nTOTAL_S = 4 * 3600 ", f"\nTOTAL_S = {total_s} ")
        (self.folder / "download_model.py").write_text(text, encoding="utf-8")
        return self

    def put(self, content):
        self.data.mkdir(exist_ok=True)
        self.file.write_bytes(content)

    def start(self, *arguments, env=NO_PROXY, **options):
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        return subprocess.Popen(
            [sys.executable, self.folder / "download_model.py", *arguments],
            cwd=self.folder.parent,  # data/ must be found from anywhere
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *arguments, **options):
        return finish(self.start(*arguments, **options))

    def contents(self):
        return sorted(path.name for path in self.data.iterdir()) if self.data.is_dir() else []


def finish(process):
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert "Traceback" not in out + err
    messages = [line for line in err.splitlines() if line and "B/s" not in line]  # no bars
    return SimpleNamespace(code=process.returncode, out=out, err=err, messages=messages)


@pytest.fixture
def app(tmp_path):
    return App(tmp_path / "app")


def assert_saved(app, ended, content=PAYLOAD, also=()):
    assert ended.code == 0, ended.err
    assert app.file.read_bytes() == content
    assert app.contents() == ["model.pth", *also]


def assert_failed(app, ended, *words, code=1, left=()):
    assert ended.code == code, ended.err
    for word in ("nothing was saved", *words):
        assert word.lower() in ended.err.lower()
    assert app.contents() == [*left]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("respond", "words"),
    [
        (endless, "more than 400,000 bytes"),
        (reply(bytes(10**7), length="none"), "more than 400,000 bytes"),
        (only_soon, "not complete after 2 s"),
        (drip, "not complete after 2 s"),
    ],
)
def test_a_download_without_an_end_is_ended(app, server, respond, words):
    app.write(server.url("/model", respond), total_s=2)
    assert_failed(app, app.run(), words)
    assert server.requests == ["/model"]  # another attempt would be no better


def test_missing_package_says_what_to_install(app, tmp_path):
    (tmp_path / "pooch.py").write_text("raise ImportError")
    ended = app.write().run(env={"PYTHONPATH": str(tmp_path)})
    assert ended.code == 1
    assert "pip install -r requirements.txt" in ended.err


def test_download_says_what_was_checked_and_needs_no_torch(app, server, tmp_path):
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch was imported')")
    ended = app.write(server.url("/model", good)).run(env={**NO_PROXY, "PYTHONPATH": str(tmp_path)})
    assert_saved(app, ended)
    assert server.requests == ["/model"]
    assert str(app.file) in ended.out
    assert "size and SHA-256 digest" in ended.out


def test_beginning_of_a_digest_is_enough(app, server):
    app.write(server.url("/model", good), sha256=("00000000", DIGEST[:8]))
    assert_saved(app, app.run())


@posix
def test_model_can_be_read_by_the_user_of_a_container(app, server):
    assert_saved(app, app.write(server.url("/model", good)).run(umask=0o077))
    assert app.file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("length", [None, "none"], ids=["known_length", "unknown_length"])
def test_bar_shows_size_and_speed(app, server, length):
    app.write(server.url("/model", reply(length=length, pause_s=0.8)), min_bytes=300_000)
    ended = app.run()
    assert_saved(app, ended)
    last = ended.err.rpartition("\r")[2]
    shown = re.search(r"300k/300k \[00:0[0-9].* ([\d.]+)kB/s\]", last)
    assert shown, ended.err
    assert 30 < float(shown[1]) < 400  # it took 0.8 seconds, or somewhat longer


def test_proxy_of_the_environment_is_used(app, server, dead_server):
    app.write("http://models.invalid/model")
    ended = app.run(env={"http_proxy": f"http://{dead_server}"})
    assert_failed(app, ended, "download failed", "proxy")
    server.url("http://models.invalid/model", good)
    assert_saved(app, app.run(env={"http_proxy": server.url("/")}))
    assert server.requests == ["http://models.invalid/model"]


def test_url_replaces_the_sources_and_is_checked_like_them(app, server):
    app.write(server.url("/model", good))
    mirror = server.url("/mirror", other_file, good)
    assert_failed(app, app.run("--url", mirror), "SHA-256")
    assert_saved(app, app.run("--url", mirror))
    assert server.requests == ["/mirror", "/mirror"]


def test_sources_are_tried_in_order_and_again_after_a_temporary_fault(app, server):
    faults = {"/404": not_found, "/page": web_page, "/other": other_file, "/cut": cut}
    sources = [server.url(path, fault) for path, fault in faults.items()]
    sources += [server.url("/stalled", stall, good), server.url("/unused", good)]
    ended = app.write(*sources, timeout_s=1).run()
    assert_saved(app, ended)
    asked = ["/404", "/page", "/other", "/cut", "/cut", "/cut", "/stalled", "/stalled"]
    assert server.requests == asked
    assert "Trying again" in ended.err


TEMPORARY = {
    "500": (reply(b"oops", 500), "responded with error 500"),
    "429": (reply(b"slowly", 429), "responded with error 429"),
    "cut": (cut, "download failed (ChunkedEncodingError: IncompleteRead"),
    "hang up": (hang_up, "download failed (ConnectionError"),
    "stall": (stall, "timed out"),
    "silence": (silence, "timed out"),
}
LASTING = {
    "404": (not_found, "the server has no such file (404)"),
    "403": (reply(b"", 403), "responded with error 403"),
    "web page": (web_page, "it is a web page instead of the model"),
    "digest": (other_file, "wrong SHA-256 digest"),
    "short": (reply(PAYLOAD[:1000]), "its size is wrong (1,000 bytes)"),
    "long": (reply(PAYLOAD * 2), "it sends more than 400,000 bytes"),
    "no length": (reply(PAYLOAD[:9], length="none"), "its size is wrong (9 bytes)"),
    "senseless length": (reply(length="many"), "download failed"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*LASTING, *TEMPORARY])
def test_fault_that_stays_is_told_and_an_earlier_file_stays(app, server, kind):
    attempts = 3 if kind in TEMPORARY else 1
    fault, words = {**LASTING, **TEMPORARY}[kind]
    address = server.url("/model", fault)
    app.write(address, timeout_s=0.5).put(MINE)
    ended = app.run()
    assert_failed(app, ended, f"{address}: ", words, "--url", "--file", left=["model.pth"])
    assert app.file.read_bytes() == MINE
    assert server.requests == ["/model"] * attempts
    assert len(ended.messages) == attempts + 1


@pytest.mark.parametrize(
    ("address", "attempts", "words"),
    [
        ("http://models.invalid/model", 1, "there is no network, or no server with this name"),
        ("http://{dead}/model", 3, "refused"),
        ("https://{server}/model", 1, "SSLError"),  # as with a certificate that is not trusted
        ("model.pth", 1, "download failed"),
        ("http://[::1/model", 1, "download failed"),
    ],
)
def test_bad_address_is_told(app, server, dead_server, address, attempts, words):
    address = address.format(server=f"127.0.0.1:{server.server_port}", dead=dead_server)
    ended = app.write().run("--url", address)
    assert_failed(app, ended, f"{address}: ", words)
    assert len(ended.messages) == attempts + 1


def test_good_file_is_kept_without_any_request(app, server):
    app.write(server.url("/model", good)).put(PAYLOAD)
    ended = app.run()
    assert_saved(app, ended)
    assert "already" in ended.out
    assert server.requests == []


def test_other_file_is_kept_and_so_is_one_kept_earlier(app, server):
    app.write(server.url("/model", good)).put(MINE)
    ended = app.run()
    assert_saved(app, ended, also=["model.pth.replaced"])
    assert str(app.replaced) in ended.out
    app.put(b"broken")
    second = "model.pth.replaced.replaced"
    assert_saved(app, app.run(), also=["model.pth.replaced", second])
    assert app.replaced.read_bytes() == MINE
    assert (app.data / second).read_bytes() == b"broken"


@pytest.mark.parametrize("content", [MINE, b""])
def test_if_missing_downloads_only_where_there_is_no_file(app, server, content):
    app.write(server.url("/model", good))
    assert_saved(app, app.run("--if-missing"))
    app.put(content)
    ended = app.run("--if-missing")
    assert_saved(app, ended, content)
    assert ended.out + ended.err == ""
    assert server.requests == ["/model"]


def test_file_or_folder_that_is_in_the_way_is_told_and_stays(app):
    app.write().data.write_text("")
    assert_failed(app, app.run(), str(app.data))
    app.data.unlink()
    app.file.mkdir(parents=True)  # `docker run -v` makes one where the file does not exist
    assert_failed(app, app.run(), str(app.file), left=["model.pth"])


@pytest.fixture
def my_file(tmp_path):
    path = tmp_path / "my file.pth"
    path.write_bytes(PAYLOAD)
    return path


def test_file_is_copied_not_moved(app, server, my_file):
    app.write(server.url("/model", good))
    assert_saved(app, app.run("--file", my_file))
    assert my_file.read_bytes() == PAYLOAD
    assert server.requests == []
    assert_saved(app, app.run("--file", my_file))  # once more
    assert_saved(app, app.run("--file", app.file))


@pytest.mark.parametrize(
    ("content", "words"),
    [(OTHER, "wrong SHA-256 digest"), (HTML, "web page"), (MINE, "size is wrong"), (None, "file")],
    ids=["digest", "web_page", "short", "missing"],
)
def test_wrong_file_is_told_and_stays(app, my_file, content, words):
    my_file.unlink() if content is None else my_file.write_bytes(content)
    assert_failed(app, app.write().run("--file", my_file), str(my_file), words)
    assert content is None or my_file.read_bytes() == content


def test_file_wins_over_an_earlier_good_one(app, my_file):
    app.write(sha256=(DIGEST, OTHER_DIGEST)).put(OTHER)
    assert_saved(app, app.run("--file", my_file), also=["model.pth.replaced"])
    assert app.replaced.read_bytes() == OTHER


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small model as torch.save writes it, in the present and in the older format; and others."""
    torch = pytest.importorskip("torch")
    file = tmp_path_factory.mktemp("saved") / "model"
    weights = {"weight": torch.arange(65_000, dtype=torch.float32)}
    torch.save(weights, file, _use_new_zipfile_serialization=False)
    older = file.read_bytes()
    torch.save(weights, file)
    new = file.read_bytes()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("notes/text.txt", PAYLOAD)
    return {
        "older": older,
        "new": new,
        "end cut": new[:-1000],
        "changed": new[:130_000] + b"damage" + new[130_006:],
        "noise": PAYLOAD,
        "no model": file.read_bytes(),
        "older cut": older[:150_000],  # it has no checksums
    }


@pytest.mark.parametrize("kind", ["new", "older"])
def test_pytorch_file_without_digest_is_accepted_and_says_so(app, server, saved, kind):
    ended = app.write(server.url("/model", reply(saved[kind])), sha256=()).run()
    assert_saved(app, ended, saved[kind])
    assert "size and PyTorch format (no digest was published)" in ended.out


@pytest.mark.parametrize("kind", ["end cut", "changed", "noise", "no model", "older cut"])
def test_damaged_file_without_digest_is_refused(app, server, saved, kind):
    words = "size is wrong" if kind == "older cut" else "wrong PyTorch format"
    ended = app.write(server.url("/model", reply(saved[kind])), sha256=()).run()
    assert_failed(app, ended, words)


@pytest.mark.parametrize("way", ["download", "copy"])
def test_full_disk_is_told(app, server, my_file, way):
    with mounted(app.data, "-o", "size=1m,mode=1777"):
        my_file.write_bytes(PAYLOAD * 10)
        sources = [server.url(path, reply(PAYLOAD * 10)) for path in ("/model", "/second")]
        app.write(*sources, max_bytes=4_000_000)
        ended = app.run(*["--file", my_file] * (way == "copy"))
        assert_failed(app, ended, "the disk or your quota is full", str(app.data))
        assert server.requests == ["/model"] * (way == "download")
        assert len(ended.messages) == 1


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_stopped_download_leaves_nothing_behind(app, server, name):
    app.write(server.url("/model", stall, good), timeout_s=PATIENCE_S)
    # a shell may have told this process, and so the program, to ignore Ctrl-C
    process = app.start(preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert server.half_sent.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while not any(file.stat().st_size for file in app.data.glob(".download-*/*")):
        assert time.monotonic() < deadline, process.kill()
        time.sleep(0.02)
    process.send_signal(getattr(signal, name))
    ended = finish(process)
    if name == "SIGKILL":
        assert not app.file.exists()  # the rest is removed by the next run
    else:
        assert_failed(app, ended, "stopped", code=130)
        assert len(ended.messages) == 1
    assert_saved(app, app.run())
