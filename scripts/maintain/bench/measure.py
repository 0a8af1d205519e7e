"""Measure how fast the apps respond, side by side in one run, and write docs/bench/.

All servers run at once, but only the one that is measured is awake. They take turns in each round,
so that what else happens on the machine hits all of them; of the rounds the median counts.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psutil
from apps import ROOT
from install import venv_python
from maintain.bench import report, stopwatch, systems
from maintain.bench.edit import edit
from recipes import find_recipe, put_in

SCRIPTS = ROOT / "scripts"
USERS = (1, 2, 4, 8, 16, 32, 64)
PACKAGES = ("gradio", "torch", "torchvision", "pillow", "litserve", "openvino")
IMPORTS = "import torch, torchvision, gradio"


def program(python, module, *arguments):
    """Run a module of scripts/ and return what it prints, read as JSON."""
    code = f"import runpy, sys; sys.path[0] = {str(SCRIPTS)!r}"
    code += f"; runpy.run_module({module!r}, None, '__main__', True)"
    command = [python, "-c", code, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def visit(server, *options):
    """Let users come to a server that is awake meanwhile; return what they saw."""
    server.wake()
    try:
        seen = program(sys.executable, "maintain.bench.users", server.kind, server.url, *options)
    finally:
        server.rest()
    took = seen["took"]
    return {
        "per_second": seen["answers"] / seen["seconds"],
        "median_ms": 1000 * median(took),
        "p95_ms": 1000 * took[int(0.95 * (len(took) - 1))],
    }


def say(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def machine():
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        name = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    import torch

    capabilities = torch.cpu.get_capabilities()
    return {
        "processor": name,
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "bfloat16": any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16")),
        "packages": {name: version(name) for name in PACKAGES},
    }


def start_seconds(folder, smaller):
    """Return the seconds from the start to the page, of the imports alone, and with `smaller`."""
    server = systems.app_server(folder)
    server.stop()
    start = time.perf_counter()
    subprocess.run([venv_python(), "-c", IMPORTS], check=True)
    imports = time.perf_counter() - start
    without_torch = systems.app_server(smaller, sys.executable)
    without_torch.stop()
    return server.start_s, imports, without_torch.start_s


def peak_memory(folder):
    """Return the most memory in MB that an app has used after a prediction."""
    server = systems.app_server(folder)
    visit(server, "--seconds", 1)
    server.wake()
    status = Path(f"/proc/{server.process.pid}/status")
    peak = server.memory()
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        peak = int(line.split()[1]) * 1024 / 1e6
    server.stop()
    return peak


def without_weights(folder):
    """Change a copied classifier so that it loads nothing, and is otherwise the same."""
    stub = "model = (lambda batch: torch.zeros(len(batch), len(LABELS)))  #"
    edit(folder, "model = load_model().eval()", stub)


def make_smaller(place):
    """Make resnet by the recipe `smaller`, and return its folder."""
    folder = systems.copy_app("resnet", Path(place) / "smaller")
    put_in(find_recipe("smaller"), folder)
    program = folder / "export_onnx.py"
    subprocess.run([sys.executable, program], check=True, stdout=subprocess.DEVNULL)
    return folder


def apply_faster(folder, bfloat16=False):
    """Apply the recipe `faster` to a copied classifier."""
    put_in(find_recipe("faster"), folder)
    if bfloat16:
        edit(folder, '"f32",', '"bf16",')


def measure_memory(place, found):
    folders = {name: systems.copy_app("vgg11", Path(place) / name) for name in ("whole", "empty")}
    without_weights(folders["empty"])
    weights = next(folders["whole"].glob("data/*.pth")).stat().st_size / 1e6
    peaks = {name: peak_memory(folder) for name, folder in folders.items()}
    found["vgg11_memory_mb"] = {**peaks, "weights": weights}


def measure_flower(place, found, seconds, bfloat16):
    """Measure one user of the flower app, as handed out and with the recipe."""
    names = ("app", "faster_f32", *["faster_bf16"] * bfloat16)
    servers = {}
    for name in names:
        folder = systems.copy_app("flower", Path(place) / f"flower_{name}")
        if name != "app":
            apply_faster(folder, name == "faster_bf16")
        servers[name] = systems.app_server(folder, sys.executable)
        servers[name].rest()
    for _ in range(3):
        for name, server in servers.items():
            found["flower"].setdefault(name, []).append(visit(server, "--seconds", seconds))
    for server in servers.values():
        server.stop()


def start_servers(place, bfloat16):
    """Start all servers, each then at rest; return them by their names."""
    folders = {
        name: systems.copy_app("resnet", Path(place) / name) for name in ("app", "f32", "bf16")
    }
    weights = next(folders["app"].glob("data/*.pth"))
    apply_faster(folders["f32"])
    apply_faster(folders["bf16"], bfloat16=True)
    start = {
        "source": lambda: systems.source_server(weights, place),
        "app": lambda: systems.app_server(folders["app"]),
        "litserve": lambda: systems.litserve_server(weights),
        "faster_f32": lambda: systems.app_server(folders["f32"], sys.executable),
        "faster_bf16": lambda: systems.app_server(folders["bf16"], sys.executable),
        "hello": lambda: systems.step_server("hello"),
    }
    if not bfloat16:
        del start["faster_bf16"]
    servers = {}
    for name, begin in start.items():
        servers[name] = begin()
        servers[name].rest()
    return servers, folders


def start_timed(place):
    """Start the app with a stopwatch in it, at rest; return the server and its folder."""
    folder = systems.copy_app("resnet", Path(place) / "timed")
    stopwatch.put_in(folder)
    server = systems.app_server(folder)
    server.rest()
    return server, folder


def measure(place, rounds, seconds):
    found = {"machine": machine(), "rounds": rounds, "idle_load_percent": [], "crowd": {}}
    found |= {"phone": {}, "flower": {}, "start_s": [], "began": time.strftime("%Y-%m-%d %H:%M")}
    bfloat16 = found["machine"]["bfloat16"]
    say("start, memory")
    smaller = make_smaller(place)
    servers, folders = start_servers(place, bfloat16)
    timed, timed_folder = start_timed(place)
    for number in range(rounds):
        found["idle_load_percent"].append(psutil.cpu_percent(2))
        for users in USERS:
            for name, server in servers.items():
                seen = visit(server, "--users", users, "--seconds", seconds)
                found["crowd"].setdefault(name, {}).setdefault(str(users), []).append(seen)
            if users == 1:  # just after hello, with which it is compared
                seen = visit(timed, "--seconds", seconds)
                found.setdefault("parts", []).append(seen | stopwatch.read(timed_folder))
        for users in (1, 4):
            for name in ("app", "litserve", "faster_f32", "source"):
                if users == 1 or name != "source":  # that one takes seconds for each
                    warm = 0 if name == "source" else 1
                    phone = ("--image", "phone", "--users", users, "--seconds", seconds)
                    seen = visit(servers[name], *phone, "--warm", warm)
                    found["phone"].setdefault(name, {}).setdefault(str(users), []).append(seen)
        for name, server in servers.items():
            found.setdefault("resting", {})[name] = server.memory()
        found.setdefault("bare", []).append(
            program(sys.executable, "maintain.bench.bare", folders["app"])
        )
        found["start_s"].append(start_seconds(folders["app"], smaller))
        say(f"round {number + 1} of {rounds}")
    for server in (timed, *servers.values()):
        server.stop()
    measure_memory(place, found)
    measure_flower(place, found, seconds, bfloat16)
    return found


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of each single measurement")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "bench")
    options = parser.parse_args(argv)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        found = measure(place, options.rounds, options.seconds)
    found["minutes"] = round((time.monotonic() - start) / 60, 1)
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1) + "\n"
    (options.out / "bench.json").write_text(text, encoding="utf-8", newline="\n")
    report.write(options.out)
    print((options.out / "bench.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
