"""The starting point `sequences`: what is read right, and what is wrong with the rest."""

import csv
import gzip
import random
import re
import subprocess

import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect
from recipes_made import made_and_served

pytestmark = pytest.mark.recipes
BOTH = [["1", "a", "ACGT"], ["2", "b", "GGCC"]]


made, app = made_and_served("sequences", "biopython==1.88")


@pytest.fixture
def send(app, tmp_path):
    """Return a function that sends a text, or the bytes of a file, and returns the result."""

    def analyse(content, window=4, step=1):
        file, text = None, content
        if isinstance(content, bytes):
            (tmp_path / "sent.txt").write_bytes(content)
            file, text = handle_file(str(tmp_path / "sent.txt")), ""
        read, plot, table, files = app[1].predict(file, text, window, step, api_name="/analyse")
        assert Image.open(plot).size == (1200, 750)
        found = {}
        for name in ("sequences", "windows"):
            [file] = [file for file in files if file.endswith(f"{name}.csv")]
            with open(file, encoding="utf-8", newline="") as stream:
                rows = [*csv.reader(stream)][1:]
            assert all(row.pop().startswith("app ") for row in rows)  # the version
            found[name] = rows
        return read, table["data"], found["sequences"], found["windows"]

    return analyse


def test_a_click_on_the_example_shows_the_plot(app, page, screenshot):
    page.goto(app[0])
    page.get_by_text(">made_up").click()
    expect(page.get_by_label("Or text")).to_have_value(re.compile("^>made_up\n[ACGT]{2000}$"))
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("Read")).to_have_value("1 sequence, read as FASTA.")
    expect(page.locator(".image-frame img[src*='plot.png']")).to_have_count(1)
    screenshot(page, "sequences")
    with page.expect_download() as download:
        page.locator("a[download='windows.csv']").click()
    assert (
        download.value.path()
        .read_bytes()
        .startswith(b'"number","name","start","end","GC (%)","counted"')
    )


FORMS = {
    "FASTA": ">a first\nAC\nGT\n>b\nGGCC\n",
    "Windows": ">a\r\nACGT\r\n\r\n>b\r\nGGCC",
    "old Mac": ">a\rACGT\r>b\rGGCC\r",
    "byte order mark": "\ufeff>a\nACGT\n>b\nGGCC\n",
    "spaces": "\n\n>a\nAC GT \n\n>b\n\tGGCC",
    "UTF-16": ">a\nACGT\n>b\nGGCC\n".encode("utf-16"),
    "UTF-8 of Windows": ">a å\r\nACGT\r\n>b\r\nGGCC\r\n".encode("utf-8-sig"),
    "Latin": ">a åäö\nACGT\n>b\nGGCC\n".encode("cp1252"),
    "CSV": "a,ACGT\nb,GGCC\n",
    "CSV with titles": "Name,Sequence\na,ACGT\nb,GGCC",
    "semicolons and more columns": "seq;from;id\r\nACGT;x;a\r\nGGCC;y;b\r\n",
    "tabs": b"a\tACGT\nb\tGGCC\n",
    "quotation marks": '"name","note, long","sequence"\n"a","say ""x"", y","ACGT"\n"b",,"GGCC"\n',
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_text_gives_the_same_result(send, form):
    read, table, sequences, windows = send(FORMS[form])
    assert read.startswith("2 sequences, read as ")
    assert table == [[1, "a", 4, 50, 0, 0], [2, "b", 4, 100, 0, 0]]
    assert sequences == [["1", "a", "4", "50.0", "0", "0"], ["2", "b", "4", "100.0", "0", "0"]]
    assert windows == [["1", "a", "1", "4", "50.0", "4"], ["2", "b", "1", "4", "100.0", "4"]]


WRONG = {
    ">a\nACGT\nACXT": "line 3, column 3: X",
    ">a\r\n\r\nACGT\r\nAC1T*": "line 4, column 3: 1; line 4, column 5: asterisk",
    ">a\nAC\u00a0GT": r"line 2, column 3: no-break space \(U\+00A0\)",
    ">a\nАCGT": r"line 2, column 1: cyrillic capital letter a \(U\+0410\)",
    ">a\n" + "E" * 9: "line 2, column 5: E; and more",
    'name,sequence\n"a, b","ACGT"\n"c","ACJT"': "line 3, column 8: J",
    "ACZT,ACZT": "line 1, column 8: Z",
    ">a\n>b\nACGT": "[Ll]ine 1: this name has no sequence",
    ">a\n--\n": "[Ll]ine 1: this name has no sequence",
    "ACGT\nACGT": "[Ll]ine 1: neither FASTA, which begins with >, nor CSV",
    "a,ACGT\nb,GG,CC": "[Ll]ine 2 has 3 fields, and the first line 2",
    'a,"ACGT\nb,GGCC': "[Ll]ine 1, column 3: a quotation mark",
    "a,b,ACGT": '[Ll]ine 1: no column is called "sequence"',
    "name,sequence\n": "no sequence below it",
    " \n": "There is no text",
    b"": "There is no text",
    gzip.compress(b">a\nACGT", mtime=0): "is compressed",
    b"PK\3\4" + bytes(99): "a ZIP file or a spreadsheet",
    bytes(99): "not a text file",
    random.Random(1).randbytes(100_000): "not a text file|Line 1",
    ">a\nA\n" * 1001: "1,001 sequences; up to 1,000",
    ">a\n" + "\n" * 300_000: "300,002 lines; up to 300,000",
    b">a\n" + b"A" * 10_000_001: "10,000,001 letters; up to 10,000,000",
    b"," * 7_000_000: "more than 1,000,000 fields",
    ">a\n" + "A" * 100_001: "more than 100,000 windows. Please choose a larger step",
}


@pytest.mark.parametrize("content", WRONG, ids=lambda content: repr(content)[:20])
def test_what_is_wrong_is_named_with_its_line_and_column(send, content):
    with pytest.raises(AppError, match=WRONG[content]):
        send(content)


def test_gc_content_is_what_biopython_says(made, send):
    letters = "".join(random.Random(2).choices("ACGTUNRYSWKMBDHVacgtuswn-.", k=400))
    _, [row], _, windows = send(f">a\n{letters}", window=50, step=7)
    code = "import sys; from Bio.SeqUtils import gc_fraction as f\n"
    code += "for line in sys.stdin: print(round(100 * f(line.strip()), 2))"
    starts = range(0, 351, 7)
    asked = "\n".join([letters, *(letters[start : start + 50] for start in starts)])
    expected = subprocess.check_output([made[1], "-c", code], input=asked, text=True).split()
    assert [row[3], *(float(window[4]) for window in windows)] == [*map(float, expected)]
    assert [window[2:4] for window in windows] == [[str(s + 1), str(s + 50)] for s in starts]
    gaps = sum(map(letters.count, "-."))
    not_counted = sum(letters.upper().count(letter) for letter in "NRYKMBDHV")
    assert row[2:] == [400 - gaps, row[3], not_counted, gaps]


def test_what_must_be_known_is_said(send):
    text = "".join(f">same\n{'ACGT' * 5}\n" for _ in range(12)) + ">short\nACG\n>unknown\nNNNN\n"
    read, table, _, windows = send(text)
    assert read.splitlines() == [
        "14 sequences, read as FASTA.",
        "Shorter than the window, so not in the plot: 1.",
        "The plot shows the first 10; windows.csv has all.",
        "Some have the same name: tell them apart by their number.",
    ]
    assert table[12][3] == 66.67
    assert table[13][3:5] == [None, 4]
    assert len(windows) == 12 * 17 + 1
    assert windows[-1] == ["14", "unknown", "1", "4", "", "0"]


def test_names_are_neither_formulas_nor_markup(app, send, page):
    names = [
        "=1+1",
        "@SUM(A1)",
        "-x",
        ">a;=cmd|'/C(calc)'!A1;b",
        "＝1",
        "$\\frac{a$",
        "叶",
        "<img/src=x/onerror=alert(1)>",
        "_",
        "x" * 9999,
    ]
    _, table, sequences, _ = send("".join(f">{name}\nACGT\n" for name in names))
    assert [row[1] for row in table] == names
    quoted = ["'=1+1", "'@SUM(A1)", "'-x", ">a;'=cmd|'/C(calc)'!A1;b", "'＝1"]
    assert [row[1] for row in sequences] == [*quoted, *names[5:]]
    page.goto(app[0])
    page.get_by_label("Or text").fill(f">{names[7]}\nACGT")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("gridcell", name=names[7])).to_be_visible()
