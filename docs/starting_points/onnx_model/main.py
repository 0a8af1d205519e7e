"""Image classification with a finished ONNX file, which says itself what it takes."""

from pathlib import Path

import gradio as gr
import numpy as np
from guard import prepare_uploads, settings
from image import preview, read_image
from network import load_model, read_labels
from PIL import Image, ImageOps
from version import describe

DATA = Path(__file__).resolve().parent / "data"

# ---- Your model: put model.onnx and labels.txt, one label per line, into data/ ----
TITLE = "How crowded are the cells?"
DESCRIPTION = "Choose an image of cells. **The network was only trained on drawings.**"
LABELS = read_labels(DATA / "labels.txt")  # in the order of the outputs
SIZE = 224, 224  # width and height, where the file leaves them open
MEAN, DEVIATION = [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]  # of the three colours, as in training
SEVERAL = False  # True if several labels can be right at once


def prepare(image, size):
    """Return an 8-bit RGB image as in training: height x width x colours."""
    image = ImageOps.fit(image, size, Image.Resampling.BILINEAR)  # scaled and cropped to the centre
    return (np.float32(image) / 255 - MEAN) / DEVIATION


model = load_model(DATA / "model.onnx", LABELS, prepare, SIZE, SEVERAL)
# ---- End of your model ----


def predict(image):
    """Classify an uploaded image, {"path": file}: the five most likely {label: probability}."""
    probabilities = model.predict(read_image(image, enough=4 * max(model.size)))
    return dict(list(probabilities.items())[:5])


prepare_uploads()  # in a folder of this run, where they are deleted on time
with gr.Blocks(title=TITLE, analytics_enabled=False) as demo:
    gr.Markdown(f"# {TITLE}\n{DESCRIPTION}")
    with gr.Row():
        with gr.Column():
            image = gr.Image(label="Your image", sources=["upload", "clipboard"])
            with gr.Row():
                clear = gr.ClearButton(image)
                submit = gr.Button("Submit", variant="primary")
        prediction = gr.Label(label="Most likely", num_top_classes=5)
    gr.Examples(sorted(map(str, DATA.glob("[!.]*.[jpJP]*[gG]"))), image)  # .jpg, .JPEG, .png ...
    gr.Markdown(model.about)
    clear.add(prediction)
    # what browsers don't show, such as a TIFF, is shown as it is read
    image.upload(preview, image, image, preprocess=False, api_visibility="private")
    # preprocess=False: read_image() opens the file, since Gradio turns 16-bit images white
    submit.click(predict, image, prediction, preprocess=False, api_description=describe(predict))

if __name__ == "__main__":
    # four at a time: images are read while the model runs; 200 may wait, and are told how long
    demo.queue(max_size=200, default_concurrency_limit=4, status_update_rate=1, api_open=False)
    demo.launch(**settings(demo))
