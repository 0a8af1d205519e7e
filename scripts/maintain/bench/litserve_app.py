"""The other reference of `make bench`: the same ResNet18 behind LitServe, in batches of 8.

LitServe is a server for models without a page; it gathers what several clients send into one run.
Start it: python litserve_app.py WEIGHTS PORT
"""

import sys

import litserve
import torch
from fastapi import UploadFile
from PIL import Image
from torchvision.models import ResNet18_Weights, resnet18


class ResNet18(litserve.LitAPI):
    def setup(self, device):
        weights = ResNet18_Weights.IMAGENET1K_V1
        self.labels, self.preprocess = weights.meta["categories"], weights.transforms()
        model = resnet18()
        model.load_state_dict(torch.load(sys.argv[1]))
        self.model = model.eval().to(memory_format=torch.channels_last)

    def decode_request(self, request: UploadFile):
        return self.preprocess(Image.open(request.file).convert("RGB"))

    def batch(self, images):
        return torch.stack(images).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def predict(self, batch):
        return self.model(batch).softmax(1)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, probabilities):
        top = probabilities.topk(5)
        return {self.labels[i]: probabilities[i].item() for i in top.indices.tolist()}


if __name__ == "__main__":
    api = ResNet18(max_batch_size=8, batch_timeout=0.01)
    server = litserve.LitServer(api, accelerator="cpu", track_requests=False)
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="error"
    )
