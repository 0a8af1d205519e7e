"""Read TIFF files from microscopes and scanners, or say in a message what to do about them.

from lab_image import preview, read_image     # replaces those of image.py
lab_image.add_to_page(image)                  # at the end of the page
"""

import gradio as gr
import lab_pixels
from image import read_with, save

# The values that become black and white, as in training: (0, 4095) for a camera of 12 bits,
# (-160, 240) for soft tissue in CT. None: 0, and the most that the bit depth allows.
RANGE = None


def add_to_page(image):
    """Add a part to the page that opens a plane of a TIFF, and shows it as the `image` there."""

    def open_tiff(file, plane, channel):
        """Return one plane of an uploaded TIFF as a PNG with 8 bits, as the model gets it."""
        chosen = {"plane": plane or 0, "channel": channel or 0}
        return save(read_with(lab_pixels, file, **chosen, limits=RANGE))

    how = "It becomes your image above, as the model sees it. Then press Submit."
    gr.Markdown(f"## {lab_pixels.PART}\n{how}")
    with gr.Row():
        file = gr.File(label="Your TIFF", height=140)
        limits = {"info": "0 if there is only one", "precision": 0, "minimum": 0}
        plane = gr.Number(0, label="Plane", **limits)
        channel = gr.Number(0, label="Channel", **limits)
        show = gr.Button("Show")
    events = [file.upload, plane.submit, channel.submit, show.click]
    gr.on(events, open_tiff, [file, plane, channel], image, preprocess=False)


def read_image(upload, enough=None):
    """Return an uploaded image as 8-bit RGB, as image.py does, of a TIFF the only plane."""
    return read_with(lab_pixels, upload, enough=enough, limits=RANGE)


def preview(upload):
    """Return what is read as a PNG, for the page, or change nothing if browsers show that."""
    image = read_with(lab_pixels, upload, limits=RANGE, unless_shown=True)
    return save(image) if image else gr.skip()
