"""Load a network in ONNX form, which runs without PyTorch."""

import sys

import loky
import onnxruntime


def load_model(file):
    """Return a function that gives the network's outputs for a batch of images, as an array.

    Ends the program with a message if the file is missing or damaged.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = loky.cpu_count()  # fewer where a container may not use all
    try:
        session = onnxruntime.InferenceSession(file, options)
    except Exception:  # ONNX Runtime has many errors for a damaged file
        sys.exit(
            f"{file} is {'damaged' if file.exists() else 'missing'}.\n"
            "Make it with: python export_onnx.py FOLDER, that of an app with the network"
        )
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0]
