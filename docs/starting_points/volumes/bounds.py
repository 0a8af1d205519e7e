"""What the readers of volumes share: the limits, a refusal, and the form of what they find."""

import math
from typing import NamedTuple

MOST_VOXELS = 100_000_000  # 512 x 512 x 381
MOST_UNPACKED = 500_000_000  # bytes that a file may unpack to
LONGEST_S, MEGABYTES = 60, 2500  # what reading a volume may take
TOO_MUCH = "This file takes too much memory to read, or is damaged. Try a smaller volume."
TOO_SLOW = f"This file takes over {LONGEST_S} s to read. Try a smaller volume."


class Refused(Exception):
    """A volume that is not read; the message is for the user."""


class Found(NamedTuple):
    """A volume as it is in its file.

    `affine` leads from the indices of `values` to mm to the right, to the front and up, or is None
    if the file says nothing about directions. `mm` are the voxel sizes, in the order of the axes.
    """

    values: object
    affine: object
    mm: object
    kind: str
    notes: list
    inverted: bool = False  # low values are bright
    window: tuple = ()  # the values that become black and white, if the file says so


def refuse(message):
    raise Refused(message)


def check_shape(shape):
    """Refuse what is no volume, or too large, before it is read."""
    if len(shape) != 3 or min(shape) < 2:
        refuse("This file has a single slice. A volume needs at least two in each direction.")
    if math.prod(shape) > MOST_VOXELS:
        size = " x ".join(map(str, shape))
        refuse(f"This volume has {size} voxels, and more than {MOST_VOXELS:,} are not read.")


def check_unpacked(size):
    if size > MOST_UNPACKED:
        refuse(
            f"This file unpacks to more than {MOST_UNPACKED // 10**6} MB. Send a smaller volume."
        )
