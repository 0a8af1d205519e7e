"""The starting point `molecules`: what is read, what is said of it, and what gets a reason."""

import csv
import itertools
import re
import subprocess
import time

import pytest
from conftest import ROOT
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect
from recipes_made import made_and_served, make_app, require_ready, smoke_passes

FOLDER = ROOT / "docs/starting_points/molecules"
SDF = (FOLDER / "data/example.sdf").read_text()
ASPIRIN = ["180.16", "1.31", "63.6", "0.55", "", ""]
IBUPROFEN = ["206.28", "3.07", "37.3", "0.822", "1 of 1 stereocentres not specified", ""]
BOTH = "CC(=O)Oc1ccccc1C(=O)O aspirin\nCC(C)Cc1ccc(cc1)C(C)C(=O)O ibuprofen, a\n"
TABLE = 'name,SMILES\naspirin,CC(=O)Oc1ccccc1C(=O)O\n"ibuprofen, a",CC(C)Cc1ccc(cc1)C(C)C(=O)O\n'


def test_it_makes_an_app_that_is_ready_for_serve_with_the_libraries_that_draw(tmp_path):
    folder = make_app(tmp_path, source="molecules")
    require_ready(folder)
    dockerfile = (folder / "Dockerfile").read_text()
    assert re.search(
        r"install .*libexpat1 libxext6 libxrender1 \\\n(.|\n)*COPY requirements", dockerfile
    )


made, app = made_and_served("molecules")


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_smoke_passes_and_compares_with_the_reference_predictions(made):
    smoke_passes(*made)


@pytest.fixture
def send(app, tmp_path):
    """Return a function that sends a text, or a file's bytes, and returns what comes back.

    That is the summary, the captions, the rows on the page, and those of the file.
    """

    def predict(content, name=""):
        file, text = None, content
        if name:
            data = content if isinstance(content, bytes) else content.encode()
            (tmp_path / name).write_bytes(data)
            file, text = handle_file(str(tmp_path / name)), ""
        summary, drawings, table, file = app[1].predict(file, text, api_name="/predict_molecules")
        for drawing in drawings:
            colours = Image.open(drawing["image"]).convert("L").getcolors()
            assert len(colours) > 5  # it is not blank
        with open(file, encoding="utf-8", newline="") as stream:
            rows = [*csv.reader(stream)]
        assert {row.pop()[:4] for row in rows} == {"vers", "app "}  # the last column
        return summary, [drawing["caption"] for drawing in drawings], table["data"], rows

    return predict


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_a_click_on_the_example_draws_three_molecules_and_says_what_is_wrong(app, page, screenshot):
    page.goto(app[0])
    page.get_by_role("button", name="SMILES", exact=True).click()
    expect(page.get_by_label("Or SMILES")).not_to_have_value("")
    page.get_by_role("button", name="Submit").click()
    summary = "4 lines read.\nWithout results: 1; the file says why for each.\n"
    expect(page.get_by_label("Read", exact=True)).to_have_value(f"{summary}line 4: unclosed ring")
    expect(page.locator(".gallery-item img")).to_have_count(3)
    expect(page.get_by_text("line 3 sodium benzoate")).to_be_visible()
    screenshot(page, "molecules")
    with page.expect_download() as download:
        page.locator("a[download='molecules.csv']").first.click()
    assert download.value.path().read_bytes().startswith(b'"line","name","SMILES","weight')


@pytest.mark.recipes
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("file", ["example.csv", "example.sdf"])
def test_the_example_files_are_read_whole(send, file):
    summary, drawn, shown, rows = send((FOLDER / "data" / file).read_bytes(), file)
    assert "Without results" not in summary
    assert len(drawn) == len(shown) == len(rows) - 1 == {"example.csv": 8, "example.sdf": 4}[file]
    assert rows[0][1:4] == ["name", "known for", "SMILES"]
    assert rows[1][1:3] + rows[1][4:] == ["aspirin", "pain relief", *ASPIRIN]
    assert shown[0][1:6] == ["aspirin", 180.16, 1.31, 63.6, 0.55]
    salt = next(row for row in rows if row[1] == "sodium benzoate")
    assert salt[-2] == "2 parts (a salt or a mixture), taken together"


EXCEL = TABLE.replace(",", ";").replace("; a", ", a").replace('"', "").replace("\n", "\r\n;\r\n")
FORMS = {
    "lines": (BOTH, ""),
    "tabs and empty lines": (BOTH.replace("O ", "O\t").replace("\n", "\r\n\r\n"), ""),
    "a file of lines": ("\ufeff" + BOTH, "a.smi"),
    "a pasted table": (TABLE, ""),
    "CSV": (TABLE, "a.csv"),
    "a byte-order mark": ("\ufeff" + TABLE, "a.csv"),
    "another title": (TABLE.replace("SMILES", " Canonical_Smiles"), "a.csv"),
    "two titles": (TABLE.replace("name,SMILES", "iso_smiles, smiles "), "a.csv"),
    "semicolons of Excel": (EXCEL, "a.csv"),
    "a first line for Excel": ("sep=;\n" + EXCEL, "a.txt"),
}


@pytest.mark.recipes
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("form", FORMS)
def test_the_form_does_not_matter(send, form):
    summary, drawn, _, (_, *rows) = send(*FORMS[form])
    assert summary.startswith("2 ")
    assert [row[-6:] for row in rows] == [ASPIRIN, IBUPROFEN]
    assert [row[1] for row in rows] == ["aspirin", "ibuprofen, a"]
    assert [row[2] for row in rows] == [line.split()[0] for line in BOTH.splitlines()]
    assert [caption.split(" ", 2)[2] for caption in drawn] == ["aspirin", "ibuprofen, a"]


REASONS = {
    "CCX": "syntax error at letter 3",
    "C(C": "extra open parentheses at letter 2",
    "C1CC": "unclosed ring",
    "CN(C)(C)C": "atom 2 (N) has too many bonds; is a charge missing?",
    "Cl[Na](Cl)O.CN(C)(C)(C)[Pt]": "atom 6 (N) has too many bonds; is a charge missing?",
    "n1cccc1": "atom 1 (N) is in a ring that can't be aromatic as written; is an [nH] missing?",
    "cC": "atom 1 (C) is written as aromatic, but not in a ring",
    "*CC": "has a placeholder, such as * or R, which has no properties",
    "C~C": "has a placeholder, such as * or R, which has no properties",
    "CCO |$_R1;;$|": "what is between | and | is not read: delete it",
    "CC(=O)\N{CYRILLIC CAPITAL LETTER O}": "letter 7 is CYRILLIC CAPITAL LETTER O; type it again",
    "C" * 501: "SMILES must have 1 to 500 letters",
    "C" * 301: "301 atoms; there may be 1 to 300",
}
NOTES = {
    "[13CH4]": "isotopes",
    "C[N+](C)(C)C": "charge +1",
    "[Fe+2]": "charge +2",
    "CC=CC": "1 of 1 double bonds not specified",
    "F/C=C\\F": "",
    "OC[C@H]1OC(O)[C@H](O)[C@@H](O)[C@@H]1O": "1 of 5 stereocentres not specified",
    "C[CH2]": "unpaired electrons",
    "CC(=O)[O-].[K+]": "2 parts (a salt or a mixture), taken together",
}


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_each_molecule_keeps_its_line_with_a_reason_or_with_notes(send):
    lines = [*REASONS, *NOTES, "CCO same", "CCO same"]
    summary, drawn, shown, (_, *rows) = send("\n\n".join(lines))
    assert (
        [int(row[0]) for row in rows] == [row[0] for row in shown] == [*range(1, 2 * len(lines), 2)]
    )
    assert [row[-1] for row in rows] == [*REASONS.values(), *[""] * (len(NOTES) + 2)]
    assert [row[-2] for row in rows] == [*[""] * len(REASONS), *NOTES.values(), "", ""]
    assert [row[2] for row in rows] == [line.split(" ")[0][:500] for line in lines]
    assert {cell for row in rows[: len(REASONS)] for cell in row[3:7]} == {""}
    assert all(float(cell) >= -10 for row in rows[len(REASONS) :] for cell in row[3:7])
    assert len(drawn) == len(NOTES) + 2
    assert (
        f"Without results: {len(REASONS)}; the file says why for each.\nline 1: syntax error"
        in summary
    )
    assert summary.count("\nline ") == 5
    assert "\n..." in summary


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_a_broken_record_or_row_costs_no_other(send):
    one, two, _, four, _ = SDF.split("$$$$\n")
    broken = [
        one,
        two.replace(" N  ", " Qq ", 1),
        two.replace(" 14 15 ", " 17 15 ", 1),
        two[:300] + "\n",
        two.replace(" N  ", " R# ", 1),
        four,
    ]
    *_, (_, *rows) = send("$$$$\n".join(broken).replace("\n", "\r\n"), "a.sdf")
    assert [row[1] for row in rows] == ["aspirin", *["caffeine"] * 4, "sodium benzoate"]
    placeholder = REASONS["*CC"]
    reasons = ["", "damaged: Element 'Qq' not found", "damaged", "damaged", placeholder, ""]
    assert [row[-1] for row in rows] == reasons
    *_, (_, *rows) = send("id;smiles;pIC50\na;CCO;-1,5\nb;;2\nc;CCC;1;5\nd;CCC\n", "a.csv")
    problems = ["", "SMILES must have 1 to 500 letters", "4 cells for 3 titles", ""]
    assert [row[-1] for row in rows] == problems
    assert [row[:4] for row in rows][::3] == [["2", "a", "-1,5", "CCO"], ["5", "d", "", "CCC"]]


POLYMER = "M  STY  1   1 SRU\nM  SAL   1  2   8   9\nM  SMT   1 n\n"
RACEMIC = """alcohol

 made by hand
  0  0  0     0  0            999 V3000
M  V30 BEGIN CTAB
M  V30 COUNTS 4 3 0 0 0
M  V30 BEGIN ATOM
M  V30 1 C 0 0 0 0
M  V30 2 C 1.5 0 0 0
M  V30 3 O 2.2 1.2 0 0
M  V30 4 F 2.2 -1.2 0 0
M  V30 END ATOM
M  V30 BEGIN BOND
M  V30 1 1 2 1 CFG=1
M  V30 2 1 2 3
M  V30 3 1 2 4
M  V30 END BOND
M  V30 BEGIN COLLECTION
M  V30 MDLV30/STERAC1 ATOMS=(1 2)
M  V30 END COLLECTION
M  V30 END CTAB
M  END
"""


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_what_an_sdf_has_beyond_atoms_and_bonds_is_not_dropped(send):
    one = SDF.partition("$$$$\n")[0]
    records = [one.replace("M  END", f"{more}M  END") for more in (POLYMER, "M  APO  1   1   1\n")]
    *_, (_, *rows) = send("$$$$\n".join([*records, RACEMIC]), "a.sdf")
    problems = ["is a polymer, whose size is not known", REASONS["*CC"], ""]
    assert [row[-1] for row in rows] == problems
    assert rows[2][-2] == "racemic or relative stereocentres"


def cage(side):
    """Return an SDF of atoms in two groups, each bonded to all of the other: very many rings."""
    head = f"cage\n\n\n{2 * side:3}{side * side:3}  0  0  0  0  0  0  0  0999 V2000\n"
    atoms = "    0.0000    0.0000    0.0000 U   0  0\n" * (2 * side)
    pairs = itertools.product(range(1, side + 1), range(side + 1, 2 * side + 1))
    return head + atoms + "".join(f"{a:3}{b:3}  1  0\n" for a, b in pairs) + "M  END\n"


COLUMNS = ",".join(["smiles", *map(str, range(201))])
WRONG = {
    "Type SMILES, such as CCO, or choose a file, but not both.": (" \n", ""),
    "and no two alike. There are: “x”, “?b>”.": ("x,<b>\n1,2\n", "a.csv"),
    "There are: “smiles a”, “smiles b”.": ("smiles a,smiles b\nC,C\n", "a.csv"),
    "There are: “CCO”, “ethanol”.": ("CCO,ethanol\n", ""),
    "Send 1 to 10,000 molecules at once.": ("C\n" * 10_001, ""),
    "1 to 10,000 molecules at once. ": ("smiles\n", "b.csv"),
    "There are more than 200 columns.": (f"{COLUMNS}\n{COLUMNS}", "a.csv"),
    "This is not a CSV file.": (b"\x1f\x8b\0\0", "a.sdf.gz"),
    "This is not a text file.": (b"CCO\n" * 20_000 + b"C\0C", "a.smi"),
}


@pytest.mark.recipes
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_be_read_at_all_gets_a_message(send, message):
    with pytest.raises(AppError, match=re.escape(message)):
        send(*WRONG[message])


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_what_would_take_rdkit_forever_is_refused_at_once(send):
    began = time.monotonic()
    *_, (_, row) = send(cage(30), "a.sdf")
    assert row[-1] == "more than 40 rings"
    send("a\n>" + "<" * 2_000_000 + "\nM  END\n", "a.sdf")
    assert time.monotonic() - began < 10


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_names_are_neither_markup_nor_formulas_and_numbers_stay(app, send, page):
    html = "<img src=x onerror=alert(1)>"
    names = [html, "=1+1", "@SUM(1)", "a;=cmd|'/C(calc)'!A1", "-5", "+1,5e3", "$x_1$"]
    _, drawn, shown, (_, *rows) = send("".join(f"CCO {name}\n" for name in names))
    assert [row[1] for row in shown] == [caption.split(" ", 2)[2] for caption in drawn] == names
    quoted = ["'=1+1", "'@SUM(1)", "a;'=cmd|'/C(calc)'!A1"]
    assert [row[1] for row in rows] == [html, *quoted, *names[4:]]
    page.goto(app[0])
    page.get_by_label("Or SMILES").fill(f"CCO {html}\nC1CC {html}")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator(".caption-label")).to_have_text(f"line 1 {html}")
    expect(page.get_by_role("gridcell", name=html)).to_have_count(2)
    expect(page.locator("img[src=x]")).to_have_count(0)


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import main, numpy
from rdkit.Chem import rdFingerprintGenerator
main.predict_molecules(None, sys.argv[2])
class model:
    def predict_proba(rows):
        bits = int(rows[0].sum())
        if bits > 20: raise ValueError("too large for this model")
        return numpy.array([[0, bits if bits > 6 else numpy.nan]])
main.RESULTS[:] = ["activity"]
exec(sys.argv[3])
main.predict = predict
_, _, table, _ = main.predict_molecules(None, main.EXAMPLE + "\\nCCO")
for row in table["data"]: print(row[2], row[4], sep=";")
"""


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_a_model_of_ones_own_is_put_in_as_the_page_says_and_rdkit_is_quiet(made):
    code = re.search(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)[1]
    command = [made[1], "-c", PROGRAM, made[0], "\n".join([*REASONS, *NOTES]), code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "None;too large for this model",
        "None;too large for this model",
        "17;",
        "None;unclosed ring",
        "None;a result is not a number",
    ]
