"""The reference that `make bench` measures against: a classifier as the workshop began in 2023.

Eager PyTorch, no preprocessing but ToTensor, all 1,000 probabilities sent to the page. It is kept
for this purpose alone: its predictions are wrong, since the network was trained on normalised
images of 224 x 224. Start it: python source_app.py WEIGHTS, with GRADIO_SERVER_PORT in the
environment.
"""

import sys

import gradio as gr
import torch
from torchvision.models import ResNet18_Weights, resnet18
from torchvision.transforms import ToTensor

labels = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
model = resnet18()
model.load_state_dict(torch.load(sys.argv[1]))
model.eval()


def predict(image):
    with torch.no_grad():
        output = model(ToTensor()(image).unsqueeze(0))[0]
    return dict(zip(labels, torch.nn.functional.softmax(output, dim=0).tolist(), strict=True))


demo = gr.Interface(
    predict, gr.Image(type="pil"), gr.Label(num_top_classes=3), flagging_mode="never"
)

if __name__ == "__main__":
    demo.launch(server_name="127.0.0.1")
