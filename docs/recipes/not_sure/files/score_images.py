"""Write a table of scores: what the app's model says about images that it was not trained on.

    python score_images.py validation scores.csv

`validation` has a folder for each class, called as in the app: validation/cat/1.jpg. The images
are read and prepared as in the app. fit_thresholds.py says what the table looks like.
"""

import argparse
import csv
import sys
from pathlib import Path

import gradio as gr
import thresholds
import torch
from leftovers import files_below, is_leftover

# not needed here, and those there are may be of the model before
thresholds.load = lambda *_: {"criterion": ""}
from main import LABELS, activation, model, preprocess, read_image  # noqa: E402


@torch.inference_mode()
def score(path):
    """Return the probability of each class for an image; raises gr.Error if it has none."""
    batch = preprocess(read_image({"path": str(path)}, enough=1024)).unsqueeze(0)
    return activation(model(batch))[0].tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, help="a folder with a folder for each class")
    parser.add_argument("table", type=Path, help="the table to write (CSV)")
    arguments = parser.parse_args()
    if not arguments.images.is_dir():
        sys.exit(f"{arguments.images} is not a folder.")
    folders = sorted(path for path in arguments.images.iterdir() if path.is_dir())
    folders = [folder for folder in folders if not is_leftover(folder.name)]
    if unknown := [folder.name for folder in folders if folder.name not in LABELS]:
        sys.exit(f'{arguments.images}: the model has no class "{unknown[0]}".')
    number = 0
    with arguments.table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)  # names as they are: fit_thresholds.py compares them
        writer.writerow(["true", *LABELS])
        for label, path in ((each.name, path) for each in folders for path in files_below(each)):
            try:
                writer.writerow([label, *(f"{p:.6f}" for p in score(path))])
                number += 1
                if number % 100 == 0:
                    print(f"{number:,} images so far", flush=True)
            except (gr.Error, OSError) as error:
                print(f"Left out: {path}: {getattr(error, 'message', error)}")
    print(f"Written: {arguments.table}, with {number:,} images")


if __name__ == "__main__":
    main()
