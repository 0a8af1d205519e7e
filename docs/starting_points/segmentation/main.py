"""Segmentation: a network finds the objects in an image, which are counted and measured."""

import os
from pathlib import Path

import gradio as gr
import torch
from cores import share_cores
from guard import prepare_uploads, settings
from image import preview, read_image
from prepare import prepare
from results import number_objects, show, within
from tiles import predict_in_tiles, try_network
from unet import UNet
from version import describe
from weights import load_model

DATA = Path(__file__).resolve().parent / "data"

# ---- Your model: to serve another one, change this part, and prepare.py ----
TITLE = "Find cells"
DESCRIPTION = """A network finds the cells in an image, and their areas are measured. **It was only
trained on drawn cells, 12 to 28 pixels long.** Compare the result with your image."""
EXAMPLE = str(DATA / "cells.png")
model = load_model(UNet, DATA / "unet.pt")


@torch.inference_mode()
def predict(tile):
    """Return for each pixel of a tile, channels x 512 x 512, the probability of an object."""
    return torch.sigmoid(model(torch.from_numpy(tile)[None]))[0, 0].cpu().numpy()


# ---- End of your model ----
try_network(prepare, predict)


@share_cores()  # PyTorch would count those of the whole computer, also in a container
def find_objects(image, threshold, smallest, progress=gr.Progress()):
    """Find the objects in an uploaded image that are at least this probable and this large."""
    threshold = within(threshold, 0.05, 0.95, "The probability")
    smallest = within(smallest or 1, 1, 10**8, "The smallest object")
    opened = read_image(image)
    probabilities = predict_in_tiles(predict, prepare(opened), progress)
    labels = number_objects(probabilities > threshold, smallest)
    return show(opened, labels, uploads, mask="mask.tif")


prepare_uploads()  # in a folder of this run, where they are deleted on time
uploads = os.environ["GRADIO_TEMP_DIR"]  # that folder: results are deleted with them
with gr.Blocks(title=TITLE, analytics_enabled=False) as demo:
    gr.Markdown(f"# {TITLE}\n{DESCRIPTION}")
    with gr.Row():
        with gr.Column():
            image = gr.Image(label="Your image", sources=["upload", "clipboard"])
            threshold = gr.Slider(0.05, 0.95, 0.5, label="Probability of an object, at least")
            smallest = gr.Number(30, label="Smallest object (pixels)", minimum=1, maximum=10**8)
            submit = gr.Button("Submit", variant="primary")
            gr.Examples([EXAMPLE], image)
        with gr.Column():
            found = gr.Textbox(label="Found")
            drawing = gr.AnnotatedImage(label="Objects", format="png")
            files = gr.File(label="Downloads", file_count="multiple")
    table = gr.Dataframe(label="Sizes", max_height=300)
    # what browsers don't show, such as a TIFF, is shown as it is read
    image.upload(preview, image, image, preprocess=False, api_visibility="private")
    # preprocess=False: read_image() opens the file, since Gradio turns 16-bit images white
    inputs, outputs = [image, threshold, smallest], [found, drawing, table, files]
    about = describe(find_objects)
    submit.click(find_objects, inputs, outputs, preprocess=False, api_description=about)

if __name__ == "__main__":
    demo.queue(max_size=200, api_open=False)  # 200 users may wait; more are told that it is full
    demo.launch(**settings(demo))
