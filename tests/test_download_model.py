"""What users rely on when `download_model.py` fetches a model.

The real program runs in a folder of its own, with a small payload in place of the model, against
a web server on this machine that misbehaves as told.
"""

import contextlib
import ctypes
import hashlib
import importlib.util
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
APPS = ["flower_classification", "resnet_image_classification", "vgg11_image_classification"]
PAYLOAD = random.Random(0).randbytes(300_000)
DIGEST = hashlib.sha256(PAYLOAD).hexdigest()
OTHER = random.Random(1).randbytes(300_000)
HTML = b"\xef\xbb\xbf\n <!DocType html><html><body>Please sign in</body></html>"
CONSTANTS = re.compile(r"^FILE = .*?^MAX_BYTES = [^\n]*\n", re.DOTALL | re.MULTILINE)
PATIENCE_S = 30  # after which a program counts as hanging

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


def source_of(app):
    return (ROOT / app / "download_model.py").read_text()


# --- the web server ------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Answers each path as told: with the n-th answer the n-th time, then with the last one."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.requests = []
        self.over = threading.Event()  # ends the answers that stall
        self.half_sent = threading.Event()

    def url(self, path, *answers):
        self.answers[path] = list(answers)
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request, client_address):
        pass  # clients that go away are part of the tests


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        answers = self.server.answers[self.path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def log_message(self, *args):
        pass


def reply(body=PAYLOAD, status=200, length=True, pause_s=0, **headers):
    def answer(handler):
        handler.send_response(status)
        if length:
            handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        half = len(body) // 2
        handler.wfile.write(body[:half])
        time.sleep(pause_s)
        handler.wfile.write(body[half:])

    return answer


def send_half(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(PAYLOAD)))
    handler.end_headers()
    handler.wfile.write(PAYLOAD[: len(PAYLOAD) // 2])
    handler.wfile.flush()


def cut(handler):
    send_half(handler)


def stall(handler):
    send_half(handler)
    handler.server.half_sent.set()
    handler.server.over.wait(PATIENCE_S)


def say_nothing(handler):
    handler.server.over.wait(PATIENCE_S)


def hang_up(handler):
    handler.close_connection = True  # not even a status line


good = reply()
not_found = reply(b"no such file", 404)


@contextlib.contextmanager
def running(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)


@pytest.fixture
def server():
    with running(Server()) as server:
        yield server


# --- the program ---------------------------------------------------------------------------------


class App:
    """A folder with the program in it, as a user would copy it, but for the constants."""

    def __init__(self, folder):
        self.folder = folder
        self.program = folder / "download_model.py"
        self.data = folder / "data"
        self.file = self.data / "model.pth"

    def write(self, *sources, sha256=(DIGEST,), min_bytes=200_000, max_bytes=400_000, timeout_s=10):
        # a function, as these texts are not to be read as patterns
        constants = (
            'FILE = Path(__file__).parent / "data" / "model.pth"\n'
            f"SOURCES = {tuple(sources)!r}\n"
            f"SHA256 = {tuple(sha256)!r}\n"
            f"MIN_BYTES = {min_bytes}\n"
            f"MAX_BYTES = {max_bytes}\n"
        )
        text, blocks = CONSTANTS.subn(lambda _: constants, source_of(APPS[0]))
        text, timeouts = re.subn("^TIMEOUT_S = 30", f"TIMEOUT_S = {timeout_s}", text, flags=re.M)
        text, waits = re.subn(
            r"^RETRY_WAITS_S = \(2, 10\)", "RETRY_WAITS_S = (0.01, 0.02)", text, flags=re.M
        )
        assert blocks == timeouts == waits == 1
        self.folder.mkdir(exist_ok=True)
        self.program.write_text(text)
        return self

    def put(self, content):
        self.data.mkdir(exist_ok=True)
        self.file.write_bytes(content)

    def start(self, *arguments, env=None, **popen):
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        if env is None:
            env = {"NO_PROXY": "*"}  # also where the system, not the environment, sets a proxy
        environment.update({"PYTHONDONTWRITEBYTECODE": "1", **env})
        return subprocess.Popen(
            [sys.executable, str(self.program), *map(str, arguments)],
            cwd=self.folder.parent,  # not its own folder: data/ must be found from anywhere
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **popen,
        )

    def run(self, *arguments, **options):
        return Result(self.start(*arguments, **options))

    def contents(self):
        return sorted(path.name for path in self.data.iterdir()) if self.data.is_dir() else []


class Result:
    def __init__(self, process):
        try:
            self.out, self.err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
        self.code = process.returncode
        self.text = self.out + self.err
        # without the progress bars
        self.sentences = [line for line in self.err.splitlines() if "B/s" not in line and line]


@pytest.fixture
def app(tmp_path):
    return App(tmp_path / "app")


def assert_has_model(app, result, content=PAYLOAD, also=()):
    assert result.code == 0, result.text
    assert "Traceback" not in result.text
    assert app.file.read_bytes() == content
    assert app.contents() == sorted(["model.pth", *also])


def assert_failed(app, result, *words, code=1):
    """It ends with an error and a sentence for people, and leaves nothing behind."""
    assert result.code == code, result.text
    assert "Traceback" not in result.text
    for word in words:
        assert word.lower() in result.err.lower(), result.err
    assert result.sentences, "no word about what went wrong"
    assert not os.path.lexists(app.file)
    assert app.contents() == []


# --- the three programs --------------------------------------------------------------------------


def test_programs_differ_only_in_their_constants():
    outside = set()
    for app in APPS:
        docstring, _, text = source_of(app)[3:].partition('"""')
        rest, blocks = CONSTANTS.subn("", text)
        assert blocks == 1
        outside.add((docstring.partition("\n")[2], rest))
    assert len(outside) == 1


def load(app):
    spec = importlib.util.spec_from_file_location(
        f"download_{app}", ROOT / app / "download_model.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NEXTCLOUD = "https://nextcloud.dc.scilifelab.se/s/"
FACTS = {
    "flower_classification": (
        "flower_model_vgg19.pth",
        (NEXTCLOUD + "GSf2g5CAFxBPtMN/download",),
        (),
    ),
    "resnet_image_classification": (
        "image_classification_resnet18.pth",
        (
            "https://download.pytorch.org/models/resnet18-f37072fd.pth",
            NEXTCLOUD + "6znJ2FPZPyLKaGa/download",
        ),
        (
            "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
            "5c106cde386e87d4033832f2996f5493238eda96ccf559d1d62760c4de0613f8",
        ),
    ),
    "vgg11_image_classification": (
        "image_classification_vgg11.pth",
        (
            "https://download.pytorch.org/models/vgg11-8a719046.pth",
            NEXTCLOUD + "8FLB6JqJsPBDcWw/download",
        ),
        ("8a719046", "bbd30ac9"),
    ),
}


@pytest.mark.parametrize("name", APPS)
def test_sources_and_digests_are_the_known_ones(name):
    model = load(name)
    file, *published = FACTS[name]
    assert model.FILE.relative_to(ROOT / name) == Path("data", file)
    known = [model.SOURCES, model.SHA256]
    assert known == published


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("resnet_image_classification", [46_827_520, 46_830_571]),  # the two published files
        # the weights of torchvision's VGG11, 4 bytes each, and up to 200 kB of wrapping
        ("vgg11_image_classification", [132_863_336 * 4, 132_863_336 * 4 + 200_000]),
        # VGG19's convolutions and the classifier 25088-4096-2048-102
        ("flower_classification", [131_388_582 * 4, 131_388_582 * 4 + 200_000]),
    ],
)
def test_the_size_of_the_real_model_is_plausible(name, sizes):
    model = load(name)
    for size in sizes:
        assert model.MIN_BYTES <= size <= model.MAX_BYTES
        assert not model.MIN_BYTES <= size * 0.9 <= model.MAX_BYTES  # as far as it was cut short


@pytest.mark.parametrize("name", APPS)
def test_help_names_every_option(name):
    program = ROOT / name / "download_model.py"
    done = subprocess.run([sys.executable, program, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for option in ("--url", "--file", "--if-missing"):
        assert option in done.stdout


def test_works_where_torch_is_not_installed(app, server, tmp_path):
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch was imported')")
    app.write(server.url("/model", good))
    result = app.run(env={"NO_PROXY": "*", "PYTHONPATH": str(tmp_path)})
    assert_has_model(app, result)


def test_missing_pooch_says_what_to_install(app, tmp_path):
    (tmp_path / "pooch.py").write_text("raise ImportError")
    result = app.write().run(env={"PYTHONPATH": str(tmp_path)})
    assert_failed(app, result, "pip install -r requirements.txt")


# --- downloads that work -------------------------------------------------------------------------


def test_download_arrives_and_says_what_was_checked(app, server):
    result = app.write(server.url("/model", good)).run()
    assert_has_model(app, result)
    assert server.requests == ["/model"]
    assert str(app.file) in result.out
    assert DIGEST in result.out


def test_beginning_of_a_digest_is_enough(app, server):
    app.write(server.url("/model", good), sha256=("00000000", DIGEST[:8]))
    assert_has_model(app, app.run())


@posix
def test_model_can_be_read_by_the_user_of_a_container(app, server):
    assert_has_model(app, app.write(server.url("/model", good)).run())
    assert app.file.stat().st_mode & 0o044 == 0o044


def test_redirect_is_followed(app, server):
    target = server.url("/target", good)
    app.write(server.url("/model", reply(b"", 302, Location=target)))
    assert_has_model(app, app.run())


def test_name_given_by_the_server_is_not_used(app, server):
    name = 'attachment; filename="../evil.pth"'
    app.write(server.url("/model", reply(Content_Disposition=name)))
    assert_has_model(app, app.run())
    assert not list(app.folder.parent.rglob("evil.pth"))


@pytest.mark.parametrize("length", [True, False], ids=["known_length", "unknown_length"])
def test_slow_download_shows_size_and_speed(app, server, length):
    result = app.write(server.url("/model", reply(length=length, pause_s=0.8))).run()
    assert_has_model(app, result)
    size = r"300k/300k" if length else r"\d{3}kB"
    assert re.search(size + r" \[00:0[0-9].* [1-9][0-9.]*kB/s\]", result.err), result.err


def test_proxy_of_the_environment_is_used(app, server):
    proxy = server.url("/")
    server.url("http://models.invalid/model", good)
    app.write("http://models.invalid/model")
    assert_has_model(app, app.run(env={"http_proxy": proxy}))
    assert server.requests == ["http://models.invalid/model"]


def test_url_takes_the_place_of_the_sources(app, server):
    app.write(server.url("/model", good))
    assert_has_model(app, app.run("--url", server.url("/mirror", good)))
    assert server.requests == ["/mirror"]


# --- faults that pass, and faults that do not ----------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (reply(b"oops", 500), "500"),
        (reply(b"busy", 503), "503"),
        (reply(b"slowly", 429), "429"),
        (cut, "cut"),
        (hang_up, "cut"),
        (stall, "no data"),
    ],
    ids=["500", "503", "429", "cut", "hang_up", "stall"],
)
def test_passing_fault_is_tried_again(app, server, fault, words):
    result = app.write(server.url("/model", fault, good), timeout_s=1).run()
    assert_has_model(app, result)
    assert server.requests == ["/model"] * 2
    assert words in result.err.lower()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (reply(b"oops", 500), "500"),
        (cut, "cut"),
        (stall, "no data came for 0.5 seconds"),
        (say_nothing, "no data came for 0.5 seconds"),
    ],
    ids=["500", "cut", "stall", "silence"],
)
def test_fault_that_does_not_pass_ends_after_three_attempts(app, server, fault, words):
    result = app.write(server.url("/model", fault), timeout_s=0.5).run()
    assert_failed(app, result, words, "--url", "--file", "README")
    assert server.requests == ["/model"] * 3
    assert "README" in result.sentences[-1]


def test_404_tries_the_next_source(app, server):
    result = app.write(server.url("/gone", not_found), server.url("/model", good)).run()
    assert_has_model(app, result)
    assert server.requests == ["/gone", "/model"]
    assert "404" in result.err


def test_last_source_is_tried_after_attempts_at_the_first(app, server):
    app.write(server.url("/first", cut), server.url("/second", good))
    assert_has_model(app, app.run())
    assert server.requests == ["/first"] * 3 + ["/second"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (not_found, ["404", "no such file"]),
        (reply(b"", 403), ["403"]),
        (reply(HTML), ["server sent a web page instead of the model"]),
        (reply(b"<HTML>" + b" " * 300_000), ["server sent a web page instead of the model"]),
        (reply(OTHER), ["SHA-256", hashlib.sha256(OTHER).hexdigest()]),
        (reply(PAYLOAD[:1000]), ["wrong size", "1,000 bytes"]),
        (reply(PAYLOAD * 2), ["wrong size", "600,000 bytes"]),
        (reply(b""), ["wrong size", "0 bytes"]),
        (reply(PAYLOAD[:250_000], length=False), ["SHA-256"]),
        (reply(Content_Length="many", length=False), ["download failed"]),
    ],
    ids=[
        *("404", "403", "web_page", "big_web_page", "digest"),
        *("short", "long", "empty", "short_without_length", "senseless_length"),
    ],
)
def test_lasting_fault_is_told_and_not_tried_again(app, server, fault, words):
    result = app.write(server.url("/model", fault)).run()
    assert_failed(app, result, *words, "--url", "--file", "README")
    assert server.requests == ["/model"]
    assert len(result.sentences) <= 3


def test_wrong_file_tries_the_next_source(app, server):
    sources = [server.url("/a", reply(HTML)), server.url("/b", reply(OTHER))]
    assert_has_model(app, app.write(*sources, server.url("/c", good)).run())


def test_refused_connection_has_its_own_sentence(app):
    with socket.socket() as unused:  # bound, so that nobody else takes it; not listening
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/model"
        result = app.write(address).run()
    assert_failed(app, result, "refused the connection", address)


def test_unknown_host_has_its_own_sentence(app):
    result = app.write("http://models.invalid/model").run()
    assert_failed(app, result, "no network, or no server of this name", "models.invalid")


def test_untrusted_certificate_has_its_own_sentence(app, server, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate of this test")
    pem = tmp_path / "server.pem"
    request = "openssl req -x509 -nodes -newkey rsa:2048 -days 1 -subj /CN=127.0.0.1"
    make = [*request.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem, "-out"]
    certificate = tmp_path / "certificate.pem"
    subprocess.run([*make, certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    app.write(server.url("/model", good).replace("http:", "https:"))
    assert_failed(app, app.run(), "certificate is not trusted")
    trusting = {"NO_PROXY": "*", "REQUESTS_CA_BUNDLE": str(certificate)}
    assert_has_model(app, app.run(env=trusting))  # what an institution's own authority needs


def test_dead_proxy_has_its_own_sentence(app):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = app.write("http://models.invalid/model").run(env={"http_proxy": proxy})
    assert_failed(app, result, "proxy")


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/model", "model.pth", "file:///model.pth", ""])
def test_url_must_be_http(app, address):
    assert_failed(app, app.write().run("--url", address), "https://", address)


@pytest.mark.parametrize("address", ["http://", "http://[::1/model", "http://a b/model"])
def test_malformed_url_gets_a_sentence(app, address):
    assert_failed(app, app.write().run("--url", address), address)


def test_bad_mirror_is_checked_like_the_sources(app, server):
    app.write(server.url("/model", good))
    result = app.run("--url", server.url("/mirror", reply(OTHER)))
    assert_failed(app, result, "SHA-256")
    assert server.requests == ["/mirror"]


# --- what is there already -----------------------------------------------------------------------


def test_good_file_is_kept_without_any_request(app, server):
    app.write(server.url("/model", good)).put(PAYLOAD)
    result = app.run()
    assert_has_model(app, result)
    assert "already" in result.out
    assert server.requests == []


def test_other_file_is_kept_as_replaced(app, server):
    app.write(server.url("/model", good)).put(b"my own fine-tuned weights")
    result = app.run()
    assert_has_model(app, result, also=["model.pth.replaced"])
    kept = app.data / "model.pth.replaced"
    assert kept.read_bytes() == b"my own fine-tuned weights"
    assert str(kept) in result.out


def test_file_kept_earlier_is_not_overwritten(app, server):
    app.write(server.url("/model", good)).put(b"broken")
    kept = app.data / "model.pth.replaced"
    kept.write_bytes(b"my own fine-tuned weights")
    names = ["model.pth.replaced", "model.pth.replaced.replaced"]
    assert_has_model(app, app.run(), also=names)
    assert kept.read_bytes() == b"my own fine-tuned weights"


@pytest.mark.parametrize(
    "fault", [not_found, reply(HTML), reply(OTHER), cut], ids=["404", "html", "digest", "cut"]
)
def test_failed_download_leaves_the_old_file(app, server, fault):
    app.write(server.url("/model", fault)).put(b"my own fine-tuned weights")
    result = app.run()
    assert result.code == 1
    assert "Traceback" not in result.text
    assert app.file.read_bytes() == b"my own fine-tuned weights"
    assert app.contents() == ["model.pth"]


def test_folder_in_the_place_of_the_model_is_moved_away(app, server):
    # `docker run -v` makes one where the file to mount does not exist
    app.write(server.url("/model", good))
    app.file.mkdir(parents=True)
    assert_has_model(app, app.run(), also=["model.pth.replaced"])


@pytest.mark.parametrize("content", [PAYLOAD, b"my own fine-tuned weights", b""])
def test_if_missing_leaves_any_file_alone(app, server, content):
    app.write(server.url("/model", good)).put(content)
    result = app.run("--if-missing")
    assert_has_model(app, result, content)
    assert result.text == ""
    assert server.requests == []


def test_if_missing_downloads_when_there_is_nothing(app, server):
    assert_has_model(app, app.write(server.url("/model", good)).run("--if-missing"))


# --- a file brought by hand ----------------------------------------------------------------------


@pytest.fixture
def by_hand(tmp_path):
    path = tmp_path / "by hand.pth"
    path.write_bytes(PAYLOAD)
    return path


def test_file_is_copied_not_moved(app, server, by_hand):
    app.write(server.url("/model", good))
    assert_has_model(app, app.run("--file", by_hand))
    assert by_hand.read_bytes() == PAYLOAD
    assert server.requests == []


@pytest.mark.parametrize(
    ("content", "words"),
    [(OTHER, "SHA-256"), (HTML, "web page"), (PAYLOAD[:1000], "wrong size"), (b"", "wrong size")],
    ids=["digest", "web_page", "short", "empty"],
)
def test_wrong_file_is_refused(app, by_hand, content, words):
    by_hand.write_bytes(content)
    assert_failed(app, app.write().run("--file", by_hand), words, str(by_hand), "README")
    assert by_hand.read_bytes() == content


def test_missing_file_is_told(app, tmp_path):
    missing = tmp_path / "missing.pth"
    assert_failed(app, app.write().run("--file", missing), str(missing), "does not exist")


def test_folder_instead_of_a_file_is_told(app, tmp_path):
    assert_failed(app, app.write().run("--file", tmp_path), str(tmp_path), "is a folder")


def test_file_wins_over_an_earlier_good_one(app, by_hand):
    app.write(sha256=(DIGEST, hashlib.sha256(OTHER).hexdigest())).put(OTHER)
    assert_has_model(app, app.run("--file", by_hand), also=["model.pth.replaced"])


def test_file_that_is_in_its_place_already_is_fine(app):
    app.write().put(PAYLOAD)
    assert_has_model(app, app.run("--file", app.file))


# --- models without a published digest -----------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small model as torch.save writes it, in the present and in the older format."""
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("saved")
    weights = {"weight": torch.arange(65_000, dtype=torch.float32)}
    for name, new in (("zip", True), ("older", False)):
        torch.save(weights, folder / name, _use_new_zipfile_serialization=new)
    return {name: (folder / name).read_bytes() for name in ("zip", "older")}


@pytest.mark.parametrize("kind", ["zip", "older"])
def test_pytorch_file_without_digest_is_accepted_and_says_so(app, server, saved, kind):
    result = app.write(server.url("/model", reply(saved[kind])), sha256=()).run()
    assert_has_model(app, result, saved[kind])
    assert "No digest was published" in result.out
    assert ("checksums right" if kind == "zip" else "older format") in result.out


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda saved: saved["zip"][:-1000],
        lambda saved: saved["zip"][:250_000],
        lambda saved: flip(saved["zip"]),
        lambda saved: PAYLOAD,
        lambda saved: b"PK\x03\x04" + PAYLOAD,
    ],
    ids=["end_cut", "cut", "flipped", "noise", "noise_like_zip"],
)
def test_damaged_pytorch_file_without_digest_is_refused(app, server, saved, damage):
    content = damage(saved)
    result = app.write(server.url("/model", reply(content)), sha256=()).run()
    assert_failed(app, result, "no PyTorch file, or a damaged one")


def test_older_format_cut_short_is_refused_by_its_size(app, server, saved):
    app.write(server.url("/model", reply(saved["older"][:150_000])), sha256=())
    assert_failed(app, app.run(), "wrong size")


def test_archive_that_is_no_model_is_refused(app, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_bytes(PAYLOAD)
    archive = shutil.make_archive(str(tmp_path / "notes"), "zip", tmp_path / "folder")
    assert_failed(app, app.write(sha256=()).run("--file", archive), "no PyTorch file")


# --- the disk ------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(app):
    """A disk of 1 MB, in the place of data/."""
    app.data.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(app.data)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield app.data
    subprocess.run(["umount", str(app.data)], check=True)


def test_too_little_room_is_told_before_downloading(app, server, small_disk):
    app.write(server.url("/model", good), min_bytes=2_000_000, max_bytes=3_000_000)
    assert_failed(app, app.run(), "full", "2 MB")
    assert server.requests == []


def test_disk_that_fills_up_is_told(app, server, small_disk):
    body = PAYLOAD * 10
    sources = [server.url("/model", reply(body)), server.url("/second", reply(body))]
    app.write(*sources, max_bytes=4_000_000)
    result = app.run()
    assert_failed(app, result, "full")
    assert server.requests == ["/model"]
    assert len(result.sentences) == 1


def test_disk_that_fills_up_while_copying_is_told(app, by_hand, small_disk):
    by_hand.write_bytes(PAYLOAD * 10)
    result = app.write(max_bytes=4_000_000).run("--file", by_hand)
    assert_failed(app, result, "full")


def without_root_rights():
    """In the child: root may otherwise write everywhere."""
    drop_from_bounding_set, override, read_search = 24, 1, 2
    for capability in (override, read_search):
        ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0)


@linux
@pytest.mark.parametrize("closed", ["app", "data"])
def test_forbidden_folder_is_told(app, server, closed):
    app.write(server.url("/model", good))
    folder = app.folder
    if closed == "data":
        app.data.mkdir()
        folder = app.data
    folder.chmod(0o555)
    try:
        probe = [sys.executable, "-c", "import sys; open(sys.argv[1], 'w')", str(folder / "probe")]
        may = subprocess.run(probe, capture_output=True, preexec_fn=without_root_rights)
        if may.returncode == 0:
            (folder / "probe").unlink()
            pytest.skip("this user may write everywhere")
        result = app.run(preexec_fn=without_root_rights)
        assert_failed(app, result, "no permission", str(app.data))
        assert server.requests == []
    finally:
        folder.chmod(0o755)


def test_file_in_the_place_of_data_is_told(app, server):
    app.write(server.url("/model", good))
    app.data.write_text("")
    result = app.run()
    assert result.code == 1
    assert "Traceback" not in result.text
    assert "could not be read or written" in result.err


# --- a run that is stopped -----------------------------------------------------------------------


def start_slow_download(app, server):
    app.write(server.url("/model", stall), timeout_s=PATIENCE_S)
    # a shell may have told this process, and so the program, to ignore Ctrl-C
    process = app.start(preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        assert server.half_sent.wait(PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S
        while not any(file.stat().st_size for file in app.data.glob(".download-*/*")):
            assert process.poll() is None, "the program ended too early"
            assert time.monotonic() < deadline, "nothing was written"
            time.sleep(0.02)
    except BaseException:
        process.kill()
        raise
    return process


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_stopped_download_leaves_nothing_behind(app, server, name):
    process = start_slow_download(app, server)
    process.send_signal(getattr(signal, name))
    result = Result(process)
    assert_failed(app, result, "stopped", code=130)
    assert len(result.sentences) == 1


@posix
def test_left_over_of_a_killed_run_is_removed_by_the_next(app, server):
    process = start_slow_download(app, server)
    process.kill()
    Result(process)
    assert [name for name in app.contents() if name.startswith(".download-")]
    assert not app.file.exists()
    assert_has_model(app, app.write(server.url("/model", good)).run())
