"""An app of somebody else, with the components that ask the server for more than most."""

import time
from pathlib import Path

import gradio as gr
import numpy as np
from guard import prepare_uploads, settings

SHOWN = Path(__file__).resolve().parent / "shown"


def measure(drawing):
    return str(drawing["composite"].shape) if drawing else "nothing"


def see(pixels):
    return "nothing" if pixels is None else str(pixels.shape)


def name_all(files):
    return ", ".join(sorted(Path(file).name for file in files or []))


def count_up():
    for number in range(300):
        time.sleep(0.1)
        yield f"at {number}"


def pick(event: gr.SelectData):
    return f"number {event.index}"


def add_one(number):
    return number + 1, number + 1


prepare_uploads()
with gr.Blocks(analytics_enabled=False) as demo:
    said = gr.Textbox(label="Said")
    picture = gr.Image(label="Picture")
    picture.upload(lambda pixels: str(pixels.shape), picture, said, api_name="picture")
    editor = gr.ImageEditor(label="Editor")
    gr.Button("Measure").click(measure, editor, said)
    gr.FileExplorer(label="Explorer", root_dir=SHOWN, glob="**/*.txt")
    camera = gr.Image(label="Camera", sources="webcam", streaming=True)
    camera.stream(see, camera, said, time_limit=3)
    gr.DeepLinkButton()
    grey = [np.full((20, 20, 3), value, np.uint8) for value in (0, 100, 200)]
    gr.Gallery(grey, label="Gallery").select(pick, None, said)
    name = gr.Textbox(label="Name")
    rows = gr.Dataset(components=[name], samples=[["one"], ["two"]], label="Rows")
    rows.click(lambda row: row[0], rows, said)
    gr.Examples([["Rosalind"], ["Carl"]], name)
    count, counted = gr.State(0), gr.Number(label="Counted")
    gr.Button("Count").click(add_one, count, [count, counted])
    files = gr.File(label="Files", file_count="multiple")
    files.upload(name_all, files, said)
    values = gr.JSON({"url": "https://example.com/a", "n": [1]}, label="Values")
    gr.Button("Look").click(lambda value: str(value), values, said, api_name="look")
    wrong = gr.JSON({"path": "/etc/passwd"}, label="Wrong")
    gr.Button("Look wrong").click(lambda value: str(value), wrong, said, api_name=False)
    words = gr.Textbox(label="Words")

    @gr.render(inputs=words)
    def show(text):
        for word in (text or "").split():
            gr.Button(f"Say {word}").click(lambda word=word: f"said {word}", None, said)

    level = gr.Slider(0, 10, label="Level")
    gr.Button("More").click(lambda: gr.Slider(maximum=29, value=25), None, level)
    gr.Button("Tell").click(lambda value: f"at {value}", level, said, api_name="tell")
    going = gr.Button("Go").click(count_up, None, name, api_name="go")
    gr.Button("Stop").click(None, None, None, cancels=going)
    frame = gr.Dataframe([[1, 2], [3, 4]], label="Frame")
    gr.Button("Sum").click(lambda table: str(table.to_numpy().sum()), frame, said)
    ticked = gr.Number(label="Ticked")
    gr.Timer(1).tick(lambda: 1, None, ticked)
    message = gr.MultimodalTextbox(label="Message")
    message.submit(lambda sent: f"{sent['text']} {len(sent['files'])}", message, said)
with demo.route("Second", "/second"):
    word, twice = gr.Textbox(label="Word"), gr.Textbox(label="Twice")
    gr.Button("Double").click(lambda text: text * 2, word, twice)

if __name__ == "__main__":
    demo.queue(api_open=False, default_concurrency_limit=10)
    demo.launch(**settings(demo))
