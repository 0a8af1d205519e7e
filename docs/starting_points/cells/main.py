"""Cells: the bright objects in an image, counted and measured, without a model."""

import os
from pathlib import Path

import gradio as gr
import numpy as np
import skimage
from guard import prepare_uploads, settings
from image import read_image, refuse
from results import number_objects, show, within
from scipy.ndimage import binary_fill_holes, median_filter, white_tophat
from skimage.filters import threshold_otsu
from version import describe

ABOUT = """# Count cells
Finds the bright objects in an image, counts them and measures their areas. **Objects that touch
count as one.** Something is found in every image, even an empty one, so check the drawing."""
EXAMPLE = str(Path(skimage.__file__).parent / "data" / "coins.png")


def find_objects(pixels, smallest, widest):
    """Return labels, height x width: 0 for the background, 1 for the first object, 2, 3, ..."""
    smooth = median_filter(pixels, size=3)  # removes noise and keeps edges where they are
    if widest:  # only what is narrower stays, on a black background
        smooth = white_tophat(smooth, size=widest)
    return number_objects(binary_fill_holes(smooth > threshold_otsu(smooth)), smallest)


def count_cells(image, smallest, widest, dark):
    """Count and measure the objects of at least `smallest` pixels in an uploaded image."""
    smallest = within(smallest or 1, 1, 10**8, "The smallest object")
    widest = within(widest or 0, 0, 1000, "The width")
    opened = read_image(image)
    pixels = np.asarray(opened).max(axis=2)  # 0 to 255, the brightest of the three colours
    if pixels.min() == pixels.max():
        refuse("All pixels of this image have the same value: there is nothing to find.")
    pixels = 255 - pixels if dark else pixels
    return show(opened, find_objects(pixels, smallest, int(widest)), uploads)


prepare_uploads()  # in a folder of this run, where they are deleted on time
uploads = os.environ["GRADIO_TEMP_DIR"]  # that folder: results are deleted with them
with gr.Blocks(title="Count cells", analytics_enabled=False) as demo:
    gr.Markdown(ABOUT)
    with gr.Row():
        with gr.Column():
            image = gr.Image(label="Your image", sources=["upload", "clipboard"])
            smallest = gr.Number(50, label="Smallest object (pixels)", minimum=1, maximum=10**8)
            info = "To correct uneven light: more than the width of any object; 0 for none."
            widest = gr.Number(label="Width (pixels)", info=info, minimum=0, maximum=1000)
            dark = gr.Checkbox(label="The objects are darker than the background")
            submit = gr.Button("Submit", variant="primary")
            inputs, credit = [image, smallest, widest, dark], "Coins (Brooklyn Museum)"
            gr.Examples([[EXAMPLE, 500, 80, False]], inputs, label=credit, visible_columns=[0])
        with gr.Column():
            found = gr.Textbox(label="Found")
            drawing = gr.AnnotatedImage(label="Objects", format="png")
            files = gr.File(label="Downloads", file_count="multiple")
    table = gr.Dataframe(label="Sizes", max_height=300)
    outputs = [found, drawing, table, files]
    # preprocess=False: read_image() opens the file, since Gradio turns 16-bit images white
    about = describe(count_cells)
    submit.click(count_cells, inputs, outputs, preprocess=False, api_description=about)

if __name__ == "__main__":
    demo.queue(max_size=200, api_open=False)  # 200 users may wait; more are told that it is full
    demo.launch(**settings(demo))
