"""Measure how fast the apps respond, side by side in one run; write a table and a plot of it.

All servers run at once, but only the one that is measured is awake. They take turns in each round,
so that what else happens on the machine hits all of them; of the rounds the median counts.
"""

import argparse
import os
import tempfile
import time
from importlib.metadata import version
from statistics import median

from apps import ROOT
from maintain.bench import systems
from maintain.bench.systems import NAMES

RESULTS = ROOT / "docs" / "bench"
USERS = (1, 2, 4, 8, 16, 32, 64)
COLUMNS = ("", "one user, ms", "8 users, per second", "relative to the app of 2023")
COLUMNS += ("relative to LitServe", "phone photo, one user, ms", "phone photo, 4 users, per second")
COLUMNS += ("memory, MB",)
PACKAGES = ("gradio", "torch", "pillow", "litserve", "openvino")


def measure(servers, rounds, seconds):
    """Return {(server, image, users): what was seen in each round}."""
    found = {}

    def visit(name, image, users, warm=1):
        seen = servers[name].visit(image=image, users=users, seconds=seconds, warm=warm)
        found.setdefault((name, image, users), []).append(seen)

    for number in range(rounds):
        for users in USERS:
            for name in servers:
                visit(name, "small", users)
        for users in (1, 4):
            for name in ("app", "litserve", "faster_f32"):
                visit(name, "phone", users)
        visit("source", "phone", 1, warm=0)  # it takes seconds for each
        print(f"{time.strftime('%H:%M:%S')}  round {number + 1} of {rounds}", flush=True)
    return found


def middle(found, what, *place):
    """Return the median of the rounds, or None if that was not measured."""
    return median(seen[what] for seen in found[place]) if place in found else None


def over(found, name, other):
    """Compare two servers round by round: those of one round were measured side by side."""
    pairs = zip(found[name, "small", 8], found[other, "small", 8], strict=True)
    return median(one["per_second"] / two["per_second"] for one, two in pairs)


def table(found, memory, remark):
    """Return the page bench.md: one row for each server."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    for name in memory:
        cells = [
            (middle(found, "median_ms", name, "small", 1), "{:,.0f}"),
            (middle(found, "per_second", name, "small", 8), "{:.0f}"),
            (over(found, name, "source") if name != "hello" else None, "{:.2f}"),
            (over(found, name, "litserve") if name != "hello" else None, "{:.2f}"),
            (middle(found, "median_ms", name, "phone", 1), "{:,.0f}"),
            (middle(found, "per_second", name, "phone", 4), "{:.1f}"),
            (memory[name], "{:,.0f}"),
        ]
        row = ["" if value is None else form.format(value) for value, form in cells]
        lines.append(f"| {' | '.join([NAMES[name], *row])} |")
    return "\n".join([*lines, "", remark, ""])


def plot(found, names, file):
    """Draw predictions per second and the slowest of twenty, from 1 to 64 users."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (rate, slow) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for name in names:
        for axes, what in ((rate, "per_second"), (slow, "p95_ms")):
            values = [middle(found, what, name, "small", users) for users in USERS]
            axes.plot(USERS, values, "o-", label=NAMES[name])
    rate.set(title="Predictions per second", xlabel="users at once", ylim=(0, None))
    title = "95 of 100 predictions take less than (ms)"
    slow.set(title=title, xlabel="users at once", yscale="log")
    for axes in (rate, slow):
        axes.set_xscale("log", base=2)
        axes.set_xticks(USERS, USERS)
        axes.grid(alpha=0.3)
    rate.legend(fontsize="small")
    figure.savefig(file, dpi=90, metadata={"Software": None})
    pyplot.close(figure)


def main(argv):
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of each single measurement")
    options = parser.parse_args(argv)
    machine, bfloat16 = systems.machine()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        servers = systems.start_all(place, bfloat16)
        try:
            found = measure(servers, options.rounds, options.seconds)
            memory = {name: server.memory() for name, server in servers.items()}
        finally:
            systems.stop_all(servers)
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    remark = f"{machine}; {packages}. {time.strftime('%Y-%m-%d')}, medians of {options.rounds}"
    remark += f" rounds. Load average at the start: {load:.1f}."
    text = table(found, memory, remark)
    (RESULTS / "bench.md").write_text(text, encoding="utf-8", newline="\n")
    plot(found, servers, RESULTS / "bench.png")
    print(text)
