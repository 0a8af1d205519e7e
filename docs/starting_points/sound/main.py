"""Sound: events in a recording, as a table and in its spectrogram."""

import os
from pathlib import Path

import gradio as gr
from events import find_events
from guard import prepare_uploads, settings
from reading import LIMITS, read_sound, refuse
from results import TITLES, show
from silero import STEP_S, load_model

DATA = Path(__file__).resolve().parent / "data"

# ---- Your model ----
TITLE = "Speech"
DESCRIPTION = "When does someone speak in a recording?"
RATE = 16_000  # samples per second, as in training
model = load_model(DATA / "silero_vad.onnx")


def predict(samples):
    """Return events as (start, end, what, probability), in seconds.

    `samples` is an array of float32 from -1 to 1, with one channel at RATE.
    """
    return find_events(model(samples), STEP_S, "speech", len(samples) / RATE)


# ---- End of your model ----


def predict_sound(path):
    """Return what was read, the spectrogram, the events as a table and as a CSV file."""
    if not path:
        refuse("Please choose a recording first.")
    samples, notes = read_sound(path, RATE)
    return show(samples, RATE, notes, predict(samples), uploads)


prepare_uploads()  # in a folder of this run, where they are deleted on time
uploads = os.environ["GRADIO_TEMP_DIR"]  # that folder: results are deleted with them
demo = gr.Interface(
    fn=predict_sound,
    # "filepath" without a format: Gradio leaves the file as it is and needs no ffmpeg
    inputs=gr.Audio(
        label="A recording: WAV, FLAC or MP3",
        type="filepath",
        editable=False,
        buttons=["download"],  # not "share", which would send recordings to another company
        waveform_options={"show_recording_waveform": False},  # long ones take much memory
    ),
    outputs=[
        gr.Textbox(label="Read"),
        gr.Image(label="Spectrogram", show_label=False, buttons=["download", "fullscreen"]),
        gr.Dataframe(label="Events", headers=TITLES, max_height=300),
        gr.File(label="The events as CSV"),
    ],
    examples=[[str(DATA / "example.mp3")]],
    title=TITLE,
    description=DESCRIPTION,
    article=f"{LIMITS} Uploads are deleted after half an hour.",
    flagging_mode="never",  # no Flag button: it would save what users send
    analytics_enabled=False,  # nothing is reported to Gradio's developers
)

if __name__ == "__main__":
    demo.queue(max_size=200, api_open=False)  # 200 users may wait; more are told that it is full
    demo.launch(**settings(demo, max_file_size=100_000_000))
