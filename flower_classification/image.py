"""Read whatever image users upload, or say in a message why it cannot be read right.

pixels.py reads it, in a process beside the app that has limits of memory and time. A few bytes can
unpack to gigabytes, or take minutes: that ends the process, and nobody but its user notices.
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

    One rule for all formats: values of 8 bits are taken as they are. Larger ones are scaled by the
    bits that they use, 8 to 16 (4,095 of a camera with 12 bits becomes white), and values with a
    point by 1, or by the bits that their whole part uses. What decides is not one pixel in 10,000
    (a hot one, a rounding error), nor the largest value of the type (a scale bar). Refused is what
    would have to be guessed: values below 0, several frames, planes or channels, and an image
    that would become one even shade and is not so in the file.

    `upload` is what the page sends: {"path": file}, or None.
    `enough` is for a model that looks at about so many pixels a side: a JPEG is then decoded at
    1/2, 1/4 or 1/8 of its size, in half the time, and of a very long strip the middle is taken.
    Raises gr.Error with a message for the user.
    """
    return read_with(pixels, upload, enough=enough)


def preview(upload):
    """Return what is read as a PNG, for the page, or change nothing if browsers show that."""
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
    """Wait for a process that has nothing to do, and start one in the place of one that ended."""
    reader = READERS.get()
    try:
        if reader is None or reader.poll() is not None:
            command = [sys.executable, pixels.__file__, str(MEGABYTES)]
            reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        yield reader
    finally:
        READERS.put(reader)
