"""Image classification with ResNet18: the five most likely of the 1,000 ImageNet classes."""

import os
import signal
import sys
from pathlib import Path

import gradio as gr
import torch
from cores import share_cores
from guard import GUARD
from image import read_image
from torchvision.models import ResNet18_Weights, resnet18

HERE = Path(__file__).resolve().parent

# ---- Your model: to serve another one, change this part ----
TITLE = "Image classification with ResNet18"
DESCRIPTION = "Choose a photo to see which of 1,000 everyday things it most likely shows."
WEIGHTS = HERE / "data" / "image_classification_resnet18.pth"
LABELS = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
preprocess = ResNet18_Weights.IMAGENET1K_V1.transforms()  # as in training: 224 x 224, normalised


def load_model():
    with torch.device("meta"):  # only the layers' shapes; the numbers come from the file
        model = resnet18()
    # weights_only: nothing that the file contains is executed
    weights = torch.load(WEIGHTS, "cpu", weights_only=True)
    model.load_state_dict(weights, assign=True)
    return model


# ---- End of your model ----

try:
    model = load_model().eval().to(memory_format=torch.channels_last)  # the faster layout on a CPU
except Exception as error:  # torch has many errors for a damaged file
    missing = isinstance(error, FileNotFoundError)
    sys.exit(
        f"{WEIGHTS} {'is missing' if missing else 'is damaged, or holds another model'}.\n"
        f'Fetch the weights with: python "{HERE / "download_model.py"}"'
    )


@share_cores()  # one user gets all of them, several get a share each
@torch.inference_mode()
def predict(image):
    """Classify an uploaded image, {"path": file}: the five most likely {label: probability}."""
    pixels = read_image(image, enough=1024)
    batch = preprocess(pixels).unsqueeze(0)  # 1 image x 3 colours x 224 x 224
    probabilities = model(batch.to(memory_format=torch.channels_last))[0].softmax(0)
    top = probabilities.topk(min(5, len(LABELS))).indices
    return {LABELS[i]: probabilities[i].item() for i in top}


# nothing is reported to Gradio's developers; every 300 s, uploads older than 1,800 s are deleted
with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(300, 1800)) as demo:
    gr.Markdown(f"# {TITLE}\n{DESCRIPTION}")
    with gr.Row():
        with gr.Column():
            image = gr.Image(label="Your image", sources=["upload", "clipboard"])
            with gr.Row():
                clear = gr.ClearButton(image)
                submit = gr.Button("Submit", variant="primary")
        prediction = gr.Label(label="Most likely", num_top_classes=5)
    gr.Examples(sorted(map(str, (HERE / "data").glob("*.jpg"))), image)
    clear.add(prediction)
    # preprocess=False: read_image() opens the file, since Gradio turns 16-bit images white
    submit.click(predict, image, prediction, preprocess=False)

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `docker stop` works like Ctrl-C
    # four at a time: images are read while the model runs; 200 may wait, and are told how long
    demo.queue(max_size=200, default_concurrency_limit=4, status_update_rate=1)
    demo.launch(
        server_name="0.0.0.0",  # from outside the container, too
        server_port=int(os.environ.get("PORT", 8080)),
        app_kwargs=GUARD,
        max_file_size="20mb",
        run_history=False,  # images and predictions do not stay in the browser
        enable_monitoring=False,
        state_session_capacity=100,  # Gradio keeps state for each session, so memory would grow
    )
