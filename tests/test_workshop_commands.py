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

import pexpect
import pytest
import requests
from apps import find_app
from conftest import ROOT, engine_here, workshop_ports
from workshop_blocks import (
    CHAPTERS,
    REASONS,
    SHELL,
    assert_prints,
    assert_shows,
    blocks_of,
    run_by,
)

OWN_SETTINGS = ("VIRTUAL_ENV", "PYTHON", "MAKE", "MFLAGS", "GRADIO_", "DOCKER=")


def publish(place):
    """Make a repository of what git knows here, or would take in, for others to clone."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)
    author = ["-c", "user.name=A teacher", "-c", "user.email=teacher@example.org"]
    for git in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "The gallery"]):
        subprocess.run(["git", *git], cwd=place, check=True)


class Reader:
    """Types blocks into a terminal in a folder, and starts apps in another terminal."""

    def __init__(self, place, folder):
        self.place, self.folder = place, folder
        self.state, self.log = place / "state", place / "log.txt"
        self.server = self.ports = None
        others = [name for name in os.environ if not f"{name}=".startswith(OWN_SETTINGS)]
        self.environment = {name: os.environ[name] for name in others}
        path = self.environment["PATH"].split(os.pathsep)
        path = [entry for entry in path if not entry.startswith(sys.prefix)]
        self.programs = place / "programs"
        self.programs.mkdir()
        self.environment |= {
            "PATH": os.pathsep.join([str(self.programs), *path]),
            "PYTHONUNBUFFERED": "1",
            "PYTHON_BASIC_REPL": "1",  # Python 3.13 has a prompt that draws
            "TERM": "dumb",
        }
        self.state.write_text(f"cd '{folder}'\n")

    def bring(self, name, program):
        """Let a program of the machine be found under a name."""
        (self.programs / name).symlink_to(program)

    def command(self, text):
        return ["bash", "-c", f"source '{self.state}'\nset -e\n{text}"]

    def keeping(self, text):
        """Return a command; what it sets, such as PATH or the folder, holds for the next one."""
        return self.command(f"{text}\n{{ export -p; echo \"cd '$PWD'\"; }} > '{self.state}'\n")

    def run(self, text):
        return subprocess.run(
            self.keeping(text),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )

    def type(self, block):
        """Type a block, run it to its end and check what it prints."""
        ended = self.run(block.text)
        if block.option("weights") and "Nothing was saved." in ended.stdout:
            self.make_up_weights(block)
        else:
            assert bool(ended.returncode) == ("fails" in block.options), ended.stdout
            assert block.shown.lower() in ended.stdout.lower(), ended.stdout  # CACHED, or cache
            if block.output is not None:
                assert_shows(ended.stdout, block.output)
        assert "Traceback" not in ended.stdout, ended.stdout

    def make_up_weights(self, block):
        """Do without the trained weights, where this machine cannot fetch them."""
        file = find_app(block.option("weights"), self.folder).weights
        if not file.exists():
            command = [sys.executable, ROOT / "scripts" / "make_checkpoint.py", file]
            subprocess.run(command, check=True)

    def start(self, block):
        """Type a block that serves an app, and wait until it says what the text shows."""
        self.stop()
        self.ports = contextlib.ExitStack()
        self.ports.enter_context(workshop_ports())
        if self.serves(block) or (self.weights_are_missing(block) and self.serves(block)):
            return
        raise AssertionError(self.log.read_text())

    def serves(self, block):
        with self.log.open("w") as log:
            self.server = subprocess.Popen(
                self.command(block.text),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # in the background of a shell, as in some CI, Ctrl-C would be ignored
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        port, deadline = int(block.option("port") or 8080), time.monotonic() + 900
        while time.monotonic() < deadline and self.server.poll() is None:
            if answers(port) and block.shown in self.log.read_text():
                if block.output is not None:
                    assert_shows(self.log.read_text(), block.output)
                time.sleep(3)  # a person looks at the page before pressing Ctrl-C
                return True
            time.sleep(0.3)
        return False

    def weights_are_missing(self, block):
        if block.option("weights") and "Nothing was saved." in self.log.read_text():
            self.make_up_weights(block)
            return True
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

    def converse(self, block, conversation):
        """Type a block that starts Python, what stands at its prompt, and `exit()`."""
        bash, *options = self.keeping(block.text)
        python = pexpect.spawn(
            bash, options, env=self.environment, encoding="utf-8", dimensions=(50, 500), timeout=60
        )
        prompt = r"(?:^|\n)(?:>>> |\.\.\. )"
        python.expect(prompt)
        for typed, expected in exchanges(conversation.text):
            for line in typed:
                python.sendline(line)
                python.expect(prompt)
            printed = python.before.replace("\r", "").partition("\n")[2]  # without the echo
            assert_prints(printed, expected)
        python.sendline("exit()")
        python.expect(pexpect.EOF)
        python.close()
        assert python.exitstatus == 0, python.before


def exchanges(conversation):
    """Give what is typed at a Python prompt, as lines, and what is then printed."""
    for exchange in re.findall(r"(?ms)^>>> .*?(?=^>>> |\Z)", conversation):
        typed = re.match(r"(?m)(^(>>>|\.\.\.)( .*)?\n)+", exchange)[0]
        yield [line[4:] for line in typed.splitlines()], exchange.removeprefix(typed)


def answers(port):
    try:
        return requests.get(f"http://localhost:{port}", timeout=20).ok
    except requests.RequestException:
        return False


@pytest.fixture
def reader(tmp_path):
    """Somebody who has cloned the repository by the text's command, into an empty folder."""
    publish(tmp_path / "gallery")
    (tmp_path / "my work").mkdir()
    reader = Reader(tmp_path, tmp_path / "my work")
    (clone,) = run_by("test_the_commands_work_as_typed_from_the_top")
    ended = reader.run(clone.replace("ADDRESS", f"'{tmp_path / 'gallery'}'") + "cd gallery\n")
    assert ended.returncode == 0, ended.stdout
    reader.folder /= "gallery"
    yield reader
    with contextlib.suppress(subprocess.TimeoutExpired):
        reader.stop()
    shutil.rmtree(reader.folder / ".venv", ignore_errors=True)  # several GB


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_commands_work_as_typed_from_the_top(reader, record_property):
    engine = engine_here()
    if engine and engine != ["docker"]:
        reader.bring("docker", shutil.which(engine[0]))
    counts = {"typed from the top": 0, "left out, as there is no Docker": 0}
    for chapter in CHAPTERS:
        blocks = list(blocks_of(chapter))
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            if not block.is_typed:
                continue
            if "engine" in block.options and not engine:
                counts["left out, as there is no Docker"] += 1
                continue
            print(f"\n{block.place}\n{block.text}", end="", flush=True)
            if "prompt" in block.options:
                reader.converse(block, following)
            elif "serves" in block.options:
                reader.start(block)
            else:
                reader.type(block)
            counts["typed from the top"] += 1
        reader.stop()
        where = reader.run("pwd").stdout.strip()
        assert where == str(reader.folder), f"{chapter.name} leaves the reader in {where}"
    record_property("blocks", counts)


@pytest.mark.slow
def test_with_uv(tmp_path):
    publish(tmp_path / "gallery")
    reader = Reader(tmp_path, tmp_path / "gallery")
    reader.bring("uv", Path(sys.prefix) / "bin" / "uv")
    (block,) = [b for c in CHAPTERS for b in blocks_of(c) if b.marker == "run by: test_with_uv"]
    try:
        reader.start(block)
    finally:
        reader.stop()


def test_every_block_for_a_shell_is_run_or_says_why_not(record_property):
    unclear = [b.place for b in SHELL if not re.match(r"(run|not run|file|part of)\b", b.marker)]
    assert unclear == []
    counts = {f"marked as one that {reason}": 0 for reason in REASONS}
    for block in SHELL:
        if block.marker.startswith("not run"):
            counts[f"marked as one that {block.marker.removeprefix('not run: ')}"] += 1
    elsewhere = [b for b in SHELL if not b.is_typed and re.match(r"run|file|part of", b.marker)]
    record_property("blocks", {"run by another test": len(elsewhere), **counts})
