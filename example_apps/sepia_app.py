"""Step 1.2, sepia: a picture in, a picture out."""

import math

import gradio as gr
import numpy as np
from PIL import Image, ImageOps


def sepia(input_img):
    if input_img is None:
        raise gr.Error("Please choose a picture first.", print_exception=False)
    sepia_filter = np.array(
        [[0.393, 0.769, 0.189],
         [0.349, 0.686, 0.168],
         [0.272, 0.534, 0.131]]
    )  # fmt: skip
    sepia_img = input_img.dot(sepia_filter.T)
    sepia_img /= sepia_img.max() or 1  # "or 1": an all-black picture stays black
    return sepia_img


def read_picture(upload):
    """Return the uploaded picture as an array: height x width x 3, values 0 to 255."""
    if upload is None:
        return None
    try:
        image = ImageOps.exif_transpose(Image.open(upload.path))
        if image.mode[0] in "IF":  # over 8 bits, as from a microscope: scale, do not cut off
            pixels = np.asarray(image, dtype=float).clip(0)
            full_scale = 2 ** max(1, math.ceil(pixels.max())).bit_length() - 1
            image = Image.fromarray((pixels / full_scale * 255).astype("uint8"))
        paper = Image.new("RGBA", image.size, "white")  # shows where the picture is transparent
        return np.asarray(Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB"))
    except Exception:  # Pillow has many errors for a damaged file
        raise gr.Error(
            "This file cannot be read as a picture. Try a PNG or JPEG file.", print_exception=False
        ) from None


picture = gr.Image(label="Your image")
picture.preprocess = read_picture  # Gradio's own reading turns 16-bit pictures white

demo = gr.Interface(
    fn=sepia,
    inputs=picture,
    outputs=gr.Image(label="Sepia filtered image", format="png"),
    flagging_mode="never",
    analytics_enabled=False,
    delete_cache=(300, 1800),  # every 300 s, delete pictures older than 1,800 s
)

if __name__ == "__main__":
    demo.launch(server_name="0.0.0.0", server_port=8080)
