"""Predict for each row of a table: all of it as a file, the first rows and a summary for the page.

Rows are read, predicted and written some at a time, so a long table takes no more memory.
"""

import itertools
import tempfile
from pathlib import Path

import pandas as pd
import safe_csv
from reading import NUMBER, read_values
from rows import read_rows
from version import version

BATCH, SHOWN, NAMED = 2_000, 100, 5  # rows: predicted at once, in the page, named if they are wrong


def predict_rows(table, predict, results, words, allow_missing, uploads, progress):
    """Return a summary, the first rows for gr.Dataframe, and the path of a file in `uploads`.

    predict() takes a table of pandas, and returns a list for each of the columns `results`.
    """
    added = [unused(name, table.titles) for name in (*results, "problem")]
    file = Path(tempfile.mkdtemp(dir=uploads), "predictions.csv")
    shown, problems, wrong, done = [], [], 0, 0
    # Excel needs the byte-order mark; programs that write commas would stumble over it
    encoding = "utf-8" if table.separator == "," else "utf-8-sig"
    with open(file, "w", encoding=encoding, newline="") as stream:
        writer = safe_csv.writer(stream, table.separator or ",")
        writer.writerow(
            map(safe_csv.cell, [*table.titles, *added, unused("version", table.titles)])
        )
        rows = itertools.islice(read_rows(table.file), 1, None)
        while batch := [*itertools.islice(rows, BATCH)]:
            read = [read_values(row, table.places, words, allow_missing) for _, row in batch]
            good = [values for values, problem in read if not problem]
            found = predict(pd.DataFrame(good, columns=[*table.places])) if good else []
            found = zip(*found, strict=True)
            for (number, cells), (_, problem) in zip(batch, read, strict=True):
                new = [*([""] * len(results) if problem else next(found)), problem]
                if problem:
                    wrong += 1
                    problems += [f"row {number}, {problem}"] * (wrong <= NAMED)
                empty = [""] * (len(table.titles) - len(cells))
                row = [as_text(cell, table.mark) for cell in (*cells, *empty, *new)]
                writer.writerow([*row, version()])
                if len(shown) < SHOWN:
                    used = [row[place] for place in table.places.values()]
                    shown.append([number, *row[len(table.titles) :], *used])
            done += len(batch)
            progress((done, table.length), desc="Predicting", unit="rows")
    titles = ["row", *added, *table.places]
    return in_words(table, wrong, problems), {"headers": titles, "data": shown}, str(file)


def unused(name, titles):
    """Return a title for a new column that no column has yet."""
    while name in titles:
        name += " (new)"
    return name


def as_text(cell, mark):
    """Return a cell for the file: numbers as they were or with this mark, no text as a formula."""
    text = "" if cell is None else str(cell)
    text = text.replace(".", mark) if isinstance(cell, float) else text
    harmless = NUMBER.fullmatch(text) or text in ("+", "-")  # as for the strands of DNA
    return text if harmless else safe_csv.cell(text)


def in_words(table, wrong, problems):
    """Say how the table was read, and what must be known to read the rest right."""
    mark = "comma" if table.mark == "," else "point"
    rows = f"{table.length:,} row{'s' * (table.length > 1)}"
    words = [f"{rows}, read as {table.kind}. The decimal mark is a {mark}."]
    used = {*table.places.values()}
    if others := [title for place, title in enumerate(table.titles) if place not in used]:
        words.append(f"Not used: {', '.join(others)}.")
    if wrong:
        words.append(f"Without a prediction: {wrong:,}; the file says why for each.")
        words += [*problems, *["..."] * (wrong > NAMED)]
    if table.length > SHOWN:
        words.append(f"Below are the first {SHOWN} rows; the file has all.")
    return "\n".join(words)
