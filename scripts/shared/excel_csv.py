"""Read a CSV file as Excel and others write it, in Swedish as in English.

Excel puts ; between the cells where the comma is for decimals, tabs into "Unicode text", and saves
in one of four encodings, depending on what is chosen under "Save as". Raises ValueError with a
message where it cannot be told how a file was meant.
"""

import codecs
import contextlib
import csv
import itertools

BYTES, ROWS = 2**16, 100  # so much is looked at before a file is read
SEPARATORS = ",;\t"
BEGINNINGS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SAVE = 'In Excel: "Save as", "CSV UTF-8".'
NO_TEXT = f"This is not a CSV file. {SAVE}"
NO_ENCODING = f"Its text is in an unusual encoding. {SAVE}"
TWO_SEPARATORS = "Its cells may be separated by {} or by {}. Say which in a first line: sep=;"


@contextlib.contextmanager
def open_csv(file):
    """Open a CSV file: give the csv.reader of it."""
    try:
        with open(file, newline="", encoding=find_encoding(file)) as lines:
            separator = named_separator(lines) or find_separator(lines)
            yield csv.reader(lines, delimiter=separator)
    except (csv.Error, UnicodeError) as error:
        raise ValueError(f"{NO_TEXT} ({error})") from None


def separator_of(file):
    """Return what separates the cells of a CSV file; no letter that it has if it has one column."""
    with open_csv(file) as reader:
        return reader.dialect.delimiter


def numbered_rows(file):
    """Yield (number, row) for each row, the first being 1, without those that are empty."""
    with open_csv(file) as reader:
        yield from ((number, row) for number, row in enumerate(reader, 1) if any(row))


def read_rows(file):
    """Yield the rows of a CSV file, without those whose cells are all empty."""
    return (row for _, row in numbered_rows(file))


def named_separator(lines):
    """Return the separator that a first line such as sep=; names; else go back to the start."""
    first = lines.readline().strip('\r\n"')
    if first.lower().startswith("sep=") and len(first) == 5:
        return first[4]
    lines.seek(0)
    return None


def find_encoding(file):
    """Return the encoding of a text file: by how it begins, or UTF-8, or else Windows' own."""
    with open(file, "rb") as stream:
        first = stream.read(BYTES)
    for beginning, encoding in BEGINNINGS.items():
        if first.startswith(beginning):
            return encoding
    if b"\0" in first:
        raise ValueError(NO_TEXT)
    for encoding in ("utf-8", "cp1252"):
        try:
            with open(file, encoding=encoding) as text:
                while text.read(BYTES):
                    pass
            return encoding
        except UnicodeDecodeError:
            continue
    raise ValueError(NO_ENCODING)


def find_separator(lines):
    """Return what separates the cells of an open file: that of the first row, and of most rows."""
    start = lines.tell()
    text = [*itertools.islice(iter(lines.readline, ""), ROWS)]
    lines.seek(start)
    counts = {}
    for separator in SEPARATORS:
        rows = [row for row in csv.reader(text, delimiter=separator) if any(row)]
        alike = sum(len(row) == len(rows[0]) for row in rows)
        if rows and len(rows[0]) > 1 and (alike > 1 or len(rows) == 1):
            counts[separator] = alike
    best = [separator for separator in counts if counts[separator] == max(counts.values())]
    if len(best) > 1:
        raise ValueError(TWO_SEPARATORS.format(*best).replace("\t", "a tab"))
    return best[0] if best else "\x1f"  # a single column: a comma belongs to a name
