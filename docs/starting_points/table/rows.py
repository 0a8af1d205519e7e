"""Yield the rows of a CSV, TSV or Excel file, one after another, however long it is."""

import contextlib
import zipfile

import gradio as gr
import openpyxl
from excel_csv import numbered_rows, separator_of

MOST_CELLS = 1_000  # of a row
# bytes that an Excel file, a ZIP file, unpacks to: its sheets with their texts, and all else
MOST_UNPACKED, MOST_OTHERS = 100_000_000, 2_000_000
SHEETS = ("xl/worksheets/", "xl/sharedStrings.xml")
EXCEL, OLD_EXCEL = b"PK\3\4", b"\xd0\xcf\x11\xe0"
KINDS = {",": "CSV with commas", ";": "CSV with semicolons", "\t": "text with tabs"}


def refuse(message):
    """Raise gr.Error with a message, which the page shows as HTML."""
    message = message.replace("<", "?")
    raise gr.Error(message, print_exception=False)


def look_at(file):
    """Return in words what kind of file this is, and what separates its cells ("" in Excel).

    Raises gr.Error if it is no table.
    """
    if begins_with(OLD_EXCEL, file):
        refuse("This is an old Excel file or has a password. Save it as .xlsx without a password.")
    if begins_with(EXCEL, file):
        with contextlib.closing(open_excel(file)) as book:
            first, *others = book.worksheets
        more = f", the first of {len(others) + 1} sheets" if others else ""
        return f"Excel (“{first.title}”{more})", ""
    try:
        separator = separator_of(file)
    except ValueError as error:
        refuse(str(error))
    return KINDS.get(separator, "a single column"), separator if separator in KINDS else ","


def begins_with(start, file):
    with open(file, "rb") as stream:
        return stream.read(len(start)) == start


def open_excel(file):
    """Open an Excel workbook such that its rows are read one after another."""
    try:
        with zipfile.ZipFile(file) as archive:
            others, sheets = 0, 0
            for part in archive.infolist():
                if part.filename.startswith(SHEETS):
                    sheets += part.file_size
                elif not part.filename.startswith("xl/media/"):  # images, which nobody reads
                    others += part.file_size
        if sheets <= MOST_UNPACKED and others <= MOST_OTHERS:
            return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except Exception:  # openpyxl raises many kinds, also where a ZIP file is no spreadsheet
        refuse("This file cannot be read. Open it in Excel and save it as .xlsx or CSV.")
    refuse(f"This file unpacks to more than {MOST_UNPACKED // 10**6} MB. Please split it.")


def excel_rows(file):
    """Yield (number, cells) for each row of the first sheet of an Excel workbook."""
    with contextlib.closing(open_excel(file)) as book:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a file says of its size need not be true
        try:
            yield from enumerate(sheet.iter_rows(values_only=True), 1)
        except Exception:
            refuse("This file is damaged. Open it in Excel and save it again.")


def read_rows(file):
    """Yield (number, cells) for each row that is not empty, by the numbers that Excel shows.

    A cell is a text; in Excel also a number, a date, a bool or None. Empty cells at the end of a
    row are left out. Raises gr.Error with a message if the file cannot be read.
    """
    try:
        for number, cells in excel_rows(file) if begins_with(EXCEL, file) else numbered_rows(file):
            end = len(cells)
            while end and cells[end - 1] in (None, ""):
                end -= 1
            if end > MOST_CELLS:
                refuse(f"Row {number} has over {MOST_CELLS:,} cells, more than the app reads.")
            if end:
                yield number, cells[:end]
    except ValueError as error:  # of excel_csv
        refuse(str(error))
