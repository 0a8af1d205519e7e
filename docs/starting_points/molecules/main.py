"""Molecules: properties and drawings for SMILES, a CSV file or an SDF, by RDKit."""

import os
from pathlib import Path

import gradio as gr
from guard import prepare_uploads, settings
from molecules import LIMITS
from rdkit.Chem import QED, Crippen, Descriptors, rdMolDescriptors
from reading import MOST, read_records
from results import show

DATA = Path(__file__).resolve().parent / "data"

# ---- Your model ----
TITLE = "Molecules"
DESCRIPTION = "Weight, estimated logP, TPSA and QED (likeness to oral drugs, 0 to 1) of molecules."
RESULTS = ["weight (g/mol)", "logP", "TPSA (Å²)", "QED"]


def predict(molecule):
    """Return a number for each of RESULTS; `molecule` is an RDKit molecule."""
    return [
        round(Descriptors.MolWt(molecule), 2),
        round(Crippen.MolLogP(molecule), 2),
        round(rdMolDescriptors.CalcTPSA(molecule), 1),  # of N and O; S and P don't count
        round(QED.qed(molecule), 3),
    ]


# ---- End of your model ----
EXAMPLE = """CC(=O)Oc1ccccc1C(=O)O aspirin
CC(C)Cc1ccc(cc1)C(C)C(=O)O ibuprofen
[Na+].[O-]C(=O)c1ccccc1 sodium benzoate
CN1CCC[C@H]1c1cccnc nicotine with a mistake"""


def predict_molecules(file: str, text: str, progress=gr.Progress()):
    """Predict for each molecule in an uploaded file or a text."""
    records, unit = read_records(file, text, uploads)
    return show(records, unit, predict, RESULTS, uploads, progress)


prepare_uploads()  # in a folder of this run, where they are deleted on time
uploads = os.environ["GRADIO_TEMP_DIR"]  # that folder: results are deleted with them
with gr.Blocks(title=TITLE, analytics_enabled=False) as demo:
    gr.Markdown(f"# {TITLE}\n{DESCRIPTION} Up to {MOST:,} molecules. {LIMITS}")
    with gr.Row():
        with gr.Column():
            file = gr.File(label="A CSV file with a column SMILES, or an SDF", height=150)
            label = "Or SMILES, one per line, each with a name if you like"
            inputs = [file, gr.Textbox(label=label, lines=5)]
            submit = gr.Button("Submit", variant="primary")
            files = [[str(DATA / f"example.{kind}"), ""] for kind in ("csv", "sdf")]
            names = ["SMILES", "CSV", "SDF"]
            gr.Examples([[None, EXAMPLE], *files], inputs, example_labels=names)
        with gr.Column():
            read = gr.Textbox(label="Read")
            drawings = gr.Gallery(
                label="Molecules", columns=3, object_fit="contain", buttons=["download"]
            )
            results = gr.File(label="All results as CSV", height=80)
    table = gr.Dataframe(label="Results", max_height=300)
    submit.click(predict_molecules, inputs, [read, drawings, table, results])

if __name__ == "__main__":
    demo.queue(max_size=200, api_open=False)  # 200 users may wait; more are told that it is full
    demo.launch(**settings(demo))
