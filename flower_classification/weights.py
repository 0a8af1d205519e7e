"""Load a model's weights, or say what is wrong with them."""

import sys
from pathlib import Path

import torch
from torch import nn

PUT_THERE = "Put the file with your model's weights there."


def load_model(build, file, classes=()):
    """Return the network that `build()` makes with the weights in a file, ready to predict.

    `file` holds a state_dict or a whole model, as torch.save() writes them; nothing that it
    contains is executed. `classes` are the layers that a whole model may be made of. The network
    is on the graphics card if PyTorch finds one, and takes its input there.
    Ends the program with a message if the file is missing, damaged or of another model.
    """
    try:
        with torch.device("meta"):  # only the layers' shapes; the numbers come from the file
            model = build()
        with torch.serialization.safe_globals([*classes]):
            weights = torch.load(file, "cpu", weights_only=True)
        if isinstance(weights, nn.Module):
            weights = weights.state_dict()
        # trained on several graphics cards, each name begins with "module."
        weights = {name.removeprefix("module."): values for name, values in weights.items()}
        model.load_state_dict(weights, assign=True)
    except Exception as error:  # torch has many errors for a damaged file
        missing = isinstance(error, FileNotFoundError)
        program = Path(__file__).with_name("download_model.py")
        sys.exit(
            f"{file} {'is missing' if missing else 'is damaged, or holds another model'}.\n"
            + (f'Fetch the weights with: python "{program}"' if program.exists() else PUT_THERE)
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.register_forward_pre_hook(lambda _, inputs: tuple(each.to(device) for each in inputs))
    return model.eval().to(device, memory_format=torch.channels_last)  # the faster layout on a CPU
