"""Show which part of an image led to the prediction of a network, with Grad-CAM from Captum.

    heat_map.add_to_page(read_image, preprocess, model, image, submit, clear)

The first three are what `predict` calls, in that order; the others are components of the page.
"""

import copy
import sys
import threading

import gradio as gr
import torch
from captum.attr import LayerAttribution, LayerGradCam
from cores import share_cores
from PIL import Image

ORANGE = torch.tensor([1.0, 0.45, 0.0])
ONE_AT_A_TIME = threading.Lock()


def add_to_page(read_image, preprocess, model, image, submit, clear, layer=None):
    """Add an image to the page that is drawn whenever `submit` is pressed.

    `layer` is the name of a layer whose output has a height and a width; without it, the last such
    layer is taken. Ends the program with a message if the network has none.
    """
    if not isinstance(model, torch.nn.Module):
        sys.exit("heat_map needs a PyTorch network, but `model` is not one.")
    # layers of its own, which share the weights: predictions that run meanwhile are not noted down
    shared = [*model.parameters(), *model.buffers()]
    network = copy.deepcopy(model, {id(values): values for values in shared})
    if layer is None:
        layer = last_map(network, preprocess(Image.new("RGB", (300, 300))).unsqueeze(0))
    grad_cam = LayerGradCam(network, network.get_submodule(layer))

    def draw_heat_map(image):
        """Draw in orange where the network looked, for an uploaded image, {"path": file}."""
        batch = preprocess(read_image(image, enough=1024)).unsqueeze(0)
        return draw(batch[0], heat_of(grad_cam, batch))

    buttons = ["download", "fullscreen"]  # not the third, which shares it with the world
    drawn = gr.Image(label="Where the network looked", format="png", buttons=buttons)
    clear.add(drawn)
    submit.click(draw_heat_map, image, drawn, preprocess=False)


def last_map(network, batch):
    """Return the name of the last layer whose output has a height and a width."""
    passed, hooks = [], []
    for name, each in network.named_modules():
        note = each.register_forward_hook(lambda *call, name=name: passed.append((name, call[2])))
        hooks.append(note)
    with torch.no_grad():
        network(batch)
    for hook in hooks:
        hook.remove()
    names = [name for name, _ in passed]
    for name, output in reversed(passed):
        is_map = isinstance(output, torch.Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1
        if is_map and names.count(name) == 1:  # a layer that is used twice has two maps
            return name
    sys.exit("heat_map finds no layer in `model` whose output has a height and a width.")


def heat_of(grad_cam, batch):
    """Return where the most likely class of one image was found, as a tensor of height x width.

    From 0, which is nothing, to 1, which is most; or all 0 if nothing led to the class.
    `batch` is a tensor of 1 x 3 x height x width. Method: Selvaraju et al. 2017,
    https://doi.org/10.1109/ICCV.2017.74
    """
    batch.requires_grad_()
    with ONE_AT_A_TIME, share_cores():
        with torch.no_grad():
            best = int(grad_cam.forward_func(batch)[0].argmax())
        coarse = grad_cam.attribute(batch, best, relu_attributions=True)
    heat = LayerAttribution.interpolate(coarse, batch.shape[2:], "bilinear")[0, 0].detach().cpu()
    return heat / heat.max().clip(1e-12)


def draw(prepared, heat):
    """Draw a map in orange over the image that the network saw, in grey.

    `prepared` is a tensor of 3 x height x width; its darkest value is drawn black, its brightest
    white. Returns an array of height x width x 3 with 8 bits.
    """
    grey = prepared.detach().mean(0)[:, :, None]
    grey = (grey - grey.min()) / (grey.max() - grey.min()).clip(1e-6)
    part = 0.7 * heat[:, :, None]
    return (255 * (grey * (1 - part) + ORANGE * part)).round().byte().numpy()
