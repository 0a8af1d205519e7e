"""Write the app's network as data/model.onnx and its labels as data/labels.txt, and check them.

Do this once, where PyTorch is installed: the app then runs without it.

pip install onnx==1.23.2 onnxscript==0.7.2 onnxruntime
python export_onnx.py
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torchvision.models import ResNet18_Weights, resnet18

DATA = Path(__file__).resolve().parent / "data"
TOLERANCE = 1e-4  # of a probability

model = resnet18()
weights = DATA / "image_classification_resnet18.pth"
model.load_state_dict(torch.load(weights, "cpu", weights_only=True))
model.eval()
labels = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]

images = torch.randn(10, 3, 224, 224)
torch.onnx.export(
    model,
    (images[:1],),
    DATA / "model.onnx",
    input_names=["image"],
    external_data=False,  # one file
    verbose=False,
)
session = onnxruntime.InferenceSession(DATA / "model.onnx")
with torch.inference_mode():
    expected = model(images).softmax(1).numpy()
found = [session.run(None, {"image": image[None].numpy()})[0][0] for image in images]
found = np.exp(found) / np.exp(found).sum(1, keepdims=True)
if np.abs(found - expected).max() > TOLERANCE:
    (DATA / "model.onnx").unlink()
    sys.exit("The exported network predicts differently from PyTorch: nothing was written.")
(DATA / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
print(f"Wrote model.onnx and labels.txt. Same probabilities as PyTorch within {TOLERANCE}.")
