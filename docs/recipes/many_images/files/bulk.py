"""Classify many images at once, also those in ZIP files, and give the predictions as a table.

One image after another is unpacked, replacing the one before, under a name of our own: memory and
disk hold one at a time, and no name in a ZIP file can point to another folder. What a ZIP file says
about its contents need not be true. So all are unpacked once before the first prediction, to
nowhere, and counted.
"""

import contextlib
import csv
import functools
import io
import shutil
import tempfile
import zipfile
from pathlib import Path

import gradio as gr
from guard import LARGEST, UPLOADS

MAX_IMAGES = 1000
MAX_UPLOAD = 100_000_000  # bytes that are sent at once; SciLifeLab Serve lets no more through
MAX_UNPACKED = 500_000_000  # bytes of all images in ZIP files
LARGEST[True] = MAX_UPLOAD  # guard.py has 25 MB
LIMITS = (
    f"Up to {MAX_IMAGES:,} images and {MAX_UPLOAD // 10**6} MB at once, also in ZIP files, "
    f"which may unpack to {MAX_UNPACKED // 10**6} MB."
)
# a row of the CSV file: probabilities from 0 to 1, the most likely class first; what could not be
# read has empty cells, and a message as its reason
COLUMNS = [f"{what}_{place}" for place in range(1, 6) for what in ("label", "probability")]
COLUMNS = ["file", *COLUMNS, "reason"]
# a row of the table on the page, which has no room for so many
HEADERS = ["file", "most likely", "second", "third", "fourth", "fifth", "reason"]
WIDTHS = ["16%", *["13%"] * 5, "19%"]
ADDED = ("._", ".DS_Store", "Thumbs.db", "desktop.ini")  # by Finder and Explorer
FORMULA = tuple("=+-@＝＋－＠")
BLOCK = 2**18  # bytes that are unpacked at a time


def refuse(message):
    raise gr.Error(message, print_exception=False)


class ListIsShort(io.FileIO):
    """A ZIP file whose list of contents, which zipfile reads at once, must not fill the memory."""

    def read(self, size=-1):
        if size > 1000 * MAX_IMAGES:  # a name and what belongs to it take some 100 bytes
            refuse(f"A ZIP file holds more than {MAX_IMAGES:,} images. Please make several.")
        return super().read(size)


@contextlib.contextmanager
def open_zip(upload):
    """Open a ZIP file: give it, and the images in it, without what file managers add."""
    name = named(upload)
    with contextlib.ExitStack() as opened:
        try:
            archive = zipfile.ZipFile(opened.enter_context(ListIsShort(upload["path"])))
        except gr.Error:
            raise
        except Exception:  # zipfile has many errors for a damaged file
            refuse(f"{name} is damaged, or is no ZIP file. Please make it again.")
        images = []
        for image in archive.infolist():
            *folders, last = image.filename.replace("\\", "/").split("/")
            if not last or "__MACOSX" in folders or last.startswith(ADDED):
                continue
            if ".." in [*folders, last] or folders[:1] == [""]:
                refuse(f"{name} has names that lead out of its folder. Please make it again.")
            if image.flag_bits & 1:
                refuse(f"{name} is encrypted. Please make it again, without a password.")
            if image.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                refuse(f"{name} is packed in an unusual way. Please make a plain ZIP file.")
            images.append(image)
        yield archive, images


def shown(upload):
    """Return the name that an upload had at home."""
    return printable(upload["orig_name"] or Path(upload["path"]).name)


def named(upload):
    """Return the name of an upload for a message: those are shown as HTML."""
    return shown(upload).replace("<", "?")


def printable(name):
    """Return a file's name as it can stand in a table.

    A spreadsheet runs what begins with = as a formula, which can do harm; ./=1 is the same file.
    """
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    return f"./{name}" if name.lstrip().startswith(FORMULA) else name


def is_zip(upload):
    return shown(upload).lower().endswith(".zip")


def count(uploads):
    """Return how many images there are in all, or raise gr.Error with a message.

    `uploads` is what the page sends: [{"path": file, "orig_name": its name at home}, ...], or None.
    """
    if not uploads:
        refuse("Please choose images or a ZIP file first.")
    number, room = 0, MAX_UNPACKED
    for upload in uploads:
        if not is_zip(upload):
            number += 1
            continue
        with open_zip(upload) as (archive, images):
            number += len(images)
            if number <= MAX_IMAGES:
                room -= unpacked_size(archive, images, room)
        if not images:
            refuse(f"There is nothing in {named(upload)}.")
        if room < 0:
            refuse(f"{named(upload)} unpacks to more than {MAX_UNPACKED // 10**6} MB. Send less.")
    if number > MAX_IMAGES:
        refuse(f"These are more than {MAX_IMAGES:,} images. Please send fewer at once.")
    return number


def unpacked_size(archive, images, room):
    """Return the bytes that images really unpack to, as far as they have room."""
    size = 0
    for image in images:
        # one that is damaged gets a row that says so, later
        with contextlib.suppress(Exception), archive.open(image) as packed:
            while size <= room and (block := packed.read(BLOCK)):
                size += len(block)
    return size


def classify(uploads, predict):
    """Yield a row with COLUMNS for each image: what `predict` returns, or why it cannot."""
    with tempfile.TemporaryDirectory(dir=UPLOADS) as folder:
        for upload in uploads:
            if not is_zip(upload):
                yield row(shown(upload), functools.partial(predict, upload))
                continue
            before = f"{shown(upload)}/" if len(uploads) > 1 else ""
            with open_zip(upload) as (archive, images):
                for image in images:
                    unpacked = functools.partial(predict_packed, predict, archive, image, folder)
                    yield row(printable(before + image.filename), unpacked)


def predict_packed(predict, archive, image, folder):
    """Unpack an image, replacing the one before, and classify it."""
    place = Path(folder, "image")
    try:
        with archive.open(image) as packed, place.open("wb") as file:
            shutil.copyfileobj(packed, file, BLOCK)
    except OSError:  # the disk is full
        raise
    except Exception:
        refuse("This file is damaged in the ZIP file. Please make that again.")
    return predict({"path": str(place)})


def row(name, predict):
    """Return a row with COLUMNS: of the {label: probability} that `predict` returns, or why not."""
    prediction, reason = {}, ""
    try:
        prediction = predict()
    except gr.Error as error:
        reason = error.message
    except Exception as error:  # the others must still get their predictions
        reason = f"The app failed on this image: {type(error).__name__}."
    cells = [cell for label, p in prediction.items() for cell in (label, round(p, 4))]
    return [name, *cells, *["", None] * (5 - len(prediction)), reason]


def table(rows):
    """Return rows with COLUMNS as rows with HEADERS: label and probability in one cell."""
    shown_rows = []
    for name, *cells, reason in rows:
        pairs = zip(cells[::2], cells[1::2], strict=True)
        predictions = [f"{label} {p:.3f}" if label else "" for label, p in pairs]
        shown_rows.append([name, *predictions, reason])
    return shown_rows


def write_csv(rows):
    """Write rows to a CSV file among the uploads, which are deleted on time; return its path."""
    file = Path(tempfile.mkdtemp(dir=UPLOADS), "predictions.csv")
    with file.open("w", newline="", encoding="utf-8") as out:
        # quotes around all text: where semicolons separate the cells, none in a name does
        csv.writer(out, quoting=csv.QUOTE_NONNUMERIC).writerows([COLUMNS, *rows])
    return str(file)
