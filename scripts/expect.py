"""Write the known answers of an app, data/expected.json, from the model as it is.

Prints the answers first: look at each picture and its label before you agree.
"""

import argparse
import json
import sys
import tempfile
from contextlib import closing

import known_answers
from apps import find_app
from known_answers import Differs
from smoke import Failed, free_port, started

PICTURES = ("*.jpg", "*.jpeg", "*.png", "*.tif", "*.tiff")


def answers(app):
    """Return {picture: answer} of the pictures in an app's folder `data`, from the app itself."""
    pictures = sorted(file for kind in PICTURES for file in (app.folder / "data").glob(kind))
    known_answers.check_pictures(pictures)
    if known_answers.made_up(app):
        raise Differs("The weights are made up, so these answers mean nothing.")
    port = free_port()
    with (
        tempfile.TemporaryFile() as log,
        tempfile.TemporaryDirectory() as folder,
        started(app, port, log),
        closing(known_answers.open_client(f"http://127.0.0.1:{port}/", folder)) as client,
    ):
        return {picture: known_answers.ask(client, picture) for picture in pictures}


def check_labels(app, found):
    """Raise Differs if a label is not one that the author has named before."""
    if not known_answers.expected_file(app).exists():
        return
    before, tolerance = known_answers.read(app)
    for picture in before.keys() & found.keys():
        known = {"labels": before[picture]["labels"]}
        if reason := known_answers.difference(known, found[picture], tolerance):
            raise Differs(
                f"{picture.name}: {reason}, as data/expected.json has it.\n"
                "If the app is right, delete that file, and try again."
            )


def write(app, found, tolerance):
    pictures = {
        picture.name: {
            "labels": [next(iter(answer))],
            "probabilities": {label: round(p, 4) for label, p in answer.items()},
        }
        for picture, answer in found.items()
    }
    text = json.dumps({"tolerance": tolerance, "pictures": pictures}, indent=1, ensure_ascii=False)
    known_answers.expected_file(app).write_text(text + "\n", encoding="utf-8", newline="\n")


def main(argv=None):
    parser = argparse.ArgumentParser(description="Write the known answers of an app.")
    parser.add_argument("app", help="its name, as in `make list`")
    parser.add_argument("--yes", action="store_true", help="you have looked: write them")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=known_answers.TOLERANCE,
        help="how far a probability may be off (default: 0.02; bfloat16 needs about 0.05)",
    )
    options = parser.parse_args(argv)
    app = find_app(options.app)
    if app.is_step:
        sys.exit("Only an app with a folder of its own has known answers.")
    if app.weights and not app.weights.exists():
        sys.exit(f"The trained weights are missing. Fetch them: make model APP={app.name}")
    try:
        found = answers(app)
        check_labels(app, found)
    except (Differs, Failed) as error:
        sys.exit(f"Nothing was written. {error}")
    for picture, answer in found.items():
        shown = ", ".join(f"{label} {p:.3f}" for label, p in answer.items())
        print(f"{picture.relative_to(app.folder)}: {shown}")
    if not options.yes:
        if not sys.stdin.isatty():
            sys.exit("Nothing was written. If each is right: the same command with ARGS=--yes")
        if input("Is each of them right? Type yes to write them: ").strip().lower() != "yes":
            sys.exit("Nothing was written.")
    write(app, found, options.tolerance)
    print(f"Written: {known_answers.expected_file(app)}. Say in README.md what you compared with.")


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, EOFError):
        sys.exit("\nNothing was written.")
