"""safe_csv.py, by which recipes and `make classify` write tables: no formulas, no name twice."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared import safe_csv

# what matters to a spreadsheet, and to how we write what cannot be seen
LETTERS = "=+-@＝＋－＠,;\t\"' \\\\x01\x01\n\u2028\ud800ua"
TEXTS = st.text(LETTERS, max_size=8)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plate 1/ö.png", "plate 1/ö.png"),
        ("=1+1", "'=1+1"),
        ("'=1+1", "''=1+1"),
        (">a;=cmd|'/C(calc)'!A1;b", ">a;'=cmd|'/C(calc)'!A1;b"),  # a FASTA name, in Swedish Excel
        ("a, @SUM(1)", "a, '@SUM(1)"),
        ("＝1", "'＝1"),
        ("a-b.png", "a-b.png"),
        ("a\x01.png", r"a\x01.png"),
        (r"a\x01.png", r"a\\x01.png"),
        ("a\n=1", r"a\x0a=1"),
        (r"C:\images\new\a.png", r"C:\images\new\a.png"),
        (-0.5, -0.5),
        (None, None),
    ],
)
def test_a_text_is_written_so_that_it_is_shown_and_never_run(text, written):
    assert safe_csv.cell(text) == written


@given(TEXTS, TEXTS)
def test_different_names_stay_different(one, other):
    assert (safe_csv.cell(one) == safe_csv.cell(other)) == (one == other)


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_no_cell_is_a_formula_whatever_separates_them(texts):
    out = io.StringIO()
    safe_csv.writer(out).writerow([1, *map(safe_csv.cell, texts), 0.5])
    assert [row[1:-1] for row in csv.reader(io.StringIO(out.getvalue()))] == [
        [*map(safe_csv.cell, texts)]
    ]
    for separator in ",;\t":
        for cells in csv.reader(io.StringIO(out.getvalue()), delimiter=separator):
            assert not [cell for cell in cells if re.match(r"\s*[=+\-@＝＋－＠]", cell)]
