"""Draw slices of a volume, with the directions of the patient as letters at the edges."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from reading import refuse

SIDE, MARGIN = 400, 24  # pixels: of the longest side of a volume, of the frame around it
VIEWS = ("Sagittal", "Coronal", "Axial")  # what is cut: x, y or z
# at the left, right, upper and lower edge, as radiologists look at patients
LETTERS = ("APSI", "RLSI", "RLAP")
GROWING = (" y z", " x z", " x y")  # where directions are not known


def draw(volume, places, low, high):
    """Return three images, cut at the places x, y and z, which count from 1."""
    if low is None or high is None or not low < high:
        refuse("The value for black has to be lower than that for white.")
    values = volume.values
    return [draw_slice(volume, values, axis, int(places[axis]), low, high) for axis in range(3)]


def draw_slice(volume, values, axis, place, low, high):
    known = volume.stored != "unknown"
    place = min(max(place, 1), volume.shape[axis]) - 1
    plane = np.asarray(values[(slice(None),) * axis + (place,)], "float64")
    if known:
        plane = plane[::-1, ::-1]  # x, y and z grow to the left, or up
    shades = ((plane.T - low) / (high - low)).clip(0, 1) * 255
    shades = 255 - shades if volume.inverted else shades
    lengths = np.multiply(volume.shape, volume.mm)
    size = np.delete(lengths, axis) / lengths.max() * SIDE  # in mm, so that voxels keep their form
    image = Image.fromarray(shades.round().astype("uint8"))
    image = image.resize([max(1, round(side)) for side in size], Image.Resampling.BILINEAR)
    framed = Image.new("L", [side + 2 * MARGIN for side in image.size])
    framed.paste(image, (MARGIN, MARGIN))
    width, height = framed.size
    middle = MARGIN // 2
    edges = ((middle, height // 2), (width - middle, height // 2))
    edges += ((width // 2, middle), (width // 2, height - middle))
    pen, font = ImageDraw.Draw(framed), ImageFont.load_default(16)
    for edge, letter in zip(edges, (LETTERS if known else GROWING)[axis], strict=True):
        pen.text(edge, letter, fill=255, font=font, anchor="mm")
    return framed
