"""Read sequences from FASTA or CSV, or say in a message, with line and column, what is wrong."""

import itertools
import re
import unicodedata
from typing import NamedTuple

import gradio as gr

# the bases, the codes of the IUPAC for uncertain ones, and gaps; spaces and tabs are passed over
WRONG = re.compile(r"[^ACGTURYSWKMBDHVNacgturyswkmbdhvn.\- \t]")
SEQUENCE = {"sequence", "seq", "dna", "rna", "dna sequence", "rna sequence", "nucleotides"}
NAME = {"name", "id", "identifier", "label", "sample", "gene", "accession"}
MOST, MOST_LINES, LONGEST = 1_000, 300_000, 10_000_000  # sequences, lines, letters of all together
MOST_FIELDS = 1_000_000  # of a CSV file: its lines and columns
NAMED = 5  # so many wrong letters are named
NO_TEXT = {
    b"\x1f\x8b": "is compressed. Unpack",
    b"PK\3\4": "is a ZIP file or a spreadsheet. Unpack",
}


class Record(NamedTuple):
    """A sequence: its name, the line where it begins, and its pieces: line, column, letters."""

    name: str
    line: int
    pieces: list

    @property
    def letters(self):
        """The sequence without spaces, in capital letters."""
        text = "".join(letters for _, _, letters in self.pieces)
        return text.replace(" ", "").replace("\t", "").upper()


def refuse(message):
    raise gr.Error(message, print_exception=False)


def decode(data):
    """Return the text of a file: UTF-8, UTF-16 with a byte order mark, or Windows' Latin."""
    for start, what in NO_TEXT.items():
        if data.startswith(start):
            refuse(f"This file {what} it, or save the sheet as CSV, and try again.")
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")  # sequences need no more; names may have å, ä, ö
    if "\0" in text:
        refuse("This is not a text file. Save it as plain text (UTF-8), and try again.")
    return text


def read_sequences(text):
    """Return the records of a text in FASTA or CSV, and a sentence on how it was read.

    Raises gr.Error that names, with line and column, letters that are neither a base (A, C, G, T,
    U), nor a code of the IUPAC for several (such as N), nor a gap (- or .).
    """
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    if len(lines) > MOST_LINES:
        refuse(f"These are {len(lines):,} lines; up to {MOST_LINES:,} can be read at once.")
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not filled:
        refuse("There is no text. Paste sequences, or choose a file.")
    fasta = filled[0][1].startswith(">")
    records, how = read_fasta(filled) if fasta else read_csv(filled)
    check(records)
    return records, how


def read_fasta(lines):
    records = []
    for number, line in lines:
        if line.startswith(">"):
            name = (line[1:].split() or [f"sequence {len(records) + 1}"])[0]
            records.append(Record(name, number, []))
        else:
            records[-1].pieces.append((number, 1, line))
    return records, "FASTA"


def split(line, number, separator):
    """Return the fields of a line of CSV, each as (column where it begins, text)."""
    field = re.compile(rf'(?:"((?:[^"]|"")*)"|([^"{separator}][^{separator}]*|))({separator}|\Z)')
    fields, place = [], 0
    while match := field.match(line, place):
        group = 1 if match[2] is None else 2
        fields.append((match.start(group) + 1, match[group]))
        if not match[3]:
            return fields
        place = match.end()
    refuse(f"Line {number}, column {place + 1}: a quotation mark is out of place, or never closed.")


def read_csv(lines):
    number, first = lines[0]
    separator = max(",;\t", key=first.count)
    if separator not in first:
        refuse(
            f"Line {number}: neither FASTA, which begins with >, nor CSV, which has a name and a "
            "sequence in each line, with a comma between."
        )
    if sum(line.count(separator) for _, line in lines) > MOST_FIELDS:
        refuse(
            f"There are more than {MOST_FIELDS:,} fields. Keep the names and the sequences only."
        )
    titles = [title.strip().lower() for _, title in split(first, number, separator)]
    name, sequence, how = 0, 1, "CSV without a line of titles"
    if SEQUENCE & {*titles}:
        sequence = next(i for i, title in enumerate(titles) if title in SEQUENCE)
        others = [i for i in range(len(titles)) if i != sequence]
        name = next((i for i in others if titles[i] in NAME), others[0])
        how = f'CSV with the columns "{titles[name]}" and "{titles[sequence]}"'
        lines = lines[1:]
    elif len(titles) != 2:
        refuse(f'Line {number}: no column is called "sequence". Please give one that title.')
    records = []
    for number, line in lines:
        fields = split(line, number, separator)
        if len(fields) != len(titles):
            refuse(f"Line {number} has {len(fields)} fields, and the first line {len(titles)}.")
        column, letters = fields[sequence]
        title = fields[name][1].replace('""', '"').strip()
        records.append(Record(title, number, [(number, column, letters)]))
    return records, how


def check(records):
    """Raise gr.Error if there is a wrong letter, a sequence without letters, or too much."""
    if not records:
        refuse("There is a line of titles, and no sequence below it.")
    if len(records) > MOST:
        refuse(f"These are {len(records):,} sequences; up to {MOST:,} can be read at once.")
    found = (
        (line, column + match.start(), match[0])
        for record in records
        for line, column, letters in record.pieces
        for match in WRONG.finditer(letters)
    )
    if wrong := [*itertools.islice(found, NAMED + 1)]:
        places = [
            f"line {line}, column {column}: {shown(letter)}" for line, column, letter in wrong
        ]
        more = "; and more" if len(wrong) > NAMED else ""
        refuse(
            f"Not a letter of DNA or RNA: {'; '.join(places[:NAMED])}{more}. "
            "Correct them, and try again. Proteins have no GC content."
        )
    for record in records:
        if not record.letters.strip("-."):
            refuse(f"Line {record.line}: this name has no sequence. Add it, or delete the name.")
    if (total := sum(len(record.letters) for record in records)) > LONGEST:
        refuse(f"These are {total:,} letters; up to {LONGEST:,} can be read at once.")


def shown(letter):
    """Return a letter as it can be read, also one that cannot be seen, or looks like another."""
    if letter.isascii() and letter.isalnum():
        return letter
    return f"{unicodedata.name(letter, 'a control character').lower()} (U+{ord(letter):04X})"
