"""The images to classify: those in a folder, or those that a list names (CSV or Parquet)."""

import itertools
import os
import re
import sys
import unicodedata

from shared.excel_csv import read_rows
from shared.leftovers import files_below

WHICH = "It has no column `file`: give the column with the names of the images this title."


def listed(source):
    """Yield the name and the path of each image in a folder, or in a CSV or Parquet list.

    Of a list, the column `file` counts, or else the first; a path is relative to the list's folder.
    Ends the program with a message if a list cannot be read.
    """
    if source.is_dir() and source.suffix.lower() != ".parquet":
        for path in files_below(source):
            yield path.relative_to(source).as_posix(), path
        return
    try:
        for name in names_in(source):
            yield name, find(source.parent, name)
    except ValueError as error:
        sys.exit(f"{source} cannot be read as a list. {error}")


def find(folder, name):
    """Return the path of an image that a list names; Windows and macOS may write it otherwise."""
    names = [name, name.replace("\\", "/")]
    # å is one letter, or an a and a ring
    names += [unicodedata.normalize(form, names[-1]) for form in ("NFC", "NFD")]
    paths = [folder / each for each in dict.fromkeys(names)]
    if len(paths) == 1:  # as most are: the disk need not be asked
        return paths[0]
    return next(filter(os.path.exists, paths), paths[0])


def names_in(file):
    """Yield the cells of the column `file` of a CSV file or of Parquet, or else of the first.

    A CSV file needs no titles if its first column names images. Raises ValueError if the file
    cannot be read, or has no column of names.
    """
    if file.suffix.lower() == ".parquet":
        yield from names_in_parquet(file)
        return
    rows = read_rows(file)
    first = next(rows, [])
    column = find_column(first)
    if column is None:
        column = 0
        if not first or not is_image(file.parent, first[0]):  # titles
            first = next(rows, [""])
            if not is_image(file.parent, first[0]):
                raise ValueError(WHICH)
        rows = itertools.chain([first], rows)
    yield from (row[column] for row in rows if len(row) > column and row[column])


def names_in_parquet(file):
    from pyarrow import parquet  # not there in the tests that need no Ray

    for part in sorted(file.glob("*.parquet")) if file.is_dir() else [file]:
        table = parquet.ParquetFile(part)
        names = table.schema_arrow.names
        column = names[find_column(names) or 0]
        for batch in table.iter_batches(columns=[column]):
            yield from (str(name) for name in batch.column(0).to_pylist() if name)


def find_column(titles):
    """Return which of these titles is `file`, also as Excel may write it, or None."""
    titles = [title.strip().lower() for title in titles]
    return titles.index("file") if "file" in titles else None


def is_image(folder, cell):
    """Tell whether a cell names an image, and is no title: by its ending, or since it is there."""
    return bool(re.search(r"\.\w{1,5}$", cell)) or os.path.isfile(find(folder, cell))
