"""Measure what replicas bring, and what an image costs in a bulk run; write docs/bench/scale.json.

Seconds depend on what else the machine does. So besides them, the processor time of each kind of
process is measured, which moves much less.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median

import psutil
from apps import ROOT
from maintain.bench.measure import machine
from maintain.bench.measure import program as run_module
from maintain.bench.photos import make_photo
from maintain.bench.systems import copy_app
from smoke import free_port

KINDS = {"single process": None, "1 replica": 1, "2 replicas": 2}
SIZES = (100, 1_000, 10_000)
POINT = ("images", "seconds", "cpu_s", "memory_mb")  # since the start, but memory: at the time
WORKERS = ("ray::ServeReplica", "ray::MapBatches", "ray::IDLE")  # what runs the model, or waits


def processes(root):
    """Return {pid: (what it is, CPU seconds, memory in MB)} of a process and all below it.

    Memory that several processes share is shared out among them (PSS).
    """
    found = {}
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline())
            what = "model" if command.startswith(WORKERS) else "Ray"
            what = "page" if "'scale.page'" in command or "'run'" in command else what
            times = process.cpu_times()
            memory = process.memory_full_info().pss / 1e6
            found[process.pid] = (what, times.user + times.system, memory)
    return found


def add_up(found, column):
    sums = dict.fromkeys(("page", "model", "Ray"), 0)
    for row in found.values():
        sums[row[0]] += row[column]
    return sums


@contextlib.contextmanager
def program(*words, **environment):
    """Run a command of the gallery, and give its process; stop it in the end."""
    command = [sys.executable, "scripts", *map(str, words)]
    process = psutil.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def wait_until_open(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        with contextlib.suppress(OSError):
            return opener.open(url, timeout=20).close()
        time.sleep(0.5)
    sys.exit(f"{url} did not open.")


def visit(url, users, seconds):
    words = ("gradio", url, "--users", users, "--seconds", seconds)
    return run_module(sys.executable, "maintain.bench.users", *words)


def measure_page(app, replicas, users, seconds):
    """Return predictions per second, CPU seconds each by kind of process, and memory in MB."""
    port = free_port()
    words = ["run"] if replicas is None else ["scale", f"REPLICAS={replicas}"]
    with program(*words, f"APP={app}", f"PORT={port}") as process:
        wait_until_open(f"http://127.0.0.1:{port}")
        visit(f"http://127.0.0.1:{port}", users, 2)  # warm
        before = add_up(processes(process), 1)
        seen = visit(f"http://127.0.0.1:{port}", users, seconds)
        after = processes(process)
    spent, count = add_up(after, 1), seen["answers"]
    return {
        "per_second": count / seen["seconds"],
        "median_ms": 1000 * median(seen["took"]),
        "cpu_ms": {kind: 1000 * (spent[kind] - before[kind]) / count for kind in spent},
        "memory_mb": add_up(after, 2),
    }


def measure_bulk(app, size, place, **environment):
    """Return points of a run over so many images, each with what POINT names.

    CPU seconds and memory are those of this machine's own processes, not those of a cluster.
    """
    folder, table = place / f"images_{size}", place / f"{size}{len(environment)}.csv"
    if not folder.exists():
        folder.mkdir()
        own = [make_photo("small", seed) for seed in range(50)]
        for number in range(size):
            (folder / f"{number:06}.jpg").write_bytes(own[number % 50])
    start, cpu, points = time.perf_counter(), {}, []
    with program("classify", f"APP={app}", f"IN={folder}", f"OUT={table}", **environment) as run:
        while run.poll() is None:
            with contextlib.suppress(OSError, psutil.Error):
                now = processes(run)
                cpu |= {pid: row[1] for pid, row in now.items() if row[0] == "model"}
                rows = table.read_bytes().count(b"\n") - 1
                memory, took = sum(row[2] for row in now.values()), time.perf_counter() - start
                points.append((rows, took, sum(cpu.values()), memory))
            time.sleep(size / 1_000)  # often enough to see the first images come
        if run.returncode:
            sys.exit("The bulk run failed.")
    points.append((size, time.perf_counter() - start, sum(cpu.values()), points[-1][3]))
    return [dict(zip(POINT, point, strict=True)) for point in points if point[0] > 0]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="of bulk runs")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "bench" / "scale.json")
    options = parser.parse_args(argv)
    address = os.environ.pop("RAY_ADDRESS", "")  # only for the last of the bulk runs
    found = {"machine": machine(), "began": time.strftime("%Y-%m-%d %H:%M")}
    found |= {"users": options.users, "idle_load_percent": []}
    if options.out.exists():  # what is not measured anew stays
        found |= json.loads(options.out.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        app = copy_app("resnet", place) / "main.py"
        if options.rounds:
            found["pages"] = {kind: [] for kind in KINDS}
        for number in range(options.rounds):
            for kind, replicas in KINDS.items():
                found["idle_load_percent"].append(psutil.cpu_percent(2))
                seen = measure_page(app, replicas, options.users, options.seconds)
                found["pages"][kind].append(seen)
                print(f"round {number + 1}, {kind}: {seen}", flush=True)
        if options.sizes:
            found["bulk"] = []
        for size in options.sizes:
            found["idle_load_percent"].append(psutil.cpu_percent(2))
            found["bulk"].append(measure_bulk(app, size, place))
            print(f"{size} images: {found['bulk'][-1][-1]}", flush=True)
        if address:  # two nodes of one core each, started before
            found["nodes"] = measure_bulk(app, 1_000, place, RAY_ADDRESS=address)
            print(f"two nodes: {found['nodes'][-1]}", flush=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
