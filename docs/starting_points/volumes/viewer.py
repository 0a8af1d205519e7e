"""The part of the page with three slices of a volume, and sliders to choose them."""

import gradio as gr
from slices import VIEWS, draw


def add_viewer():
    """Add the part to the page; return the components for which view() returns values."""
    volume, images, sliders = gr.State(), [], []
    names = ("Value shown as black", "Value shown as white")
    with gr.Row():
        window = [gr.Number(value, label=name) for value, name in enumerate(names)]
    # not "share", which would send slices to another company
    options = {"format": "png", "interactive": False, "buttons": ["download", "fullscreen"]}
    with gr.Row():
        for name in VIEWS:
            with gr.Column(min_width=200):
                images.append(gr.Image(label=name, **options))
                sliders.append(gr.Slider(1, 1e6, step=1, label=f"{name} slice", visible=False))
    events = [each.input for each in (*sliders, *window)]
    gr.on(events, show_slices, [volume, *sliders, *window], images, trigger_mode="always_last")
    return [volume, *window, *sliders, *images]


def view(volume):
    """Return what add_viewer() shows of a volume at first: the slices in its middle."""
    middle = [(size + 1) // 2 for size in volume.shape]
    sliders = [
        gr.Slider(value=place, maximum=size, visible=True)
        for place, size in zip(middle, volume.shape, strict=True)
    ]
    images = draw(volume, middle, volume.low, volume.high)
    return [volume, volume.low, volume.high, *sliders, *images]


def show_slices(volume, x, y, z, black, white):
    """Return the sagittal, coronal and axial slice at x, y, z of the volume that was read last."""
    if volume is None:
        gr.Warning("Please choose a file and press Submit first.")
        return [gr.skip()] * 3
    return draw(volume, (x, y, z), black, white)
