"""Read an uploaded volume in a process of its own, which has limits of memory and time.

A few bytes can unpack to gigabytes, or take minutes. That only ends the process.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import numpy as np
from bounds import LONGEST_S, MOST_UNPACKED, MOST_VOXELS, TOO_MUCH, TOO_SLOW

LIMITS = f"{MOST_VOXELS // 10**6} million voxels, {MOST_UNPACKED // 10**6} MB once unpacked."
PROCESS = [sys.executable, "-c", "import volume_files; volume_files.main()"]


class Volume(NamedTuple):
    """What is known of a volume that was read; its values are in volume.npy in `folder`.

    `shape` and `mm`, the voxel size, are in the order of x, y, z: to the patient's right, to the
    front and up. If `stored` is "unknown", the file does not say so, and they are as in the file.
    """

    folder: str
    shape: list
    mm: list
    stored: str
    kind: str
    notes: list
    inverted: bool
    low: float
    high: float

    @property
    def values(self):
        """The values by x, y, z, which are only read from the disk where they are looked at."""
        try:
            return np.load(Path(self.folder, "volume.npy"), mmap_mode="r")
        except FileNotFoundError:
            refuse("This volume is no longer here. Please press Submit again.")

    @property
    def summary(self):
        shape, mm = (" x ".join(f"{n:g}" for n in each) for each in (self.shape, self.mm))
        known = f"stored as {self.stored}, " if self.stored != "unknown" else ""
        return "\n".join([f"{self.kind}, {known}{shape} voxels of {mm} mm.", *self.notes])


def refuse(message):
    raise gr.Error(message, print_exception=False)


def read_volume(path, typed=""):
    """Read a volume from a file; `typed` is what the user entered as voxel size, for x, y and z."""
    if not path:
        refuse("Please choose a file first.")
    folder = tempfile.mkdtemp(dir=os.environ["GRADIO_TEMP_DIR"])  # what is there is deleted on time
    command = [*PROCESS, path, folder, json.dumps(read_sizes(typed))]
    here = Path(__file__).resolve().parent
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # each would take memory
    options = {"cwd": here, "env": environment, "timeout": LONGEST_S, "stdout": subprocess.PIPE}
    try:
        ended = subprocess.run(command, **options)
    except subprocess.TimeoutExpired:
        refuse(TOO_SLOW)
    if ended.returncode:
        refuse(TOO_MUCH)
    told = json.loads(ended.stdout)
    if "refused" in told:
        refuse(told["refused"])
    return Volume(folder, **told)


def read_sizes(typed):
    """Return three voxel sizes from a text, or None if there is none."""
    if not (typed or "").strip():
        return None
    try:
        sizes = [float(word.replace(",", ".")) for word in re.split(r"[;x\s]+|,\s+", typed.strip())]
    except ValueError:
        sizes = []
    if len(sizes) != 3 or not all(1e-9 < size < 1e6 for size in sizes):
        refuse("Enter the voxel size as three numbers with spaces between them, in mm: 0.5 0.5 2")
    return sizes
