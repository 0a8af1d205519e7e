"""The servers that `make bench` measures, each started as its user would start it."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from apps import ROOT, find_app
from install import venv_python
from random_weights import make_checkpoint
from recipes import find_recipe, put_in
from server import Server

HERE = Path(__file__).resolve().parent
NAMES = {
    "source": "the workshop's app of 2023",
    "app": "resnet as handed out",
    "litserve": "LitServe, batches of 8",
    "faster_f32": "recipe faster, float32",
    "faster_bf16": "recipe faster, bfloat16",
    "hello": "hello (Gradio alone)",
}


class Measured(Server):
    """A server of a kind that users.py knows; it rests while others are measured."""

    def __init__(self, kind, command, **environment):
        self.kind = kind
        super().__init__(command, GRADIO_ANALYTICS_ENABLED="False", **environment)

    def visit(self, **options):
        """Let users come (see users.py) and return what they saw."""
        words = [w for key, value in options.items() for w in (f"--{key}", str(value))]
        command = [sys.executable, "-m", "maintain.bench.users", self.kind, self.url, *words]
        self.wake()
        printed = subprocess.run(command, cwd=ROOT / "scripts", stdout=subprocess.PIPE, check=True)
        self.rest()
        seen = json.loads(printed.stdout)
        return {
            "per_second": seen["answers"] / seen["seconds"],
            "median_ms": 1000 * median(seen["took"]),
            "p95_ms": 1000 * seen["took"][int(0.95 * (len(seen["took"]) - 1))],
        }


def copy_app(name, place):
    """Copy a classifier's folder below `place`, with random weights if there are no others."""
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
    settings = {"PORT": "{PORT}", "GRADIO_SERVER_NAME": "127.0.0.1"}
    settings |= {"GRADIO_TEMP_DIR": folder / "uploads", **environment}
    return Measured("classifier", [python or venv_python(), folder / "main.py"], **settings)


def faster_server(place, precision):
    """Start the classifier with the recipe `faster`, in float32 or in bfloat16."""
    folder = copy_app("resnet", Path(place) / precision)
    put_in([find_recipe("faster")], folder)
    program = folder / "faster.py"
    text = program.read_text(encoding="utf-8")
    assert text.count('PRECISION = "f32"') == 1
    program.write_text(text.replace('"f32"', f'"{precision}"'), encoding="utf-8")
    return app_server(folder, sys.executable)


def start_all(place, bfloat16):
    """Start all servers, of which all rest; return them by the names in NAMES."""
    folder = copy_app("resnet", place)
    weights = next(folder.glob("data/*.pth"))
    source = {"GRADIO_SERVER_PORT": "{PORT}", "GRADIO_TEMP_DIR": f"{place}/source_uploads"}
    run = [venv_python(), ROOT / "scripts" / "run.py", "hello", "{PORT}"]
    start = {
        "source": lambda: Measured(
            "classifier", [venv_python(), HERE / "source_app.py", weights], **source
        ),
        "app": lambda: app_server(folder),
        "litserve": lambda: Measured(
            "litserve", [sys.executable, HERE / "litserve_app.py", weights, "{PORT}"]
        ),
        "faster_f32": lambda: faster_server(place, "f32"),
        "faster_bf16": lambda: faster_server(place, "bf16"),
        "hello": lambda: Measured("hello", run),
    }
    if not bfloat16:
        del start["faster_bf16"]
    servers = {}
    try:
        for name, begin in start.items():
            servers[name] = begin()
            servers[name].wait("health" if name == "litserve" else "")
            time.sleep(2)  # Gradio looks at its own page first, and must not rest meanwhile
            servers[name].rest()
    except BaseException:
        stop_all(servers)
        raise
    return servers


def stop_all(servers):
    for server in servers.values():
        server.stop()


def machine():
    """Return what the figures depend on: the processor, its cores and memory, and bfloat16."""
    import torch

    name = "a processor"
    if (file := Path("/proc/cpuinfo")).exists():
        lines = file.read_text(encoding="utf-8").splitlines()
        name = next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
    able = torch.cpu.get_capabilities()
    bfloat16 = any(able.get(each) for each in ("amx_bf16", "avx512_bf16"))
    return f"{name}, {os.cpu_count()} cores, {memory} GB", bfloat16
