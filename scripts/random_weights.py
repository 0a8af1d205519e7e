"""Make random weights for a classifier, in the real architecture and file format.

For trying an app where the trained weights cannot be had. Its predictions mean nothing.
"""

import shutil
import zipfile
from pathlib import Path

from apps import typed


# torch is imported where it is used: who only asks for the names below may not have it
def resnet18():
    from torchvision import models

    return models.resnet18()


def vgg11():
    from torchvision import models

    return models.vgg11(init_weights=False)


def flower_vgg19():
    """Return the network of the flowers file: VGG19 with three linear layers, 102 classes."""
    from torch import nn
    from torchvision import models

    model = models.vgg19(init_weights=False)
    model.classifier = nn.Sequential(
        nn.Linear(25088, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 2048),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(2048, 102),
    )
    return model


# file name in data/ -> (what makes the network, whether the file holds the whole network)
CHECKPOINTS = {
    "image_classification_resnet18.pth": (resnet18, False),
    "image_classification_vgg11.pth": (vgg11, False),
    "flower_model_vgg19.pth": (flower_vgg19, True),
}


def make_checkpoint(file):
    """Write `file`, one of the names in CHECKPOINTS, with the same random numbers each time."""
    import torch

    build, whole = CHECKPOINTS[file.name]
    torch.manual_seed(0)
    model = build()
    torch.save(model if whole else model.state_dict(), file)
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"random"  # so that its predictions are not compared with the references


def with_random_weights(app, folder):
    """Copy an app into `folder` and give it weights of the right form; return the copy."""
    text = app.file.read_text(encoding="utf-8")
    wanted = [name for name in CHECKPOINTS if name in text]
    if not wanted or (app.folder / "data" / wanted[0]).exists():
        return app
    print(f"      {app.name}: no trained weights here, so random ones: THE LABELS MEAN NOTHING")
    print(f"      {app.name}: `{typed('model', app)}` fetches the trained ones", flush=True)
    copy = Path(folder) / app.folder.name
    shutil.copytree(app.folder, copy)
    make_checkpoint(copy / "data" / wanted[0])
    return app._replace(file=copy / app.file.name)
