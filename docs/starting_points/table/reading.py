"""Read a table for a model: columns by their names, numbers with decimal points or commas.

A file that could be read in two ways is refused. A cell that is missing or wrong costs its own row
the prediction, and no other.
"""

import datetime
import math
import re
from typing import NamedTuple

from rows import look_at, read_rows, refuse

MOST_ROWS = 200_000
LARGEST = 3e38  # scikit-learn's trees calculate with 32 bits
SPACE = "[ \N{NO-BREAK SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}]"  # as in 1 234 567,8
NUMBER = rf"[+-]?(?:(?:\d+|\d{{1,3}}(?:{SPACE}\d{{3}})+)(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?"
NUMBER = re.compile(NUMBER, re.ASCII | re.IGNORECASE)
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")  # 1,234 may be 1.234, or 1234
COMMAS = "If commas are decimal marks, save with ; between the cells."
MISSING = {"", "na", "n/a", "nan", "null", "none", "-", ".", "#n/a", "#saknas!"}


class Table(NamedTuple):
    """What is known of a table once all of it was looked at.

    `places` has where each column of the model is, from 0. `mark` is the decimal mark: , or a
    point. `length` is the number of rows.
    """

    file: str
    kind: str
    separator: str
    titles: list
    places: dict
    mark: str
    length: int


def read_table(file, columns, words):
    """Look through a file that must have these columns; those in `words` are no numbers.

    Raises gr.Error if it is no table, lacks a column, or could be read in two ways.
    """
    kind, separator = look_at(file)
    rows, length, marks = read_rows(file), 0, {}
    _, titles = next(rows, (0, []))
    titles = [" ".join(str(title or "").split()) for title in titles]
    if len(titles) == 1 and re.search("[,;\t]", titles[0]):
        refuse(f"The titles and the cells in a row differ in number. {COMMAS}")
    places = find_columns(titles, columns)
    numbers = [column for column in columns if column not in words]
    for number, cells in rows:
        length += 1
        if length > MOST_ROWS:
            refuse(f"This table has more than {MOST_ROWS:,} rows. Please split it.")
        if len(cells) > len(titles):
            refuse(
                f"Row {number} has {len(cells)} cells, but there are {len(titles)} titles. Please "
                f"give each column one. {COMMAS}"
            )
        for column in numbers:
            text = tidy(at(cells, places[column]))
            if ("," in text or "." in text) and NUMBER.fullmatch(text):
                like, unlike = marks.setdefault("," if "," in text else ".", ([], []))
                kept = like if THOUSANDS.fullmatch(text) else unlike
                kept or kept.append(f"“{text}” (row {number}, {column})")
    if not length:
        refuse("There is no row below the titles.")
    return Table(file, kind, separator, titles, places, find_mark(marks, separator), length)


def at(cells, place):
    return cells[place] if place < len(cells) else None


def tidy(cell):
    """Return the text of a cell without spaces around it; other kinds than texts give ""."""
    if not isinstance(cell, str):
        return "" if cell is None or isinstance(cell, (float, int)) else str(cell)
    return cell.strip().replace("\N{MINUS SIGN}", "-")


def find_columns(titles, columns):
    """Return {column: its place}; raises gr.Error if one is missing or there twice."""
    places = {column: [] for column in columns}
    for place, title in enumerate(titles):
        if title in places:
            places[title].append(place)
    if not titles:
        refuse("This table is empty.")
    if lacking := [column for column, found in places.items() if not found]:
        there = ", ".join(f"“{title}”" for title in titles[:20])
        refuse(
            f"Missing: {', '.join(f'“{column}”' for column in lacking)}. The first row must have "
            f"the titles of the columns, spelt like this. It has: {there}."
        )
    if double := [column for column, found in places.items() if len(found) > 1]:
        refuse(f"There is more than one column “{double[0]}”. Please rename or delete the others.")
    return {column: found[0] for column, found in places.items()}


def find_mark(marks, separator):
    """Return the decimal mark of a file, or refuse it if that cannot be told.

    `marks` has, for each mark found, the first text like 1,234 and the first unlike it.
    """
    if len(marks) > 1:
        one, other = ((like + unlike)[0] for like, unlike in marks.values())
        refuse(f"Some numbers have a decimal point, others a comma: {one}, {other}. Use one.")
    for mark, (like, unlike) in marks.items():
        if not unlike and mark != ("," if separator == ";" else "."):
            refuse(
                f"Is {like[0]} in thousands? If so, leave “{mark}” out. If not, write more zeros."
            )
        return mark
    return "," if separator == ";" else "."


def read_number(cell):
    """Return the number in a cell. Raises ValueError with the reason if it is none."""
    if isinstance(cell, datetime.date | datetime.time | datetime.timedelta):
        raise ValueError(f"{cell} is a date or a time, perhaps made by Excel from a number")
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        text, number = str(cell), float(cell) if abs(cell) < LARGEST else math.inf
    else:
        text = str(cell) if isinstance(cell, bool) else tidy(cell)
        if not NUMBER.fullmatch(text):
            raise ValueError(f"“{text[:40]}” is not a number")
        number = float(re.sub(SPACE, "", text).replace(",", "."))
    if not abs(number) < LARGEST:
        raise ValueError(f"{text[:40]} is too large")
    return number


def read_values(cells, places, words, allow_missing):
    """Return what a row has for the model, and what is wrong with it, "" if nothing is."""
    values, problems = [], []
    for column, place in places.items():
        cell = at(cells, place)
        known = words.get(column)
        try:
            text = "" if cell is None else str(cell).strip()
            if known and text in known:
                values.append(text)
            elif text.lower() in MISSING:
                values.append(math.nan)
                if not allow_missing:
                    raise ValueError("missing")
            elif known:
                raise ValueError(f"“{text[:40]}” is not one of {', '.join(known)}")
            else:
                values.append(read_number(cell))
        except ValueError as problem:
            problems.append(f"{column}: {problem}")
    return values, "; ".join(problems)
