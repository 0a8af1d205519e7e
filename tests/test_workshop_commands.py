"""Follow the text from the top: type its commands in a fresh clone, and compare what they print.

The markers above the blocks, in `workshop_blocks.py`, say how each is run.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from apps import find_app
from conftest import ROOT, engine_here, workshop_ports
from random_weights import make_checkpoint
from workshop_blocks import BLOCKS, assert_shows, run_by, save

OWN_SETTINGS = ("VIRTUAL_ENV", "PYTHON", "MAKE", "MFLAGS", "GRADIO_", "DOCKER=")
OUTPUT = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}


def publish(place, repository=None):
    """Make a repository of what git knows here, or would take in; `place` may be a folder in it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)
    author = ["-c", "user.name=A teacher", "-c", "user.email=teacher@example.org"]
    for git in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "The gallery"]):
        subprocess.run(["git", *git], cwd=repository or place, check=True)


class Reader:
    """Types blocks into a terminal in a folder, and starts apps in another terminal."""

    def __init__(self, place, folder):
        self.folder, self.state, self.log = folder, place / "state", place / "log.txt"
        self.server = self.ports = None
        self.programs = place / "programs"
        self.programs.mkdir()
        others = [name for name in os.environ if not f"{name}=".startswith(OWN_SETTINGS)]
        path = os.environ["PATH"].split(os.pathsep)
        path = [entry for entry in path if not entry.startswith(sys.prefix)]
        self.environment = {name: os.environ[name] for name in others} | {
            "PATH": os.pathsep.join([str(self.programs), *path]),
            "PYTHONUNBUFFERED": "1",
        }
        self.state.write_text(f"cd '{folder}'\n")

    def command(self, text):
        return ["bash", "-c", f"source '{self.state}'\nset -e\n{text}"]

    def keeping(self, text):
        """Return a command; what it sets, such as PATH or the folder, holds for the next one."""
        return self.command(f"{text}\n{{ export -p; echo \"cd '$PWD'\"; }} > '{self.state}'\n")

    def run(self, text):
        options = {"stdout": subprocess.PIPE, "text": True, "timeout": 900, **OUTPUT}
        return subprocess.run(self.keeping(text), env=self.environment, **options)

    def make_up_weights(self, block, printed):
        """Do without the trained weights if this machine cannot fetch them; tell if that is so."""
        if not block.option("weights") or "Nothing was saved." not in printed:
            return False
        file = find_app(block.option("weights"), self.folder).weights
        if not file.exists():
            make_checkpoint(file)
        return True

    def type(self, block):
        """Type a block, run it to its end and check what it prints."""
        ended = self.run(block.text)
        if not self.make_up_weights(block, ended.stdout):
            assert bool(ended.returncode) == ("fails" in block.options), ended.stdout
            assert block.shown.lower() in ended.stdout.lower(), ended.stdout  # CACHED, or cache
            if block.output is not None:
                assert_shows(ended.stdout, block.output)
        assert "Traceback" not in ended.stdout, ended.stdout

    def save(self, block):
        """Save a block as the text says, or change a file that was saved before."""
        file = self.folder / block.saved
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        file.write_text(save(before, block), encoding="utf-8")

    def start(self, block):
        """Type a block that serves an app, and wait until it says what the text shows."""
        self.stop()
        self.ports = contextlib.ExitStack()
        self.ports.enter_context(workshop_ports())
        if not self.serves(block):
            printed = self.log.read_text()
            assert self.make_up_weights(block, printed), printed
            assert self.serves(block), self.log.read_text()

    def serves(self, block):
        with self.log.open("w") as log:
            self.server = subprocess.Popen(
                self.command(block.text),
                env=self.environment,
                stdout=log,
                start_new_session=True,
                # in the background of a shell, as in some CI, Ctrl-C would be ignored
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                **OUTPUT,
            )
        port, deadline = int(block.option("port") or 8080), time.monotonic() + 900
        while time.monotonic() < deadline and self.server.poll() is None:
            if responds(port) and block.shown in self.log.read_text():
                if block.output is not None:
                    assert_shows(self.log.read_text(), block.output)
                time.sleep(3)  # a reader looks at the page before pressing Ctrl-C
                return True
            time.sleep(0.3)
        return False

    def stop(self):
        """Press Ctrl-C in the terminal of the app."""
        server, ports = self.server, self.ports
        self.server = self.ports = None
        with ports or contextlib.nullcontext():
            if server:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(server.pid, signal.SIGINT)
                try:
                    server.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(server.pid, signal.SIGKILL)
                    server.wait()
                    raise


def responds(port):
    try:
        return requests.get(f"http://localhost:{port}", timeout=20).ok
    except requests.RequestException:
        return False


@pytest.fixture
def reader(tmp_path):
    """Somebody who has cloned the repository by the text's command, into an empty folder."""
    (tmp_path / "my work").mkdir()
    reader = Reader(tmp_path, tmp_path / "my work")
    (clone,) = run_by("test_the_commands_work_as_typed_from_the_top")
    address, place = re.match(r"git clone (\S+)\ncd (\S+)\n$", clone).groups()
    publish(tmp_path / place, tmp_path / place.split("/")[0])
    ended = reader.run(clone.replace(address, f"'{tmp_path / place.split('/')[0]}'"))
    assert ended.returncode == 0, ended.stdout
    reader.folder /= place
    yield reader
    with contextlib.suppress(subprocess.TimeoutExpired):
        reader.stop()
    shutil.rmtree(reader.folder / ".venv", ignore_errors=True)  # several GB


@pytest.mark.timeout(2400)
@pytest.mark.long
def test_the_commands_work_as_typed_from_the_top(reader):
    engine = engine_here()
    if engine and engine != ["docker"]:
        (reader.programs / "docker").symlink_to(shutil.which(engine[0]))
    for block, following in zip(BLOCKS, [*BLOCKS[1:], None], strict=True):
        if block.is_typed and (engine or "engine" not in block.options):
            print(f"\n{block.place}\n{block.text}", end="", flush=True)
            (reader.start if "serves" in block.options else reader.type)(block)
        elif block.saved:
            reader.save(block)
        if not following or following.chapter != block.chapter:
            reader.stop()
            where = reader.run("pwd").stdout.strip()
            assert where == str(reader.folder), f"{block.chapter} leaves the reader in {where}"


@pytest.mark.long
def test_with_uv(tmp_path):
    publish(tmp_path / "gallery")
    reader = Reader(tmp_path, tmp_path / "gallery")
    (reader.programs / "uv").symlink_to(Path(sys.prefix) / "bin" / "uv")
    (block,) = [block for block in BLOCKS if block.marker == "run by: test_with_uv"]
    try:
        reader.start(block)
    finally:
        reader.stop()
