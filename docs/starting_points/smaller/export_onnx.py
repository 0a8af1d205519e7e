"""Take the network of a classifier into this app: data/model.onnx, its labels and example images.

    python export_onnx.py FOLDER

FOLDER is that of an app whose main.py has `model`, `activation`, `preprocess` and `LABELS`, as the
classifiers of the gallery and copies of them do. Do this once, where PyTorch is installed, and

    pip install onnx==1.23.2 onnxscript==0.7.2 onnxruntime

Nothing is written if the predictions of the two apps differ.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import prepare
from PIL import Image

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-4  # of a probability, and 1e-3 of a pixel
NEW = HERE / "data" / "new.onnx"


def find_images(data, read_image):
    """Return the example images of an app, and noise; of each also its file."""
    files = sorted(data.glob("[!.]*.[jpJP]*[gG]"))  # as in main.py
    images = {file: read_image({"path": str(file)}) for file in files}
    noise = np.random.default_rng(1).integers(0, 255, (300, 450, 3), "uint8")
    return {**images, "noise": Image.fromarray(noise)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the app that has the network")
    folder = parser.parse_args().folder.resolve()
    if not (folder / "main.py").exists():
        sys.exit(f"{folder} is not the folder of an app: it has no main.py.")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the app will run on the processor, too
    sys.path.insert(0, str(folder))
    import torch
    from main import LABELS, activation, model, preprocess, read_image

    network = torch.nn.Sequential(model, activation).eval()
    images = find_images(folder / "data", read_image)
    ours = {file: prepare.preprocess(image)[None] for file, image in images.items()}
    theirs = {file: preprocess(image)[None] for file, image in images.items()}
    for file, image in images.items():
        if (
            ours[file].shape != theirs[file].shape
            or np.abs(ours[file] - theirs[file].numpy()).max() > 1e-3
        ):
            sys.exit(
                f"prepare.py prepares images of {image.size} in another way than {folder.name}.\n"
                f"Give it the numbers of that one: {' '.join(str(preprocess).split())}"
            )
    torch.onnx.export(network, (theirs["noise"],), NEW, external_data=False, verbose=False)
    session = onnxruntime.InferenceSession(NEW)
    name = session.get_inputs()[0].name
    with torch.inference_mode():
        for file in images:
            found = session.run(None, {name: ours[file]})[0]
            if np.abs(found - network(theirs[file]).numpy()).max() > TOLERANCE:
                NEW.unlink()
                sys.exit("The exported network predicts differently from PyTorch: nothing written.")
    NEW.replace(HERE / "data" / "model.onnx")
    names = "".join(f"{label}\n" for label in LABELS)
    (HERE / "data" / "labels.txt").write_text(names, encoding="utf-8")
    for file in [file for file in images if file != "noise"]:
        shutil.copy(file, HERE / "data")
    for name in ("README.md", "expected.json"):  # who made them; what they show
        if (folder / "data" / name).exists():
            shutil.copy(folder / "data" / name, HERE / "data")
    print(f"Wrote data/model.onnx and data/labels.txt: the same predictions as {folder.name}.")


if __name__ == "__main__":
    main()
