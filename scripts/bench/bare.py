"""Measure the model without any server, in a process of its own, and print it as JSON.

For each batch size the pictures a second; and for one picture, as a visitor uploads it, the
milliseconds of reading and preprocessing it and of the model.
"""

import argparse
import io
import json
import runpy
import sys
import tempfile
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
    from bench.photos import make_picture

    sys.path.insert(0, str(folder))
    app = runpy.run_path(str(folder / "main.py"), run_name="bare")
    read_picture, preprocess, model = (
        app[name] for name in ("read_picture", "preprocess", "model")
    )
    measured = {"per_second": {}, "small": {}, "phone": {}}
    with torch.inference_mode(), tempfile.TemporaryDirectory() as place:
        for size in (1, 2, 4, 8, 16):
            batch = torch.rand(size, 3, 224, 224).to(memory_format=torch.channels_last)
            measured["per_second"][size] = size / repeat(lambda batch=batch: model(batch))
        for kind in ("small", "phone"):
            file = Path(place) / f"{kind}.jpg"
            file.write_bytes(io.BytesIO(make_picture(kind, 0)).getvalue())
            read = lambda file=file: preprocess(read_picture({"path": str(file)}, enough=1024))  # noqa: E731
            measured[kind]["read_ms"] = 1000 * repeat(read)
            batch = read()[None].to(memory_format=torch.channels_last)
            measured[kind]["model_ms"] = 1000 * repeat(lambda batch=batch: model(batch))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
