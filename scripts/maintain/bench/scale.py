"""Measure what several copies bring, and what an image costs in a bulk run; print it as tables.

Seconds depend on what else the machine does. So besides them, the processor time of each kind of
process is measured, which moves much less.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil
from apps import ROOT
from maintain.bench import systems
from maintain.bench.photos import make_photo

WAYS = {"single process": ["run"], "1 replica": ["scale", "REPLICAS=1"]}
WAYS |= {"2 replicas": ["scale", "REPLICAS=2"]}
KINDS = ("page", "model", "Ray")
WORKERS = ("ray::ServeReplica", "ray::MapBatches", "ray::IDLE")  # what runs the model, or waits
STOP_S = 60


def processes(server):
    """Return {pid: (kind, CPU seconds, memory in MB)} of a server and all below it.

    Memory that several processes share is shared out among them (PSS).
    """
    found, root = {}, psutil.Process(server.process.pid)
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            kind = "model" if " ".join(process.cmdline()).startswith(WORKERS) else "Ray"
            kind = "page" if process == root else kind
            times = process.cpu_times()
            found[process.pid] = (
                kind,
                times.user + times.system,
                process.memory_full_info().pss / 1e6,
            )
    return found


def add_up(found, column):
    return [sum(row[column] for row in found.values() if row[0] == kind) for kind in KINDS]


def start(*words, **environment):
    """Start a command of the gallery; the command itself, not a program that waits for it."""
    words = [sys.executable, ROOT / "scripts", *words]
    return systems.Measured("classifier", words, **environment)


def measure_page(app, words, users, seconds):
    """Return what users saw, CPU ms per prediction and memory in MB of each kind of process."""
    with start(*words, f"APP={app}", "PORT={PORT}") as server:
        server.wait(seconds=300)
        server.visit(users=users, seconds=2)  # warm
        before = processes(server)
        seen = server.visit(users=users, seconds=seconds)
        after = processes(server)
        server.wake()
        server.stop(seconds=STOP_S)
    spent = [b - a for a, b in zip(add_up(before, 1), add_up(after, 1), strict=True)]
    seen["cpu_ms"] = [1000 * cpu / seen["answers"] for cpu in spent]
    return seen | {"memory_mb": add_up(after, 2)}


def measure_bulk(app, size, place, **environment):
    """Return seconds to the first images, then seconds and CPU seconds for 1,000, and MB at most.

    CPU seconds and memory are those of this machine's own processes, not those of a cluster.
    """
    folder, table = place / f"images_{size}", place / f"{size}{len(environment)}.csv"
    if not folder.exists():
        folder.mkdir()
        own = [make_photo("small", seed) for seed in range(50)]
        for number in range(size):
            (folder / f"{number:06}.jpg").write_bytes(own[number % 50])
    begin, cpu, memory, first = time.perf_counter(), {}, [], None
    with start("classify", f"APP={app}", f"IN={folder}", f"OUT={table}", **environment) as run:
        while run.process.poll() is None:
            with contextlib.suppress(OSError, psutil.Error):
                now = processes(run)
                cpu |= {pid: row[1] for pid, row in now.items() if row[0] == "model"}
                memory.append(sum(add_up(now, 2)))
                rows = table.read_bytes().count(b"\n") - 1
                if rows > 0 and not first:
                    first = rows, time.perf_counter() - begin, sum(cpu.values())
            time.sleep(size / 1_000)  # often enough to see the first images come
    if run.process.returncode:
        sys.exit(f"The bulk run failed: {run.printed()}")
    rows, start_s, spent = first
    more = (size - rows) / 1000 or 1  # thousands of images after the first
    seconds = (time.perf_counter() - begin - start_s) / more
    return start_s, seconds, (sum(cpu.values()) - spent) / more, max(memory)


def row(*cells):
    return f"| {' | '.join(cells)} |"


def listed(values):
    return ", ".join(f"{value:,.0f}" for value in values)


def row_of_page(name, rounds):
    """Return a row of the first table: medians of the rounds."""
    rate, ms = (median(seen[what] for seen in rounds) for what in ("per_second", "median_ms"))
    cpu, memory = (
        [median(values) for values in zip(*(seen[what] for seen in rounds), strict=True)]
        for what in ("cpu_ms", "memory_mb")
    )
    return row(name, f"{rate:.1f}", f"{ms:,.0f}", listed(cpu), listed(memory))


def main(argv, address):
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[1_000, 10_000], help="of bulk runs"
    )
    options = parser.parse_args(argv)
    kinds = ": page, model, Ray"
    head = (f"{options.users} users, small images", "predictions per second", "one prediction, ms")
    lines = [row(*head, f"CPU ms per prediction{kinds}", f"memory, MB{kinds}"), f"|{'---|' * 5}"]
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        app = systems.copy_app("resnet", place) / "main.py"
        found = {name: [] for name in WAYS}
        for _ in range(options.rounds):
            for name, words in WAYS.items():
                found[name].append(measure_page(app, words, options.users, options.seconds))
                print(name, found[name][-1], flush=True)
        lines += [row_of_page(name, rounds) for name, rounds in found.items() if rounds]
        head = ("a bulk run of", "start, s", "then, s for 1,000", "CPU s for 1,000")
        lines += ["", row(*head, "most memory, MB"), f"|{'---|' * 5}"]
        runs = [(size, {}) for size in options.sizes]
        runs += [(1_000, {"RAY_ADDRESS": address})] if address else []  # nodes started before
        for size, cluster in runs:
            cells = [f"{value:,.0f}" for value in measure_bulk(app, size, place, **cluster)]
            lines.append(row(f"{size:,} images{', on the cluster' * bool(cluster)}", *cells))
            print(lines[-1], flush=True)
    print("", *lines, "", systems.machine()[0], sep="\n")
