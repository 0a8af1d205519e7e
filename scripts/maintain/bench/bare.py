"""Measure the model without any server, in a process of its own, and print it as JSON.

For each batch size, how many images per second.
"""

import argparse
import json
import runpy
import sys
import time
from pathlib import Path
from statistics import median


def repeat(function, seconds=1.5):
    """Return the median seconds of one call, after two calls to warm up."""
    function(), function()
    took, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(took) < 3:
        start = time.perf_counter()
        function()
        took.append(time.perf_counter() - start)
    return median(took)


def main(argv=None):
    parser = argparse.ArgumentParser(description="Measure a classifier's model without a server.")
    parser.add_argument("folder", type=Path, help="a classifier's folder, with weights")
    folder = parser.parse_args(argv).folder
    import torch

    sys.path.insert(0, str(folder))
    model = runpy.run_path(str(folder / "main.py"), run_name="bare")["model"]
    per_second = {}
    with torch.inference_mode():
        for size in (1, 2, 4, 8, 16):
            batch = torch.rand(size, 3, 224, 224).to(memory_format=torch.channels_last)
            per_second[size] = size / repeat(lambda batch=batch: model(batch))
    print(json.dumps({"per_second": per_second}))


if __name__ == "__main__":
    main()
