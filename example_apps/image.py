"""Read the images that users upload, or say in a message why one cannot be read correctly.

pixels.py reads them, in separate processes with limits of memory and time. A few bytes can unpack
to gigabytes or take minutes. Such a file only ends its process, and nobody but its user notices.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import gradio as gr
import pixels
from PIL import Image

AT_ONCE, LONGEST_S, MEGABYTES = 2, 20, 1500  # processes, and what each may take for an image
TOO_MUCH = "This image takes too much memory to read. Save it as a PNG or JPEG and try again."
TOO_SLOW = f"This image takes over {LONGEST_S} s to read. Save it as a PNG or JPEG and try again."
READERS = queue.LifoQueue()
for _ in range(AT_ONCE):
    READERS.put(None)  # started when it is needed


def refuse(message):
    raise gr.Error(message, print_exception=False)


def read_image(upload, enough=None):
    """Return an uploaded image as 8-bit RGB, upright, transparency shown on white.

    All formats follow one rule. 8-bit values are taken as they are. Larger whole numbers are scaled
    by the bits they use, 8 to 16, so 4,095 from a 12-bit camera becomes white. Decimal numbers are
    scaled by 1, or by the bits of their whole part. One pixel in 10,000 (a hot one, a rounding
    error) and the largest value of the type (a scale bar) don't count. Anything that would have to
    be guessed is refused: values below 0, several frames, planes or channels, and an image that
    would turn into one even shade although the file has more.

    `upload` is what the page sends: {"path": file}, or None.
    `enough` is how many pixels a side the model needs. A large JPEG is then decoded at 1/2, 1/4 or
    1/8 of its size, in half the time, and a very long strip is cropped to its middle.
    Raises gr.Error with a message for the user.
    """
    return read_with(pixels, upload, enough=enough)


def preview(upload):
    """Return the image as it is read, for the page; change nothing if browsers show it right."""
    image = read_with(pixels, upload, unless_shown=True)
    return save(image) if image else gr.skip()


def save(image):
    """Save an image like an upload, which is deleted on time; return its path."""
    file = Path(tempfile.mkdtemp(dir=os.environ["GRADIO_TEMP_DIR"]), "image.png")
    image.save(file, compress_level=1)
    return str(file)


def read_with(module, upload, **options):
    """Return what read(path, **options) of a module makes of an upload: 8-bit RGB, or None.

    Raises gr.Error with the message of pixels.Refused, or with that of a limit.
    """
    if not isinstance(upload, dict) or not upload.get("path"):
        refuse("Please choose an image first.")
    asked = {"module": module.__name__, "path": str(upload["path"]), **options}
    with a_reader() as reader:
        late = threading.Timer(LONGEST_S, reader.kill)
        late.start()
        try:
            told, image = ask(reader, asked)
        except (OSError, EOFError, ValueError):  # the process has ended
            told = {"refused": TOO_MUCH if late.is_alive() else TOO_SLOW}
            reader.kill()
            reader.wait()  # or the next user would get it while it ends
        finally:
            late.cancel()
    if "refused" in told:
        refuse(told["refused"])
    return image


def ask(reader, asked):
    """Send a process a line of JSON; return its response, and the image that follows, or None."""
    reader.stdin.write(json.dumps(asked).encode() + b"\n")
    reader.stdin.flush()
    told = json.loads(reader.stdout.readline())
    if not told.get("size"):
        return told, None
    image = Image.new("RGB", told["size"], None)
    for _, top, width, bottom in pixels.strips(image.size):
        rgb = bytearray(3 * width * (bottom - top))
        if reader.stdout.readinto(rgb) < len(rgb):
            raise EOFError
        image.paste(Image.frombytes("RGB", (width, bottom - top), rgb), (0, top))
    return told, image


@contextlib.contextmanager
def a_reader():
    """Wait for an idle process. If it has ended, start a new one."""
    reader = READERS.get()
    try:
        if reader is None or reader.poll() is not None:
            command = [sys.executable, pixels.__file__, str(MEGABYTES)]
            pipe = subprocess.PIPE
            # in a session of its own, Ctrl-C does not reach it while it starts
            reader = subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True)
        yield reader
    finally:
        READERS.put(reader)
