"""Table: a scikit-learn model predicts for each row of a CSV, TSV or Excel file."""

import os
from pathlib import Path

import gradio as gr
import numpy as np
from guard import prepare_uploads, settings
from reading import MOST_ROWS, read_table
from results import predict_rows
from rows import refuse
from sklearn_model import load_model
from version import describe

DATA = Path(__file__).resolve().parent / "data"

# ---- Your model ----
TITLE = "Iris"
DESCRIPTION = "The species of an iris, from the lengths and widths of its sepals and petals."
model = load_model(DATA / "model.skops")
WORDS = {}  # columns with words, and the words the model knows: {"sex": ["female", "male"]}
ALLOW_MISSING = False  # True if the model was trained with missing values
RESULTS = ["prediction", "probability"] if hasattr(model, "predict_proba") else ["prediction"]
EXAMPLE = str(DATA / "example.csv")


def predict(table):
    """Return predictions for the rows of a pandas table, and the probability of each, if any."""
    predictions = model.predict(table)
    if "probability" not in RESULTS:
        return [predictions.tolist()]
    places = np.searchsorted(model.classes_, predictions)
    probabilities = model.predict_proba(table)[np.arange(len(table)), places]
    return [predictions.tolist(), probabilities.round(4).tolist()]


# ---- End of your model ----


def predict_table(file, progress=gr.Progress()):
    """Predict for each row of an uploaded table."""
    if not file:
        refuse("Please choose a file first.")
    progress(0, desc="Reading")
    table = read_table(file, model.feature_names_in_.tolist(), WORDS)
    return predict_rows(table, predict, RESULTS, WORDS, ALLOW_MISSING, uploads, progress)


prepare_uploads()  # in a folder of this run, where they are deleted on time
uploads = os.environ["GRADIO_TEMP_DIR"]  # that folder: results are deleted with them
COLUMNS = "\n".join(f"- {column}" for column in model.feature_names_in_)
demo = gr.Interface(
    fn=predict_table,
    inputs=gr.File(label="A table: CSV, TSV or Excel (.xlsx)", height=150),
    outputs=[
        gr.Textbox(label="Read"),
        gr.Dataframe(label="Predictions", max_height=300),
        gr.File(label="The same table with predictions"),
    ],
    examples=[[EXAMPLE]],
    title=TITLE,
    description=DESCRIPTION,
    article=f"Up to {MOST_ROWS:,} rows, with these columns among others:\n\n{COLUMNS}",
    api_description=describe(predict_table),
    flagging_mode="never",  # no Flag button: it would save what users send
    analytics_enabled=False,  # nothing is reported to Gradio's developers
)

if __name__ == "__main__":
    demo.queue(max_size=200, api_open=False)  # 200 users may wait; more are told that it is full
    demo.launch(**settings(demo))
