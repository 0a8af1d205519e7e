"""What `make classify` is asked for: checked before anything is installed."""

import sys
from pathlib import Path

ENDINGS = (".csv", ".parquet")  # of lists and of tables


def require_possible(app, source, table):
    """End the program with a message unless IN= can be read and OUT= be written."""
    if app.is_step or not source or not table:
        sys.exit(
            "Which classifier, which images, and where do the predictions go? For instance:\n"
            "make classify APP=resnet IN=my_images OUT=predictions.csv"
        )
    source, table = Path(source), Path(table)
    if not source.exists():
        sys.exit(f"IN={source}: there is no such folder or file.")
    if not source.is_dir() and source.suffix.lower() not in ENDINGS:
        sys.exit(f"IN={source} is neither a folder nor a list that ends in .csv or .parquet.")
    if table.suffix not in ENDINGS:
        sys.exit(f"OUT={table} is not the name of a table: let it end in .csv or .parquet.")
    if not table.parent.is_dir():
        sys.exit(f"OUT={table}: there is no folder {table.parent}.")
