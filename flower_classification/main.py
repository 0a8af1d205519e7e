"""Flower classification with VGG19: the five most likely of 102 species."""

import math
import os
import signal
import sys
import zipfile
from pathlib import Path

import gradio as gr
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torchvision.datasets import Flowers102
from torchvision.models import VGG, VGG19_Weights, vgg19
from torchvision.transforms.functional import center_crop

HERE = Path(__file__).resolve().parent
MAX_MEGAPIXELS = 50  # a file of 100 kB can unpack to gigabytes

# ---- Your model: to serve another one, change this part ----
TITLE = "Flower classification with VGG19"
DESCRIPTION = "Choose a photo of a flower to see which of 102 species it most likely shows."
WEIGHTS = HERE / "data" / "flower_model_vgg19.pth"
LABELS = Flowers102.classes
preprocess = VGG19_Weights.IMAGENET1K_V1.transforms()  # as in training: 224 x 224, normalised
# the file may hold a whole model, not only its weights; it may hold nothing but these
PARTS = [VGG, nn.Sequential, nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Linear]
PARTS += [nn.Dropout, nn.DataParallel]


def load_model():
    with torch.device("meta"):  # only the layers' shapes; the numbers come from the file
        model = vgg19()
        model.classifier = nn.Sequential(
            nn.Linear(25088, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, 2048),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(2048, len(LABELS)),
        )
    # weights_only: nothing that the file contains is executed; mmap: no second copy in memory
    with torch.serialization.safe_globals(PARTS):
        weights = torch.load(WEIGHTS, "cpu", weights_only=True, mmap=zipfile.is_zipfile(WEIGHTS))
    if isinstance(weights, nn.Module):
        weights = weights.state_dict()
    # trained on several graphics cards, each name begins with "module."
    weights = {name.removeprefix("module."): values for name, values in weights.items()}
    model.load_state_dict(weights, assign=True)
    return model


# ---- End of your model ----


try:
    model = load_model().eval().to(memory_format=torch.channels_last)
except Exception as error:  # torch has many errors for a damaged file
    missing = isinstance(error, FileNotFoundError)
    sys.exit(
        f"{WEIGHTS} {'is missing' if missing else 'is damaged, or holds another model'}.\n"
        f'Fetch the weights with: python "{HERE / "download_model.py"}"'
    )


def read_picture(path):
    """Return the picture in a file as 8-bit RGB; gr.Error says what is wrong with it."""
    if not path:
        raise gr.Error("Please choose a picture first.", print_exception=False)
    try:
        image = Image.open(path)
        if image.width * image.height > MAX_MEGAPIXELS * 1_000_000:
            raise Image.DecompressionBombError
        image = ImageOps.exif_transpose(image)
        if image.mode[0] in "IF":  # over 8 bits, as from a microscope: scale, do not cut off
            pixels = np.asarray(image, dtype="float32").clip(0)
            full_scale = 2 ** max(1, math.ceil(pixels.max())).bit_length() - 1
            image = Image.fromarray((pixels / full_scale * 255).astype("uint8"))
        paper = Image.new("RGBA", image.size, "white")  # shows where the picture is transparent
        return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
    except Image.DecompressionBombError:
        message = f"This picture has over {MAX_MEGAPIXELS} megapixels. Please make it smaller."
    except Exception:  # Pillow has many errors for a damaged file
        message = "This file cannot be read as a picture. Try a PNG, JPEG or TIFF file."
    raise gr.Error(message, print_exception=False)


@torch.inference_mode()
def predict(picture):
    """Classify a picture, given as {"path": file}: the five most likely {label: probability}."""
    image = read_picture(picture and picture["path"])
    width, height = image.size
    # a strip of 10,000 x 1 pixels would be resized to 2,560,000 x 256
    image = center_crop(image, [min(height, 8 * width), min(width, 8 * height)])
    batch = preprocess(image).unsqueeze(0)  # 1 picture x 3 colours x 224 x 224
    probabilities = model(batch.to(memory_format=torch.channels_last))[0].softmax(0)
    top = probabilities.topk(min(5, len(LABELS))).indices
    return {LABELS[i]: probabilities[i].item() for i in top}


demo = gr.Interface(
    fn=predict,
    inputs=gr.Image(label="Your picture", sources=["upload", "clipboard"]),
    outputs=gr.Label(label="Most likely", num_top_classes=5),
    examples=sorted(map(str, (HERE / "data").glob("*.jpg"))),
    title=TITLE,
    description=DESCRIPTION,
    flagging_mode="never",  # no Flag button: it would save people's pictures
    analytics_enabled=False,  # nothing is reported to Gradio's makers
    delete_cache=(300, 1800),  # every 300 s, delete uploads older than 1,800 s
)
demo.fns[0].preprocess = False  # predict() gets the file as it is: Gradio would clip 16 bits

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `docker stop` ends it like Ctrl-C
    demo.launch(
        server_name="0.0.0.0",  # from outside the container, too
        server_port=int(os.environ.get("PORT", 8080)),
        max_file_size="20mb",
        run_history=False,
        enable_monitoring=False,
    )
