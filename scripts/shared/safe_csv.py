"""Write a table as CSV that a spreadsheet shows, but never runs.

A spreadsheet takes what begins with =, +, - or @ for a formula, which can do harm. And where a cell
begins is for the spreadsheet to say: Excel in Swedish divides the line `1,"a;=1+1"` at the
semicolon. So a ' is put before each such sign at the beginning of a text or behind a separator.
Different texts stay different.
"""

import csv
import re

FORMULA = re.compile(r"""(?:^|[,;])[\s"']*(?=[=+\-@＝＋－＠])""")
ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")


def cell(value):
    r"""Return a text as it may be in a table: a byte 1 becomes \x01, and =1+1 becomes '=1+1.

    Anything but a text is returned as it is.
    """
    if not isinstance(value, str):
        return value
    if not value.isprintable() or ESCAPE.search(value):
        value = "".join(map(escape, value))
    return FORMULA.sub(r"\g<0>'", value)


def escape(letter):
    if letter.isprintable():
        return letter.replace("\\", r"\\")
    kind, digits = next(("xuU"[i], n) for i, n in enumerate((2, 4, 8)) if ord(letter) < 16**n)
    return f"\\{kind}{ord(letter):0{digits}x}"


def writer(stream, separator=","):
    """Return a csv.writer for a stream, for rows whose texts went through cell()."""
    return csv.writer(stream, delimiter=separator, quoting=csv.QUOTE_NONNUMERIC)


def write(file, rows):
    """Write rows to a new file, in UTF-8."""
    with open(file, "w", encoding="utf-8", newline="") as stream:
        writer(stream).writerows(map(cell, row) for row in rows)
