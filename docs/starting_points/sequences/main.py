"""Sequences: GC content along DNA and RNA from FASTA or CSV, as a table and a plot."""

import os
import random

import gradio as gr
import numpy as np
from guard import prepare_uploads, settings
from reading import decode, read_sequences, refuse
from results import TITLES, show
from version import describe

ABOUT = "A, C, G, T, U, S (C or G) and W (A or T) count. Other letters and gaps keep their place."
draw = random.Random(1).choices
EXAMPLE = ">made_up\n" + "".join(draw("AATTGC", k=1500) + draw("ATGGCC", k=500))
MOST = 100_000  # windows


def gc_content(letters, window, step=1):
    """Return where windows begin (from 0), their GC content in %, and how many letters count.

    It is (C + G + S) / (A + C + G + T + U + S + W), as in Biopython's gc_fraction().
    """
    codes = np.frombuffer(letters.encode(), "uint8")
    sums = [np.append(0, np.isin(codes, [*kind]).cumsum()) for kind in (b"CGS", b"ACGTUSW")]
    starts = np.arange(0, len(codes) - window + 1, step)
    gc, counted = (total[starts + window] - total[starts] for total in sums)
    none = np.full(len(starts), np.nan)  # for windows in which nothing counts
    return starts, np.divide(100 * gc, counted, out=none, where=counted > 0), counted


def analyse(file, text, window, step):
    """Return the GC content of whole sequences, and of windows along them."""
    if file and text:
        refuse("There is both a file and a text. Please remove one of them.")
    if not window or not step:
        refuse("Please fill in the window and the step.")
    records, how = read_sequences(decode(file) if file else text or "")
    if sum(len(record.letters) for record in records) > MOST * step:
        refuse(f"This makes more than {MOST:,} windows. Please choose a larger step.")
    whole = [gc_content(record.letters, len(record.letters)) for record in records]
    windows = [gc_content(record.letters, window, step) for record in records]
    return show(records, how, whole, windows, window, uploads)


prepare_uploads()  # in a folder of this run, where they are deleted on time
uploads = os.environ["GRADIO_TEMP_DIR"]  # that folder: results are deleted with them
demo = gr.Interface(
    fn=analyse,
    inputs=[
        gr.File(label="A file, FASTA or CSV", type="binary"),
        gr.Textbox(label="Or text", lines=6, max_lines=6),
        gr.Number(100, label="Window (letters)", precision=0, minimum=1, maximum=10**7),
        gr.Number(10, label="Step (letters)", precision=0, minimum=1, maximum=10**7),
    ],
    outputs=[
        gr.Textbox(label="Read"),
        gr.Image(label="Plot", show_label=False, buttons=["download", "fullscreen"]),
        gr.Dataframe(label="Sequences", headers=TITLES),
        gr.File(label="Downloads", file_count="multiple"),
    ],
    examples=[[None, EXAMPLE, 100, 10]],
    title="GC content",
    description=ABOUT,
    api_description=describe(analyse),
    flagging_mode="never",  # no Flag button: it would save what users type
    analytics_enabled=False,  # nothing is reported to Gradio's developers
)

if __name__ == "__main__":
    demo.queue(max_size=200, api_open=False)  # 200 users may wait; more are told that it is full
    demo.launch(**settings(demo))
