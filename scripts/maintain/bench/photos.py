"""Make photos as users upload them."""

import io

import numpy as np
from PIL import Image

SIZES = {"small": (256, 256), "phone": (4000, 3000)}


def make_photo(kind, seed):
    """Return a JPEG as a phone saves it: smooth areas, edges and noise; 20 kB or 5 MB."""
    random = np.random.default_rng(seed)
    width, height = SIZES[kind]
    small = Image.fromarray(random.integers(0, 255, (12, 16, 3), "uint8"))
    pixels = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), "int16")
    noise = random.integers(-9, 10, (height, width, 1), "int16")
    file = io.BytesIO()
    Image.fromarray((pixels + noise).clip(0, 255).astype("uint8")).save(file, "JPEG", quality=90)
    return file.getvalue()
