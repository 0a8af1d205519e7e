"""Show which part of an image spoke for the network's prediction: Grad-CAM, by Captum."""

import threading

import torch
from captum.attr import LayerAttribution, LayerGradCam
from cores import share_cores

ORANGE = torch.tensor([1.0, 0.45, 0.0])
ONE_AT_A_TIME = threading.Lock()


def classify_and_map(model, layer, batch):
    """Return the probabilities of one image, and where the most likely class was found.

    `layer` is the name of a layer, and `batch` a tensor of 1 x 3 x height x width. The map is a
    tensor of height x width from 0, which is nothing, to 1, which is most; or all 0 where nothing
    spoke for the class. Method: Selvaraju et al. 2017, https://doi.org/10.1109/ICCV.2017.74
    """
    grad_cam = LayerGradCam(model, model.get_submodule(layer))
    batch.requires_grad_()
    # Captum notes down what passes through the layer, also of another user's image
    with ONE_AT_A_TIME, share_cores():
        with torch.no_grad():
            probabilities = model(batch)[0].softmax(0)
        coarse = grad_cam.attribute(batch, int(probabilities.argmax()), relu_attributions=True)
    heat = LayerAttribution.interpolate(coarse, batch.shape[2:], "bilinear")[0, 0].detach()
    return probabilities, heat / heat.max().clip(1e-12)


def draw(prepared, heat, mean, deviation):
    """Draw a map in orange over the image that the network saw, in grey.

    `prepared` is a tensor of 3 x height x width, normalised by the mean and standard deviation of
    each colour. Returns an array of height x width x 3 with 8 bits.
    """
    shades = prepared.detach().permute(1, 2, 0) * torch.tensor(deviation) + torch.tensor(mean)
    grey = shades.mean(2, keepdim=True).clip(0, 1)
    part = 0.7 * heat[:, :, None]
    return (255 * (grey * (1 - part) + ORANGE * part)).round().byte().numpy()
