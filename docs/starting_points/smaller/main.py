"""Image classification by ONNX Runtime, in a small container image without PyTorch."""

from pathlib import Path

import gradio as gr
from guard import prepare_uploads, settings
from image import preview, read_image
from onnx_model import load_model
from prepare import preprocess
from version import describe

DATA = Path(__file__).resolve().parent / "data"

# ---- Your model: export_onnx.py makes its files; prepare.py has the preprocessing ----
TITLE = "Image classification"
DESCRIPTION = "Choose a photo to see which of 1,000 everyday things it most likely shows."
model = load_model(DATA / "model.onnx")  # with the activation: its outputs are probabilities
LABELS = (DATA / "labels.txt").read_text(encoding="utf-8").splitlines()
# ---- End of your model ----


def predict(image):
    """Classify an uploaded image, {"path": file}: the five most likely {label: probability}."""
    pixels = read_image(image, enough=1024)
    batch = preprocess(pixels)[None]  # 1 image x 3 colours x 224 x 224
    probabilities = model(batch)[0]
    best = probabilities.argsort()[::-1][:5]
    return {LABELS[i]: probabilities[i].item() for i in best}


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
    clear.add(prediction)
    # what browsers don't show, such as a TIFF, is shown as it is read
    image.upload(preview, image, image, preprocess=False, api_visibility="private")
    # preprocess=False: read_image() opens the file, since Gradio turns 16-bit images white
    submit.click(predict, image, prediction, preprocess=False, api_description=describe(predict))

if __name__ == "__main__":
    # four at a time: images are read while the model runs; 200 may wait, and are told how long
    demo.queue(max_size=200, default_concurrency_limit=4, status_update_rate=1, api_open=False)
    demo.launch(**settings(demo))
