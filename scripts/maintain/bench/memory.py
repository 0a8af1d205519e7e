"""Let one app make 10,000 predictions and note its memory and its rate at each thousand.

It runs with the settings of its container image. This takes some minutes.
"""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

from apps import ROOT, find_app
from maintain.bench import report, systems
from maintain.bench.measure import machine, program, say

USERS = 8


def image_settings(folder):
    """Return what the app's Dockerfile puts into the environment for Gradio."""
    text = (folder / "Dockerfile").read_text(encoding="utf-8")
    return dict(re.findall(r"(GRADIO_(?!TEMP)\w+)=(\S+)", text))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--predictions", type=int, default=10_000)
    parser.add_argument("--step", type=int, default=1_000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "bench")
    options = parser.parse_args(argv)
    found = {"machine": machine(), "points": []}
    with tempfile.TemporaryDirectory() as place:
        folder = systems.copy_app("resnet", place)
        server = systems.app_server(folder, **image_settings(find_app("resnet").folder))
        predictions = 0
        while predictions < options.predictions:
            words = ("--users", USERS, "--seconds", 0, "--at-least", options.step // USERS)
            seen = program(sys.executable, "maintain.bench.users", server.kind, server.url, *words)
            predictions += seen["answers"]
            files = [file for file in (folder / "uploads").rglob("*") if file.is_file()]
            point = {"answers": predictions, "memory_mb": server.memory()}
            point |= {"per_second": seen["answers"] / seen["seconds"], "files": len(files)}
            found["points"].append(point)
            memory, rate = point["memory_mb"], point["per_second"]
            say(f"{predictions:,} predictions: {memory:,.0f} MB, {rate:.1f} per second")
        server.stop()
    first, last = found["points"][0]["memory_mb"], found["points"][-1]["memory_mb"]
    options.out.mkdir(parents=True, exist_ok=True)
    raw = json.dumps(found, indent=1) + "\n"
    (options.out / "memory.json").write_text(raw, encoding="utf-8", newline="\n")
    report.write(options.out)
    growth = f"{predictions:,} predictions over that after {options.step:,}: {last / first:.2f}"
    print(f"Memory after {growth}")
    return 1 if last > 1.1 * first else 0


if __name__ == "__main__":
    sys.exit(main())
