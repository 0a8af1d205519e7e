"""Show GC content along sequences: in words, as a plot, as a table, as files."""

import re
import tempfile
from pathlib import Path

import numpy as np
import safe_csv
from matplotlib.figure import Figure
from version import with_version

TITLES = ["number", "name", "length", "GC (%)", "not counted", "gaps"]
WINDOW_TITLES = ["number", "name", "start", "end", "GC (%)", "counted"]
DRAWN, LONGEST = 10, 30  # sequences in the plot, letters of a name there


def show(records, how, whole, windows, window, uploads):
    """Return a sentence, the path of a plot, the rows of a table, and the paths of three files.

    `whole` and `windows` have, for each record, where windows begin (from 0), their GC content in %
    and how many letters count. The files are written to the folder `uploads`.
    """
    summary, rows = [], []
    for number, record in enumerate(records, 1):
        letters = record.letters
        gaps = letters.count("-") + letters.count(".")
        _, [percent], [counted] = whole[number - 1]
        length = len(letters) - gaps
        summary.append([number, record.name, length, rounded(percent), length - int(counted), gaps])
        for start, percent, counted in zip(*windows[number - 1], strict=True):
            row = [number, record.name, start + 1, start + window, rounded(percent), counted]
            rows.append(row)
    folder = Path(tempfile.mkdtemp(dir=uploads))
    plot, *tables = (folder / name for name in ("plot.png", "sequences.csv", "windows.csv"))
    draw(records, windows, window, plot)
    for table, titles, content in zip(
        tables, (TITLES, WINDOW_TITLES), (summary, rows), strict=True
    ):
        safe_csv.write(table, with_version([titles, *content]))
    return in_words(records, how, window), str(plot), summary, [str(plot), *map(str, tables)]


def rounded(percent):
    return None if np.isnan(percent) else round(float(percent), 2)


def in_words(records, how, window):
    """Say how many sequences there are, and what must be known to read the rest right."""
    names = [record.name for record in records]
    short = sum(len(record.letters) < window for record in records)
    words = [f"{len(names):,} sequence{'s' * (len(names) > 1)}, read as {how}."]
    if short:
        words.append(f"Shorter than the window, so not in the plot: {short:,}.")
    if len(names) - short > DRAWN:
        words.append(f"The plot shows the first {DRAWN}; windows.csv has all.")
    if len({*names}) < len(names):
        words.append("Some have the same name: tell them apart by their number.")
    return "\n".join(words)


def draw(records, windows, window, file):
    """Draw the first curves as a PNG.

    In a Figure of its own: what pyplot draws on is shared by all users of the app.
    """
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    axes = figure.subplots()
    curves = [
        (number, record.name, starts + (window + 1) / 2, percent)
        for number, (record, (starts, percent, _)) in enumerate(
            zip(records, windows, strict=True), 1
        )
        if len(starts)
    ]
    for number, name, middles, percent in curves[:DRAWN]:
        # no $, which would begin a formula, and only letters that the font has
        name = re.sub(r"[^ -#%-~¡-ÿ]", "?", name[:LONGEST])
        axes.plot(
            middles, percent, label=f"{number} {name}", marker="." if len(middles) < 50 else ""
        )
    axes.set(
        ylim=(0, 100),
        xlabel="Position in the sequence (middle of the window)",
        ylabel="GC content (%)",
        title=f"GC content in windows of {window:,} letters",
    )
    axes.grid(alpha=0.3)
    if curves:
        figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    figure.savefig(file)
