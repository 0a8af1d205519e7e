"""Make data/example.nii.gz: a head with a nose, and on its left a ball of which the size is known.

It is stored from right to left, as many scanners do it: an app that ignores the header mirrors it.
"""

from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE, MM, FINE = (96, 112, 56), (2, 2, 3), 3  # voxels, their size; how finely edges are sampled
# a value, and an ellipsoid that has it: centre and half axes, in mm to the right, front and up
PARTS = [
    (250, (0, -8, 0), (74, 92, 70)),  # the skull
    (250, (0, 88, -12), (10, 16, 14)),  # the nose
    (100, (0, -8, 0), (66, 84, 62)),  # the brain
    (20, (10, 0, 8), (6, 26, 10)),  # a ventricle on the right,
    (20, (-10, 0, 8), (6, 26, 10)),  # and one on the left
    (500, (-36, 20, 24), (15, 15, 15)),  # the ball: 14.1 ml
]

steps = [np.arange(n * FINE) / FINE for n in SHAPE]
mm = [(s - (n - 1 / FINE) / 2) * size for s, n, size in zip(steps, SHAPE, MM, strict=True)]
right, front, up = np.meshgrid(*mm, indexing="ij", sparse=True)
fine = np.zeros([n * FINE for n in SHAPE], "float32")
for value, (x, y, z), (a, b, c) in PARTS:
    inside = ((right - x) / a) ** 2 + ((front - y) / b) ** 2 + ((up - z) / c) ** 2 < 1
    fine[inside] = value
values = fine.reshape([side for n in SHAPE for side in (n, FINE)]).mean((1, 3, 5)).round()

affine = np.diag([-MM[0], MM[1], MM[2], 1])
affine[:3, 3] = np.array(affine.diagonal()[:3]) * (1 - np.array(SHAPE)) / 2
image = nib.Nifti1Image(values[::-1].astype("int16"), affine)
image.header.set_xyzt_units("mm")
image.set_qform(affine, "scanner")
image.set_sform(affine, "scanner")
image.to_filename(Path(__file__).resolve().parent / "data" / "example.nii.gz")
