"""Classify a folder of images, or a list of them, with Ray Data: on all cores, or on a cluster.

The predictions are written to a table as they come, so that a run that was stopped or killed
continues where it was.
"""

import os
import sys
from pathlib import Path

from apps import find_app
from scale import cluster, predictions, table
from tqdm import tqdm

CHUNK = 50_000  # images that Ray knows of at a time
BLOCK = 32  # images that one process classifies before they are written


def classify(ray, app, database, out, bar):
    """Write the prediction for each image in the database; return how many have none."""
    failed = 0
    settings = ray.data.DataContext.get_current()
    settings.enable_progress_bars = False  # there is one for the whole already
    settings.execution_options.preserve_order = True
    for images in table.chunks(database, CHUNK):
        blocks = -(-len(images) // BLOCK)
        found = ray.data.from_items(images, override_num_blocks=blocks).map_batches(
            predictions.predict,
            fn_kwargs={"file": str(app.file)},
            batch_size=BLOCK,
            batch_format="pyarrow",
            num_cpus=1,
        )
        for rows in found.iter_batches(batch_size=None, batch_format="pyarrow"):
            out.add(rows)
            failed += sum(reason != "" for reason in rows["reason"].to_pylist())
            bar.update(len(rows))
    return failed


def run(app, database, total, out):
    todo = table.count(database)
    with cluster.joined(os.cpu_count() or 1) as ray:
        checked = ray.remote(num_cpus=1, max_calls=1)(predictions.check).remote(str(app.file))
        if problem := ray.get(checked):
            sys.exit(problem)
        with tqdm(total=total, initial=total - todo, unit="images") as bar:
            try:
                return classify(ray, app, database, out, bar)
            except ray.exceptions.RayTaskError as error:
                if not isinstance(error.cause, predictions.OtherApp):
                    raise
                sys.exit(str(error.cause))
            finally:
                out.close()


def main(name, source, target):
    """Classify the images of a folder or a list; continue a table that was begun."""
    app, out = find_app(name), table.open_table(Path(target))
    try:
        database, total = table.missing(Path(source).absolute(), out)
        todo = table.count(database)
        if total > todo:
            print(f"{total - todo:,} of {total:,} images are in {target} already.")
        failed = run(app, database, total, out) if todo else 0
    except KeyboardInterrupt:
        sys.exit("\nStopped. The same command continues where it was.")
    done = f"{todo - failed:,} with a prediction, {failed:,} with a reason why not"
    print(f"{todo:,} images: {done}.")
    print(f"The predictions are in {target}.")
