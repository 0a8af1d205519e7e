"""Find the molecules in lines of SMILES, a CSV file or an SDF, without leaving one out."""

import itertools
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import gradio as gr
from excel_csv import find_encoding, numbered_rows

MOST, COLUMNS = 10_000, 200  # molecules, and what a file may say of each
TITLES = re.compile(r'(?:^|[,;\t])"?[^\s,;]*smiles|^\S*[,;]')  # of a table
DATA = re.compile(r"(?m)^>[^<\n]*<([^>\n]+)>.*\n((?:.+\n?)*)")  # of a record in an SDF


class Record(NamedTuple):
    """A molecule as it was sent: SMILES, or a record of an SDF, which has several lines.

    `number` is that of its line, row or record; `others` has the other columns, such as its name.
    """

    number: int
    text: str
    others: dict
    problem: str = ""


def read_records(file, text, uploads):
    """Return the records of a file or a text, and what they are: "line", "row" or "record".

    Raises gr.Error if there are none or too many, or if it isn't clear where they are.
    """
    try:
        if bool(file) == bool((text or "").strip()):
            raise ValueError("Type SMILES, such as CCO, or choose a file, but not both.")
        if not file:
            file = Path(tempfile.mkdtemp(dir=uploads), "text")
            file.write_text(text, encoding="utf-8", newline="")
        found, unit = find_records(Path(file))
        records = [*itertools.islice(found, MOST + 1)]
        if not 0 < len(records) <= MOST:
            raise ValueError(
                f"Send 1 to {MOST:,} molecules at once. Split the file if it has more."
            )
        if len({title for record in records for title in record.others}) > COLUMNS:
            raise ValueError(f"There are more than {COLUMNS} columns. Delete some of them.")
    except ValueError as error:  # the page shows it as HTML
        raise gr.Error(str(error).replace("<", "?"), print_exception=False) from None
    return records, unit


def find_records(file):
    content, kind = file.read_text(encoding=find_encoding(file)), file.suffix.lower()
    if "\0" in content:
        raise ValueError("This is not a text file. Save it as plain text (UTF-8), and try again.")
    if kind in (".sdf", ".mol") or re.search(r"(?m)^(M  END|\$\$\$\$)", content):
        blocks = enumerate(re.split(r"(?m)^\$\$\$\$.*\n?", content), 1)
        return (of_block(number, block) for number, block in blocks if block.strip()), "record"
    if kind in (".csv", ".tsv") or TITLES.search(content.lower().lstrip().partition("\n")[0]):
        return of_table(numbered_rows(file)), "row"
    lines = enumerate(content.split("\n"), 1)
    return (of_line(number, line) for number, line in lines if line.strip()), "line"


def of_block(number, block):
    name, data = block.split("\n", 1)[0].strip(), DATA.findall(block.partition("M  END")[2])
    return Record(number, f"{block}\n", {"name": name, **{key: text.strip() for key, text in data}})


def of_line(number, line, others=None):
    """Return the record of SMILES; what follows them behind a space is the molecule's name."""
    smiles, _, rest = " ".join(line.split()).partition(" ")
    problem = "what is between | and | is not read: delete it" if rest.startswith("|") else ""
    if others is None or rest:
        others = {"name": rest} if others is None else {**others, "behind SMILES": rest}
    return Record(number, smiles, others, problem)


def of_table(rows):
    """Yield the records of a CSV file, whose first row has the titles."""
    _, titles = next(rows, (1, [""]))
    titles = [" ".join(title.split()) or f"column {i}" for i, title in enumerate(titles, 1)]
    found = [title for title in titles if "smiles" in title.lower()]
    found = [title for title in found if title.lower() == "smiles"] or found
    if len(found) != 1 or len({*titles}) < len(titles):
        shown = ", ".join(f"“{title[:40]}”" for title in titles[:20])
        raise ValueError(f"One column must be called SMILES, and no two alike. There are: {shown}.")
    for number, cells in rows:
        others = dict(zip(titles, map(str.strip, cells), strict=False))
        record = of_line(number, others.pop(found[0], ""), others)
        if any(cells[len(titles) :]):
            record = record._replace(problem=f"{len(cells)} cells for {len(titles)} titles")
        yield record
