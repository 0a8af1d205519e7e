"""A server in a process of its own: started, waited for, stopped. Needs nothing but Python."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import weakref
from pathlib import Path

START_S, STOP_S = 120, 20
WINDOWS = os.name == "nt"  # where one program cannot press Ctrl-C in another
# a proxy must not respond for this computer
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Failed(Exception):
    """What was tried did not do what it should; the message says what it did instead."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server on a port of this computer, with all processes that it starts, in a session.

    `{PORT}` in the words of `command` and in the values of `environment` becomes its port. What it
    prints goes to the file `log`.
    """

    def __init__(self, command, port=None, log=None, cwd=None, **environment):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        if not log:  # gone with this object
            folder = tempfile.mkdtemp()
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.log = Path(log or Path(folder, "log.txt"))

        def filled(word):
            return str(word).replace("{PORT}", str(self.port))

        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [*map(filled, command)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=cwd or tempfile.gettempdir(),
                env=os.environ | {name: filled(value) for name, value in environment.items()},
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def printed(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self, path="", seconds=START_S, said=""):
        """Return the server once its page opens, and it has said this; or raise Failed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failed(f"it ended on its own: {self.printed().strip()}")
            if self.is_open(path) and said in self.printed():
                return self
            time.sleep(0.1)
        raise Failed(f"it did not start in {seconds} s: {self.printed().strip()}")

    def is_open(self, path=""):
        try:
            opener.open(self.url + path, timeout=10).close()
        except urllib.error.HTTPError as error:
            return error.code != 503  # "not yet"
        except OSError:
            return False
        return True

    def send(self, number):
        """Send a signal to all its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def rest(self):
        """Let it take no time until `wake`."""
        self.send(signal.SIGSTOP)

    def wake(self):
        self.send(signal.SIGCONT)

    def memory(self):
        """Return the memory that its processes use now, in MB."""
        command = ["ps", "-e", "-o", "pgid=", "-o", "rss="]
        listed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        rows = (map(int, line.split()) for line in listed.splitlines())
        return sum(kb for group, kb in rows if group == self.process.pid) * 1024 / 1e6

    def stop(self, number=signal.SIGINT, seconds=STOP_S):
        """Press Ctrl-C and return its status; what does not end then is killed."""
        if WINDOWS:
            self.process.terminate()
        elif self.process.poll() is None:
            self.wake()
            self.send(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.wait()

    def kill(self):
        """End it as when the plug is pulled."""
        self.process.kill() if WINDOWS else self.send(signal.SIGKILL)
