"""Write the reference predictions of an app, data/expected.json, from the model as it is.

Prints the predictions first: look at each image and its label before you agree.
"""

import argparse
import json
import sys
import tempfile
from contextlib import closing

import reference_predictions
from apps import find_app, typed
from reference_predictions import Differs
from server import Failed
from smoke import start_app

IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")


def predictions(app):
    """Return {image: prediction} of the images in an app's folder `data`, from the app itself."""
    files = sorted((app.folder / "data").glob("[!.]*"))  # not what macOS adds: ._cat.jpg
    images = [file for file in files if file.suffix.lower() in IMAGES]
    reference_predictions.check_images(images)
    if reference_predictions.are_random(app):
        raise Differs("The weights are random, so these predictions mean nothing.")
    with (
        tempfile.TemporaryDirectory() as folder,
        start_app(app) as server,
        closing(reference_predictions.open_client(server.wait().url, folder)) as client,
    ):
        return {image: reference_predictions.ask(client, image) for image in images}


def check_labels(app, found):
    """Raise Differs if a label is not one that the author has named before."""
    if not reference_predictions.expected_file(app).exists():
        return
    before, tolerance = reference_predictions.read(app)
    for image in before.keys() & found.keys():
        reference = {"labels": before[image]["labels"]}
        if reason := reference_predictions.difference(reference, found[image], tolerance):
            raise Differs(
                f"{image.name}: {reason}, as data/expected.json has it.\n"
                "If the app is right, delete that file, and try again."
            )


def write(app, found, tolerance):
    images = {
        image.name: {
            "labels": [next(iter(prediction))],
            "probabilities": {label: round(p, 4) for label, p in prediction.items()},
        }
        for image, prediction in found.items()
    }
    text = json.dumps({"tolerance": tolerance, "images": images}, indent=1, ensure_ascii=False)
    file = reference_predictions.expected_file(app)
    file.write_text(text + "\n", encoding="utf-8", newline="\n")


def main(argv=None):
    parser = argparse.ArgumentParser(description="Write the reference predictions of an app.")
    parser.add_argument("app", help="its name, as in `make list`")
    parser.add_argument("--yes", action="store_true", help="you have checked them: write them")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=reference_predictions.TOLERANCE,
        help="how far a probability may be off (default: 0.02; bfloat16 needs about 0.05)",
    )
    options = parser.parse_args(argv)
    app = find_app(options.app)
    if app.is_step:
        sys.exit("Only an app with a folder of its own has reference predictions.")
    if app.weights and not app.weights.exists():
        sys.exit(f"The trained weights are missing. Fetch them: {typed('model', app)}")
    try:
        found = predictions(app)
        check_labels(app, found)
    except (Differs, Failed) as error:
        sys.exit(f"Nothing was written. {error}")
    for image, prediction in found.items():
        shown = ", ".join(f"{label} {p:.3f}" for label, p in prediction.items())
        print(f"{image.relative_to(app.folder)}: {shown}")
    if not options.yes:
        if not sys.stdin.isatty():
            sys.exit(
                "Nothing was written. If each is right: the same command with --yes, or ARGS=--yes"
            )
        if input("Is each of them right? Type yes to write them: ").strip().lower() != "yes":
            sys.exit("Nothing was written.")
    write(app, found, options.tolerance)
    file = reference_predictions.expected_file(app)
    print(f"Written: {file}. Note in README.md what you compared against.")


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, EOFError):
        sys.exit("\nNothing was written.")
