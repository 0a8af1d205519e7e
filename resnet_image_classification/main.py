"""Image classification with ResNet18: the five most likely of the 1,000 ImageNet classes."""

from pathlib import Path

import gradio as gr
import torch
from cores import share_cores
from guard import prepare_uploads, settings
from image import preview, read_image
from torchvision.models import ResNet18_Weights, resnet18
from version import describe
from weights import load_model

DATA = Path(__file__).resolve().parent / "data"

# ---- Your model: to serve another one, change this part ----
TITLE = "Image classification with ResNet18"
DESCRIPTION = "Choose a photo to see which of 1,000 everyday things it most likely shows."
LABELS = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]  # in the order of the outputs
preprocess = ResNet18_Weights.IMAGENET1K_V1.transforms()  # as in validation: 224 x 224, normalised
activation = torch.nn.Softmax(dim=1)  # one label for each image; torch.nn.Sigmoid() for several
model = load_model(resnet18, DATA / "image_classification_resnet18.pth", check=(LABELS, activation))
# ---- End of your model ----


@share_cores()  # one user gets all of them, several get a share each
@torch.inference_mode()
def predict(image):
    """Classify an uploaded image, {"path": file}: the five most likely {label: probability}."""
    pixels = read_image(image, enough=1024)
    batch = preprocess(pixels).unsqueeze(0)  # 1 image x 3 colours x 224 x 224
    probabilities = activation(model(batch))[0]
    best = probabilities.topk(min(5, len(LABELS))).indices
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
