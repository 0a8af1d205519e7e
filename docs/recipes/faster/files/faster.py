"""Let OpenVINO run a network of PyTorch: the same predictions in less time.

model = faster.compile(model, preprocess)     # below `model = load_model(...)`
"""

import contextlib
import threading

import openvino
import torch
from cores import CORES
from PIL import Image

PRECISION = "f32"  # "bf16" is faster where the processor has bfloat16, and rounds


def compile(network, preprocess):
    """Return a function that predicts as the network does: a batch of images to their outputs.

    The network is compiled for this processor, for images that `preprocess` has prepared.
    """
    if next(network.parameters()).is_cuda:
        return network  # on a graphics card, PyTorch is the faster one
    batch = preprocess(Image.new("RGB", (300, 300))).unsqueeze(0)
    with torch.no_grad():
        exported = torch.export.export(network, (batch,))
    compiled = openvino.compile_model(
        openvino.convert_model(exported),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": PRECISION,
            "INFERENCE_NUM_THREADS": CORES,
            "ENABLE_CPU_PINNING": False,  # or all such apps on a computer crowd on its first cores
        },
    )
    mine = threading.local()  # for each thread: a request is not for two users at once

    def model(batch):
        if not hasattr(mine, "request"):
            mine.request = compiled.create_infer_request()
        return torch.tensor(mine.request.infer([batch.numpy()], share_inputs=True)[0])

    return model


@contextlib.contextmanager
def share_cores():
    """Leave the cores to OpenVINO: PyTorch only prepares images now."""
    torch.set_num_threads(1)  # Python's threads have one such number each
    yield
