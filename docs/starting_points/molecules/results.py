"""Predict for molecules: all as a CSV file, the first as drawings and rows, and a summary."""

import math
import re
import tempfile
import time
from pathlib import Path

import gradio as gr
import safe_csv
from molecules import LONGEST, describe, make_molecule
from rdkit import Chem, rdBase
from rdkit.Chem.Draw import rdMolDraw2D
from version import with_version

SHOWN, DRAWN, NAMED = 100, 12, 5  # rows, drawings, and problems in the summary
LONGEST_S = 300  # for all molecules of a user, while others wait
NUMBER = re.compile(r"[+-]?[\d.,]+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)  # harmless in a file


def show(records, unit, predict, results, uploads, progress):
    """Return a summary, drawings for gr.Gallery, rows for gr.Dataframe, and the path of a file.

    predict() gets a molecule and returns a number for each of `results`. If it raises ValueError or
    ArithmeticError, that is the problem of this molecule.
    """
    folder = Path(tempfile.mkdtemp(dir=uploads))
    rows, shown, drawings, problems = [], [], [], []
    others = [*dict.fromkeys(title for record in records for title in record.others)]
    added = ["SMILES", *results, "notes", "problem"]
    began = time.monotonic()
    for record in progress.tqdm(records, desc="Predicting", unit="molecules"):
        if time.monotonic() - began > LONGEST_S:
            raise gr.Error(f"This takes over {LONGEST_S} s. Split the file.", print_exception=False)
        molecule, row = predict_one(record, predict, results)
        name = next(iter(record.others.values()), "")
        if row[-1]:
            problems.append(f"{unit} {record.number}: {row[-1]}")
        elif len(drawings) < DRAWN:
            caption = f"{unit} {record.number} {name[:60]}"
            drawings.append((draw(molecule, folder / f"{unit}_{record.number}.png"), caption))
        rows.append([record.number, *(record.others.get(title, "") for title in others), *row])
        shown.append([record.number, name, *row[1:], row[0]])
    file = folder / "molecules.csv"
    titles = [
        unit,
        *(f"{title} (file)" if title in (unit, *added, "version") else title for title in others),
        *added,
    ]
    with open(file, "w", encoding="utf-8", newline="") as stream:
        safe_csv.writer(stream).writerows(
            [as_text(cell) for cell in row] for row in with_version([titles, *rows])
        )
    table = {"headers": [unit, "name", *added[1:], "SMILES"], "data": shown[:SHOWN]}
    return in_words(records, unit, problems), drawings, table, str(file)


def predict_one(record, predict, results):
    """Return the molecule of a record, if it can be read, and its cells for the columns added."""
    smiles = "" if "\n" in record.text else record.text[:LONGEST]
    try:
        if record.problem:
            raise ValueError(record.problem)
        molecule = make_molecule(record.text)
        with rdBase.BlockLogs():  # what RDKit remarks would fill the terminal
            values, notes = predict(molecule), describe(molecule)
        values = [value + 0 for _, value in zip(results, values, strict=True)]  # + 0: no -0.0
        if not all(map(math.isfinite, values)):
            raise ValueError("a result is not a number")
        return molecule, [smiles or Chem.MolToSmiles(molecule), *values, notes, ""]
    except (ValueError, ArithmeticError) as error:
        return None, [smiles, *[None] * len(results), "", str(error)]


def draw(molecule, file):
    """Draw a molecule flat, whatever coordinates it had; return the path of the PNG file."""
    drawing = rdMolDraw2D.MolDraw2DCairo(400, 300)
    drawing.drawOptions().padding = 0.15  # for the caption
    flat = Chem.Mol(molecule)
    flat.RemoveAllConformers()
    rdMolDraw2D.PrepareAndDrawMolecule(drawing, flat)
    drawing.FinishDrawing()
    drawing.WriteDrawingText(str(file))
    return str(file)


def as_text(cell):
    """Return a cell for the file: numbers as they were, and no text as a formula."""
    return cell if isinstance(cell, str) and NUMBER.fullmatch(cell) else safe_csv.cell(cell)


def in_words(records, unit, problems):
    words = [f"{len(records):,} {unit}{'s' * (len(records) > 1)} read."]
    if problems:
        words.append(f"Without results: {len(problems):,}; the file says why for each.")
        words += [*problems[:NAMED], *["..."] * (len(problems) > NAMED)]
    if len(records) > DRAWN:
        words.append(f"The first {DRAWN} are drawn, and the table has up to {SHOWN} rows.")
    return "\n".join(words)
