"""Iris: three species of flower, told from four lengths by a scikit-learn model."""

import sys
from pathlib import Path

import gradio as gr
import skops.io
from guard import prepare_uploads, settings

DATA = Path(__file__).resolve().parent / "data"
if not (DATA / "model.skops").exists():
    sys.exit("data/model.skops is missing. Make it with: python train_iris.py")
model = skops.io.load(DATA / "model.skops")  # runs no code from the file


def classify(*lengths):
    if None in lengths:
        raise gr.Error("Please fill in all four lengths.", print_exception=False)
    probabilities = model.predict_proba([lengths])[0]
    return dict(zip(model.classes_.tolist(), probabilities.tolist(), strict=True))


prepare_uploads()  # in a folder of this run, where they are deleted on time
demo = gr.Interface(
    fn=classify,
    inputs=[  # each with the average of the 150 flowers, to begin with
        gr.Number(5.8, label="Sepal length (cm)", minimum=0, maximum=20),
        gr.Number(3.0, label="Sepal width (cm)", minimum=0, maximum=20),
        gr.Number(4.3, label="Petal length (cm)", minimum=0, maximum=20),
        gr.Number(1.3, label="Petal width (cm)", minimum=0, maximum=20),
    ],
    outputs=gr.Label(label="Species"),
    title="Iris",
    flagging_mode="never",  # no Flag button: it would save what users type
    analytics_enabled=False,  # nothing is reported to Gradio's developers
)

if __name__ == "__main__":
    demo.queue(max_size=200, api_open=False)  # 200 users may wait; more are told that it is full
    demo.launch(**settings(demo))
