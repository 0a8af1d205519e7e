"""The database of images to classify, and the table of predictions: both on disk.

The columns are those of the recipe `many_images`: the file, five labels with their probabilities
from 0 to 1, the reason if there is no prediction, and the version of the app and its model.
"""

import csv
import os
import sqlite3
import sys

import pyarrow as pa
from pyarrow import parquet
from scale.listing import listed, names_in
from shared import safe_csv

COLUMNS = [f"{what}_{place}" for place in range(1, 6) for what in ("label", "probability")]
COLUMNS = ["file", *COLUMNS, "reason", "version"]
TYPES = {name: pa.float64() if name.startswith("probability") else pa.string() for name in COLUMNS}
SCHEMA = pa.schema(TYPES)
PART = 1000  # rows of a Parquet file


def missing(source, table):
    """Return a database of what is not in a table yet, and how many images there are in all."""
    database = sqlite3.connect("")  # on the disk, and gone with the program
    database.execute("CREATE TABLE image (file TEXT PRIMARY KEY, path BLOB) WITHOUT ROWID")
    own = table.place.absolute()  # the table may be among the images
    images = (
        (safe_csv.cell(name), os.fsencode(path))
        for name, path in listed(source)
        if own not in (path, *path.parents)
    )
    database.executemany("INSERT OR IGNORE INTO image VALUES (?, ?)", images)
    total = count(database)
    names = ((name,) for name in table.names())
    database.executemany("DELETE FROM image WHERE file = ?", names)
    return database, total


def count(database):
    return database.execute("SELECT count(*) FROM image").fetchone()[0]


def chunks(database, size):
    """Yield lists of so many images, {"file": name, "path": bytes}, in the order of the names."""
    cursor = database.execute("SELECT file, path FROM image ORDER BY file")
    while rows := cursor.fetchmany(size):
        yield [{"file": file, "path": path} for file, path in rows]


class CsvTable:
    """A CSV file to which rows are added. What a killed run left half written is cut off."""

    def __init__(self, file):
        self.file = self.place = file
        if not file.exists() or not file.stat().st_size:
            self.write([COLUMNS])
            return
        with file.open("rb+") as old:
            header = next(csv.reader([old.readline().decode("utf-8", "replace")]))
            if header != COLUMNS:
                sys.exit(f"{file} already exists and is another table. Choose another OUT=.")
            old.seek(0)
            old.truncate(sum(len(line) for line in old if line.endswith(b"\n")))

    def write(self, rows):
        with self.file.open("a", newline="", encoding="utf-8") as out:
            safe_csv.writer(out).writerows(rows)

    def add(self, rows):
        # the names went through cell() already: by them, a run finds what is there
        self.write([row.pop("file"), *map(safe_csv.cell, row.values())] for row in rows.to_pylist())

    def names(self):
        return names_in(self.file)

    def close(self):
        pass


class ParquetTable:
    """A folder of Parquet files with some rows each, which programs read as one table."""

    def __init__(self, folder):
        self.folder = self.place = folder
        self.rows = []
        if folder.exists() and not folder.is_dir():
            sys.exit(f"{folder} is there already, and is no folder of this command's tables.")
        folder.mkdir(exist_ok=True)
        for half in folder.glob("*.new"):  # of a run that was killed
            half.unlink()
        self.number = len(list(folder.glob("*.parquet")))

    def add(self, rows):
        self.rows.append(rows)
        if sum(map(len, self.rows)) >= PART:
            self.close()

    def names(self):
        return names_in(self.folder)

    def close(self):
        if self.rows:
            part = self.folder / f"part-{self.number:06}.parquet"
            parquet.write_table(pa.concat_tables(self.rows), part.with_suffix(".new"))
            part.with_suffix(".new").replace(part)
            self.rows, self.number = [], self.number + 1


def open_table(file):
    """Return the table to write to, by the ending of its name."""
    tables = {".csv": CsvTable, ".parquet": ParquetTable}
    return tables[file.suffix](file)
