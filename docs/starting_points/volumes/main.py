"""Volumes: a number for a 3D image, and its slices in three directions."""

import math
import os
from pathlib import Path

import gradio as gr
import numpy as np
from guard import prepare_uploads, settings
from reading import LIMITS, read_volume
from results import save
from version import describe
from viewer import add_viewer, view

DATA = Path(__file__).resolve().parent / "data"

# ---- Your model ----
TITLE = "Volume above a threshold"
DESCRIPTION = "How many millilitres of a 3D image have values above 300?"
RESULT = "Volume above 300 (ml)"


def predict(values, mm):
    """Return a number for a volume: values by x (to the right), y (to the front), z (up).

    `mm` is the voxel size in these directions.
    """
    voxel_ml = math.prod(mm) / 1000
    return float(f"{np.count_nonzero(values > 300) * voxel_ml:.6g}")


# ---- End of your model ----
PRIVACY = """**Send only data that may leave your computer.** Names and dates are in DICOM headers,
in file names, and sometimes burned into the pixels. A head can be recognised by its face. This app
removes none of it; uploads are deleted after half an hour."""


def predict_volume(file, voxel_mm):
    """Read a volume, and return its number, what was read, a CSV file and slices to look at."""
    volume = read_volume(file, voxel_mm)
    number = predict(volume.values, volume.mm)
    table = save(volume, RESULT, number, file, uploads)
    return [number, volume.summary, table, *view(volume)]


prepare_uploads()  # in a folder of this run, where they are deleted on time
uploads = os.environ["GRADIO_TEMP_DIR"]  # that folder: results are deleted with them
with gr.Blocks(title=TITLE, analytics_enabled=False) as demo:
    gr.Markdown(f"# {TITLE}\n{DESCRIPTION}\n\n{PRIVACY}")
    with gr.Row():
        with gr.Column():
            file = gr.File(label="NIfTI, DICOM series (ZIP) or TIFF stack", height=130)
            hint = f"Only for a TIFF that has none, such as 0.5 0.5 2. Up to {LIMITS}"
            voxel_mm = gr.Textbox(label="Voxel size (mm) for x, y and z", info=hint)
            submit = gr.Button("Submit", variant="primary")
            gr.Examples([[str(DATA / "example.nii.gz")]], file)
        with gr.Column():
            number = gr.Number(label=RESULT, interactive=False)
            read = gr.Textbox(label="Read")
            table = gr.File(label="The result as CSV", height=80)
    outputs, about = [number, read, table, *add_viewer()], describe(predict_volume)
    submit.click(predict_volume, [file, voxel_mm], outputs, api_description=about)

if __name__ == "__main__":
    demo.queue(max_size=200, api_open=False)  # 200 users may wait; more are told that it is full
    demo.launch(**settings(demo, max_file_size=100_000_000))
