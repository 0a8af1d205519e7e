"""Step 1.2, sepia: an image in, an image out."""

import gradio as gr
import numpy as np
from guard import prepare_uploads, settings
from image import read_image

SEPIA = [[0.393, 0.349, 0.272], [0.769, 0.686, 0.534], [0.189, 0.168, 0.131]]


def sepia(image):
    pixels = np.asarray(read_image(image))  # height x width x 3 colours, from 0 to 255
    toned = pixels @ SEPIA
    return toned / (toned.max() or 1)  # from 0 to 1; "or 1": an all-black image stays black


prepare_uploads()  # in a folder of this run, where they are deleted on time
with gr.Blocks(title="Sepia", analytics_enabled=False) as demo:
    with gr.Row():
        image = gr.Image(label="Your image")
        buttons = ["download", "fullscreen"]  # not the third, which shares it with the world
        result = gr.Image(label="Sepia filtered image", format="png", buttons=buttons)
    submit = gr.Button("Submit", variant="primary")
    # preprocess=False: read_image() opens the file, since Gradio turns 16-bit images white
    submit.click(sepia, image, result, preprocess=False)

if __name__ == "__main__":
    demo.queue(api_open=False)  # nothing runs beside the queue
    demo.launch(**settings(demo))
