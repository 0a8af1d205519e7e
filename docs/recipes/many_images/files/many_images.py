"""Classify many images at once, also those in ZIP files, and show the predictions as a table.

    many_images.add_to_page(predict)     # at the end of the page

One image after another is unpacked, replacing the one before, under a name of our own: memory and
disk hold one at a time, and no name in a ZIP file can point to another folder. What a ZIP file says
about its contents need not be true. So all are unpacked once before the first prediction, to
nowhere, and counted.
"""

import contextlib
import functools
import io
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import gradio as gr
import safe_csv
from image import TOO_MUCH, TOO_SLOW
from leftovers import is_leftover
from middleware import MAX_FILES
from version import with_version

MAX_IMAGES = 1000
MAX_UPLOAD = 100_000_000  # bytes that are sent at once; SciLifeLab Serve lets no more through
MAX_COSTLY = 5  # images that go beyond what one may take
MAX_UNPACKED = 500_000_000  # bytes of all images in ZIP files
LIMITS = (
    f"Up to {MAX_FILES} files and {MAX_UPLOAD // 10**6} MB at once. ZIP files may have up to "
    f"{MAX_IMAGES:,} images and unpack to {MAX_UNPACKED // 10**6} MB."
)
# a row of the CSV file: probabilities from 0 to 1, the most likely class first; what could not be
# read has empty cells, and a message as its reason
COLUMNS = [f"{what}_{place}" for place in range(1, 6) for what in ("label", "probability")]
COLUMNS = ["file", *COLUMNS, "reason"]
# a row of the table on the page, which has no room for so many
HEADERS = ["file", "most likely", "second", "third", "fourth", "fifth", "reason"]
WIDTHS = ["16%", *["13%"] * 5, "19%"]
BLOCK = 2**18  # bytes that are unpacked at a time


def add_to_page(predict):
    """Add a part to the page that calls predict({"path": file}) for each of many images.

    `predict` returns {label: probability}, the most likely first.
    """
    uploads = os.environ["GRADIO_TEMP_DIR"]  # what is in this folder is deleted on time

    def predict_many(files, progress=gr.Progress()):
        """Classify uploaded images and ZIP files of them: a table for the page, and a CSV file."""
        progress(0, desc="Looking through the files")
        total = count(files)
        rows = few_costly(classify(files, predict, uploads))
        rows = list(progress.tqdm(rows, desc="Classifying", total=total, unit="images"))
        file = Path(tempfile.mkdtemp(dir=uploads), "predictions.csv")
        safe_csv.write(file, with_version([COLUMNS, *rows]))
        return shorten(rows), str(file)

    gr.Markdown(f"## Many images\n{LIMITS}")
    files = gr.File(label="Your images, or ZIP files", file_count="multiple", height=200)
    submit = gr.Button("Classify all", variant="primary")
    table = gr.Dataframe(label="Predictions", headers=HEADERS, column_widths=WIDTHS, wrap=True)
    file = gr.File(label="The predictions as a CSV file", interactive=False, height=100)
    # one such run at a time: between two of its images, others get their predictions
    settings = {"preprocess": False, "concurrency_limit": 1, "show_progress_on": table}
    submit.click(predict_many, files, [table, file], **settings)


def refuse(message):
    raise gr.Error(message, print_exception=False)


class ListIsShort(io.FileIO):
    """A ZIP file whose list of contents, which zipfile reads at once, must not fill the memory."""

    def read(self, size=-1):
        if size > 1000 * MAX_IMAGES:  # a name and what belongs to it take some 100 bytes
            refuse(f"A ZIP file has more than {MAX_IMAGES:,} images. Please split it.")
        return super().read(size)


@contextlib.contextmanager
def open_zip(upload):
    """Open a ZIP file: give it, and the images in it, without what programs leave behind."""
    name = named(upload)
    with contextlib.ExitStack() as opened:
        try:
            archive = zipfile.ZipFile(opened.enter_context(ListIsShort(upload["path"])))
        except gr.Error:
            raise
        except Exception:  # zipfile has many errors for a damaged file
            refuse(f"{name} is damaged, or is not a ZIP file. Please make it again.")
        images = []
        for image in archive.infolist():
            parts = image.filename.replace("\\", "/").split("/")
            if not parts[-1] or any(map(is_leftover, parts)):
                continue
            if ".." in parts or parts[0] == "":
                refuse(f"{name} has names that lead out of its folder. Please make it again.")
            if image.flag_bits & 1:
                refuse(f"{name} is encrypted. Please make it again, without a password.")
            if image.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                refuse(f"{name} is packed in an unusual way. Please make a plain ZIP file.")
            images.append(image)
        yield archive, images


def shown(upload):
    """Return the name that an upload had at home."""
    return upload.get("orig_name") or Path(upload["path"]).name


def named(upload):
    """Return the name of an upload for a message: those are shown as HTML."""
    return safe_csv.cell(shown(upload)).replace("<", "?")


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
            refuse(f"There are no images in {named(upload)}.")
        if room < 0:
            refuse(f"{named(upload)} unpacks to more than {MAX_UNPACKED // 10**6} MB. Send less.")
    if number > MAX_IMAGES:
        refuse(f"There are more than {MAX_IMAGES:,} images. Please send fewer at once.")
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


def classify(uploads, predict, place):
    """Yield a row with COLUMNS for each image: what `predict` returns, or why it cannot.

    Images are unpacked into a folder in the folder `place`, which is gone afterwards.
    """
    with tempfile.TemporaryDirectory(dir=place) as folder:
        for upload in uploads:
            if not is_zip(upload):
                yield row(shown(upload), functools.partial(predict, upload))
                continue
            before = f"{shown(upload)}/" if len(uploads) > 1 else ""
            with open_zip(upload) as (archive, images):
                for image in images:
                    unpacked = functools.partial(predict_packed, predict, archive, image, folder)
                    yield row(before + image.filename, unpacked)


def few_costly(rows):
    """Yield rows, but refuse all once MAX_COSTLY images took too long: others are waiting."""
    costly = 0
    for each in rows:
        costly += each[-1] in (TOO_MUCH, TOO_SLOW)
        if costly == MAX_COSTLY:
            refuse(
                f"{MAX_COSTLY} of these images take too much time or memory to read. "
                "Save them as PNG or JPEG and try again."
            )
        yield each


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
    cells = [cell for label, p in prediction.items() for cell in (label, round(p, 4))][:10]
    return [name, *cells, *["", None] * (5 - len(prediction)), reason]


def shorten(rows):
    """Return rows with COLUMNS as rows with HEADERS: label and probability in one cell."""
    short = []
    for name, *cells, reason in rows:
        pairs = zip(cells[::2], cells[1::2], strict=True)
        predictions = [f"{safe_csv.cell(label)} {p:.3f}" if label else "" for label, p in pairs]
        short.append([safe_csv.cell(name), *predictions, reason])
    return short
