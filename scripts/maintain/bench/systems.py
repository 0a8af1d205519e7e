"""The servers that `make bench` measures, each started as its user would start it."""

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
from apps import ROOT, find_app
from install import venv_python
from random_weights import make_checkpoint
from smoke import free_port

HERE = Path(__file__).resolve().parent
START_S = 180


class Failed(Exception):
    """A server did not start; the message is what it printed."""


class Server:
    """A server that runs in processes of its own, which rest while others are measured."""

    def __init__(self, kind, command, **environment):
        self.kind, self.port = kind, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the server)
        command = [str(word).replace("{PORT}", str(self.port)) for word in command]
        environment = {
            name: value.replace("{PORT}", str(self.port)) for name, value in environment.items()
        }
        start = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", **environment},
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a terminal hangs up on groups with a program that rests
        )
        atexit.register(self.stop)
        self.wait_for_page()
        self.start_s = time.perf_counter() - start
        time.sleep(2)  # Gradio looks at its own page first, and must not rest meanwhile

    def wait_for_page(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + START_S
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                opener.open(self.url + ("/health" if self.kind == "litserve" else "/"), timeout=5)
                return
            time.sleep(0.05)
        self.stop()
        self.log.seek(0)
        raise Failed(self.log.read().decode(errors="replace")[-2000:])

    def processes(self):
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.process.pid)
            return [process, *process.children(recursive=True)]
        return []

    def rest(self):
        for process in self.processes():
            process.suspend()

    def wake(self):
        for process in self.processes():
            process.resume()

    def memory(self):
        """Return the memory that its processes use now, in MB."""
        return sum(process.memory_info().rss for process in self.processes()) / 1e6

    def stop(self):
        for process in self.processes():
            process.kill()
        self.process.wait()


def copy_app(name, place):
    """Copy a classifier's folder below `place`, give it random weights and return the folder."""
    app = find_app(name)
    folder = Path(place) / name
    shutil.copytree(app.folder, folder, ignore=shutil.ignore_patterns("*.pth", "__pycache__"))
    weights = folder / app.weights.relative_to(app.folder)
    if app.weights.exists():
        weights.symlink_to(app.weights)
    else:
        make_checkpoint(weights)
    return folder


def app_server(folder, python=None, **environment):
    """Start a classifier by its main.py, with a folder of uploads of its own.

    `python` is that of an environment with more packages than the apps have. Of these, LitServe's
    would give an app a faster web server than its users get, so they are hidden from it.
    """
    if python:
        for package in ("uvloop", "httptools"):
            (folder / f"{package}.py").write_text("raise ImportError\n", encoding="utf-8")
    settings = {"PORT": "{PORT}", "GRADIO_TEMP_DIR": str(folder / "uploads"), **environment}
    return Server("gradio", [python or venv_python(), folder / "main.py"], **settings)


def source_server(weights, place):
    settings = {"GRADIO_SERVER_PORT": "{PORT}", "GRADIO_TEMP_DIR": f"{place}/source_uploads"}
    return Server("gradio", [venv_python(), HERE / "source_app.py", weights], **settings)


def litserve_server(weights):
    return Server("litserve", [sys.executable, HERE / "litserve_app.py", weights, "{PORT}"])


def step_server(name):
    """Start a step app on a port of its own: its file says 8080, which `make run` replaces."""
    command = [venv_python(), ROOT / "scripts" / "run.py", name, "--port", "{PORT}"]
    return Server(name, command)
