"""The starting point `table`: what is read right, what is refused, and which models are loaded."""

import csv
import json
import re
import shutil
import subprocess

import pytest
from conftest import ROOT
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import expect
from recipes_made import MOST_MEMORY, made_and_served, running, smoke_passes

pytestmark = pytest.mark.recipes
EXAMPLE = ROOT / "docs/starting_points/table/data/example.csv"
TITLES, *FLOWERS = csv.reader(EXAMPLE.read_text().splitlines())
LENGTHS = TITLES[1:5]
HEAD = ",".join(LENGTHS)
OUTPUT = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 300}


made, app = made_and_served("table")


def test_smoke_passes_and_compares_with_the_reference_predictions(made):
    smoke_passes(*made)


@pytest.fixture
def send(app, tmp_path):
    """Return a function that sends the bytes of a file, and returns what comes back.

    That is the summary, the rows on the page, the bytes of the file and its rows.
    """

    def predict(content, name="sent.csv"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        summary, table, file = app[1].predict(handle_file(str(file)), api_name="/predict_table")
        with open(file, "rb") as stream:
            data = stream.read()
        text = data.decode("utf-8-sig")
        separator = re.search("[,;\t]", text)[0]
        rows = [*csv.reader(text.splitlines(), delimiter=separator)]
        assert {row.pop()[:4] for row in rows} == {"vers", "app "}
        return summary, table["data"], data, rows

    return predict


@pytest.fixture
def excel(made, tmp_path):
    """Return a function that makes an Excel file; `code` sees its `book` and `sheet`."""

    def make(*rows, code=""):
        file = tmp_path / "made.xlsx"
        program = (
            "import datetime, json, sys, openpyxl\nbook = openpyxl.Workbook()\n"
            "sheet = book.active\nfor row in json.load(sys.stdin): sheet.append(row)\n"
            f"{code}\nbook.save(sys.argv[1])"
        )
        command = [made[1], "-c", program, file]
        subprocess.run(command, input=json.dumps(rows), check=True, text=True, timeout=60)
        return file.read_bytes()

    return make


def as_text(rows, separator=",", mark="."):
    """Return rows as CSV, with a decimal mark in the lengths."""
    lines = [separator.join([r[0], *(c.replace(".", mark) for c in r[1:5]), *r[5:]]) for r in rows]
    return "".join(f"{line}\r\n" for line in lines)


@pytest.fixture(scope="module")
def right(app):
    """The predictions for the flowers of the example, in its own form."""
    *_, file = app[1].predict(handle_file(str(EXAMPLE)), api_name="/predict_table")
    with open(file, encoding="utf-8", newline="") as stream:
        titles, *rows = csv.reader(stream)
    assert titles == [*TITLES, "prediction", "probability", "problem", "version"]
    assert [row[:6] for row in rows] == FLOWERS
    assert [row[6] for row in rows] == [flower[5] for flower in FLOWERS]
    assert {row[8] for row in rows} == {""}
    return [row[6:9] for row in rows]


def test_a_click_on_the_example_shows_thirty_predictions(app, page, screenshot):
    page.goto(app[0])
    page.get_by_text("example.csv").last.click()
    expect(page.locator(".file-preview")).to_have_count(1)
    page.get_by_role("button", name="Submit").click()
    summary = "30 rows, read as CSV with commas. The decimal mark is a point.\n"
    summary += "Not used: flower, species."
    expect(page.get_by_label("Read", exact=True)).to_have_value(summary)
    expect(page.locator("a[download='predictions.csv']").first).to_be_visible()
    screenshot(page, "table")
    with page.expect_download() as download:
        page.locator("a[download='predictions.csv']").first.click()
    assert download.value.path().read_bytes().startswith(b'"flower","sepal length (cm)"')


SWEDISH = [["blomma", *LENGTHS, "år"], *([*row[:5], "å"] for row in FLOWERS)]
TURNED = [[row[i] for i in (5, 4, 0, 3, 2, 1)] for row in (TITLES, *FLOWERS)]
FORMS = {
    "CSV UTF-8 of Swedish Excel": as_text(SWEDISH, ";", ",").encode("utf-8-sig"),
    "CSV of Swedish Excel": as_text(SWEDISH, ";", ",").encode("cp1252"),
    "Unicode text of Swedish Excel": as_text(SWEDISH, "\t", ",").encode("utf-16"),
    "TSV": as_text(SWEDISH, "\t").encode(),
    "semicolons and points": as_text(SWEDISH, ";").encode(),
    "a first line for Excel": b"sep=;\r\n" + as_text(SWEDISH, ";", ",").encode(),
    "quoted decimal commas": as_text(SWEDISH, '","', ",").replace("\r\n", '"\r\n"').encode(),
    "another order": "\n".join(map(",".join, TURNED)).encode(),
    "spaces and empty rows": as_text(SWEDISH, " ; ", ",").replace("\r\n", "\r\n;;\r\n").encode(),
}
FORMS["quoted decimal commas"] = b'"' + FORMS["quoted decimal commas"][:-1]


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_the_file_does_not_matter(send, right, form):
    summary, shown, data, (titles, *rows) = send(FORMS[form])
    assert summary.startswith("30 rows, read as ")
    assert titles[-3:] == ["prediction", "probability", "problem"]
    comma = "mark is a comma" in summary
    assert [[row[-3], row[-2].replace(",", "."), row[-1]] for row in rows] == right
    assert all(("," in row[-2]) == comma for row in rows)
    assert [row[1] for row in shown] == [row[0] for row in right]
    assert data.startswith(b"\xef\xbb\xbf") == (b'";"' in data or b'"\t"' in data)
    before = {"another order": TURNED}.get(form, SWEDISH)
    flat = [cell.strip().replace(",", ".") for row in before for cell in row]
    assert [cell.strip().replace(",", ".") for row in (titles, *rows) for cell in row[:6]] == flat


def test_excel_is_read_with_its_numbers_and_texts(send, excel, right):
    numbers = [[row[0], *map(float, row[1:5]), row[5]] for row in FLOWERS]
    summary, *_, rows = send(excel(TITLES, *numbers), "a.xlsx")
    assert summary.startswith("30 rows, read as Excel (“Sheet”).")
    assert [row[6:] for row in rows[1:]] == right
    texts = [[row[0], *(cell.replace(".", ",") for cell in row[1:5]), "å"] for row in FLOWERS]
    summary, _, data, rows = send(excel(TITLES, *texts, code="book.create_sheet('B')"), "a.xlsx")
    assert "Excel (“Sheet”, the first of 2 sheets). The decimal mark is a comma." in summary
    assert [row[6] for row in rows[1:]] == [row[0] for row in right]
    assert data.startswith(b"\xef\xbb\xbf")


def test_a_wrong_cell_is_named_by_row_and_column_and_costs_its_own_row_only(send, excel, right):
    flowers = [row[:] for row in FLOWERS[:9]]
    flowers[1][2], flowers[2][3], flowers[3][4], flowers[5][1] = "", "n/a", "small", "1e99"
    flowers[6][1], flowers[7][1] = "5.1 cm", "nan"
    text = "\n".join(map(",".join, [TITLES, *flowers[:4], [""] * 6, *flowers[4:]]))
    summary, shown, _, rows = send(text)
    assert [row[8] for row in rows[1:]] == [
        "",
        "sepal width (cm): missing",
        "petal length (cm): missing",
        "petal width (cm): “small” is not a number",
        "",
        "sepal length (cm): 1e99 is too large",
        "sepal length (cm): “5.1 cm” is not a number",
        "sepal length (cm): missing",
        "",
    ]
    assert [rows[1 + i][6:] for i in (0, 4, 8)] == [right[i] for i in (0, 4, 8)]
    assert {rows[1 + i][6] for i in (1, 2, 3, 5, 6, 7)} == {""}
    assert [row[0] for row in shown] == [2, 3, 4, 5, 7, 8, 9, 10, 11]  # as Excel counts
    assert "Without a prediction: 6; the file says why for each.\nrow 3, sepal width" in summary
    assert "row 8, sepal length (cm): 1e99 is too large" in summary
    assert summary.count("row ") == 5
    assert summary.endswith("\n...")

    when = "sheet['A2'] = datetime.date(2026, 5, 1); sheet['B2'] = True; sheet['C2'] = '=1+1'"
    *_, rows = send(excel(LENGTHS, [1, 1, 1, 1], code=when), "a.xlsx")
    reason = rows[1][-1]
    assert "2026-05-01 00:00:00 is a date or a time, perhaps made by Excel from a number" in reason
    assert "sepal width (cm): “True” is not a number" in reason
    assert "petal length (cm): missing" in reason  # a formula that Excel never calculated


LINE = "5.1,3.5,1.4,0.2\n"
WRONG = {
    "This table is empty.": "\n\n",
    "There is no row below the titles.": f"{HEAD}\n",
    "Missing: “petal width (cm)”. The first row must have": HEAD.replace("petal w", "w")
    + "\n1,2,3,4",
    "Missing: “sepal length (cm)”, “sepal width (cm)”, “petal length (cm)”, “petal w": LINE * 2,
    "more than one column “sepal width (cm)”": f"{HEAD},sepal width (cm)\n{LINE[:-1]},3\n",
    "If commas are decimal marks, save with ;": f"{HEAD}\n5,1,3,5,1,4,0,2\n5,1,3,5,1,4,0,2\n",
    "Row 4 has 5 cells, but there are 4 titles": f"{HEAD}\n{LINE * 2}5.1,3.5,1.4,0.2,9\n",
    "“5,1” (row 2, sepal length (cm)), “3.5” (row 2, sepal width (cm)). Use one.": (
        f'{HEAD}\n"5,1",3.5,1.4,0.2\n'
    ),
    "Is “1,234” (row 2, sepal length (cm)) in thousands? If so, leave “,” out.": (
        f'{HEAD}\n"1,234",3,1,1\n'
    ),
    "Is “1.234” (row 2": f"{HEAD}\n1.234,3,1,1\n".replace(",", ";"),
    "more than 200,000 rows": f"{HEAD}\n" + LINE * 200_001,
    "over 1,000 cells": ",".join(map(str, range(1001))) + "\n",
    "This is not a CSV file.": b"\x89PNG\r\n\x1a\n\0\0\0",
    "This file cannot be read. Open it in Excel": b"PK\3\4 no ZIP file",
    "is an old Excel file or has a password": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_table_or_has_two_meanings_gets_a_message(send, message):
    with pytest.raises(AppError, match=re.escape(message)):
        send(WRONG[message])


def test_no_file_a_bomb_and_a_name_with_html_get_a_message(app, send, excel, tmp_path):
    import zipfile

    with pytest.raises(AppError, match=r"^Please choose a file first\.$"):
        app[1].predict(None, api_name="/predict_table")
    (tmp_path / "a.xlsx").write_bytes(excel(LENGTHS, [1, 2, 3, 4]))
    for name, size in (("xl/worksheets/sheet2.xml", 101_000_000), ("xl/styles2.xml", 3_000_000)):
        shutil.copy(tmp_path / "a.xlsx", tmp_path / "b.xlsx")
        with zipfile.ZipFile(tmp_path / "b.xlsx", "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, b" " * size)
        with pytest.raises(AppError, match="unpacks to more than 100 MB"):
            send((tmp_path / "b.xlsx").read_bytes(), "b.xlsx")
    with pytest.raises(AppError, match="“\\?b>x”"):
        send("<b>x,y\n1,2\n1,2\n")


def test_other_columns_stay_as_they_were_and_no_formula_gets_out(send):
    own = [
        "-5",
        "+1,5",
        "007",
        "1\N{NO-BREAK SPACE}234,5",
        "+",
        "-",
        "bi; på blomma",
        "1e-5",
        "a:b",
    ]
    hostile = ["=1+1", "a;=cmd|'/C(calc)'!A1", "@SUM(1)", "-1+1", "＝1", "\t=1"]
    cells = [*own, *hostile]
    rows = [[*LENGTHS, "prediction", "=note"]] + [
        ["5,1", "3,5", "1,4", "0,2", "1", c] for c in cells
    ]
    text = "\n".join(";".join(f'"{cell}"' for cell in row) for row in rows)
    *_, found = send(text)
    assert found[0][4:8] == ["prediction", "'=note", "prediction (new)", "probability"]
    assert [row[5] for row in found[1:]][: len(own)] == own
    for row in found[1 + len(own) :]:
        assert not re.match(r"(?:.*;)?\s*[=+\-@＝]", row[5]), row[5]
    assert {row[6] for row in found[1:]} == {"setosa"}


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import main
steps = []
def progress(done, **_):
    steps.append(done)
for file in sys.argv[2:]:
    words, table, out = main.predict_table(file, progress)
    with open(out, encoding="utf-8-sig") as lines:
        print(sum(1 for _ in lines) - 1, len(table["data"]), len(steps), steps[-1],
              most_memory(), sep=";")
"""


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_20_000_rows_take_no_more_memory_than_4_000(made, tmp_path, kind):
    files = [tmp_path / f"{count}.{kind}" for count in (4_000, 20_000)]
    for file, count in zip(files, (4_000, 20_000), strict=True):
        if kind == "csv":
            file.write_text(f"{HEAD}\n" + LINE * count)
            continue
        code = (
            "import sys, openpyxl\nbook = openpyxl.Workbook(write_only=True)\n"
            f"sheet = book.create_sheet()\nsheet.append({LENGTHS})\n"
            f"for row in range({count}): sheet.append([5.1, 3.5, 1.4, 0.2])\nbook.save(sys.argv[1])"
        )
        subprocess.run([made[1], "-c", code, file], check=True, timeout=200)
    ended = subprocess.run([made[1], "-c", MOST_MEMORY + PROGRAM, made[0], *files], **OUTPUT)
    few, many = (line.split(";") for line in ended.stdout.splitlines())
    assert few[:4] == ["4000", "100", "3", "(4000, 4000)"], ended.stderr
    assert many[:4] == ["20000", "100", "14", "(20000, 20000)"]
    assert int(many[4]) - int(few[4]) < 25  # MB


# ---- Models ----

MODELS = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import numpy as np, skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_iris
from sklearn.ensemble import *
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import *
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn_model import load_model
import warnings
warnings.simplefilter("ignore")
iris = load_iris(as_frame=True)
table, y = iris.data, iris.target_names[iris.target]
words = table.assign(site=np.where(np.arange(150) % 2, "a", "b").astype(object))
encoders = [(OneHotEncoder(), ["site"]), (OrdinalEncoder(), ["site"]), (TargetEncoder(), ["site"])]
encoders += [(OneHotEncoder(), make_column_selector(dtype_include=object))]
forest = RandomForestClassifier(3)
for model in (
    forest, DecisionTreeClassifier(), GradientBoostingClassifier(n_estimators=3),
    HistGradientBoostingClassifier(max_iter=3), IsolationForest(n_estimators=3),
    StackingClassifier([("a", forest), ("b", GaussianNB())]),
    KNeighborsClassifier(algorithm="ball_tree", metric="manhattan"), MLPClassifier(max_iter=3),
    CalibratedClassifierCV(LinearSVC()), GaussianProcessClassifier(1.0 * RBF(1.0)),
    GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [1, 2]}),
    make_pipeline(SimpleImputer(), RobustScaler(), SelectKBest(k=2), LogisticRegression()),
    *(make_pipeline(ColumnTransformer([("a", *each)], remainder="passthrough"), forest)
      for each in encoders),
    RandomForestRegressor(3), HistGradientBoostingRegressor(max_iter=3), Ridge(),
):
    data = words if "ColumnTransformer" in repr(model) else table
    model.fit(data, iris.target if "Regressor" in repr(model) or "Ridge" in repr(model) else y)
    skops.io.dump(model, Path(sys.argv[2]))
    loaded = load_model(Path(sys.argv[2]))
    assert (loaded.predict(data) == model.predict(data)).all()
    print(type(loaded).__name__)
"""


def test_the_usual_models_of_scikit_learn_are_loaded(made, tmp_path):
    ended = subprocess.run([made[1], "-c", MODELS, made[0], tmp_path / "a.skops"], **OUTPUT)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(ended.stdout.splitlines()) == 19


NOT_LOADED = {
    "needs posix.system, which the app does not trust": (
        "model = make_pipeline(FunctionTransformer(os.system), LogisticRegression())\n"
        "skops.io.dump(model, file)"
    ),
    "needs __main__.Trap, which the app does not trust": "skops.io.dump(Trap(), file)",
    "is a pickle or joblib file, which can run any code": "pickle.dump(Trap(), open(file, 'wb'))",
    "is a pickle or joblib": "joblib.dump(Trap(), file, compress=3)",
    "is missing. Where the model was trained, save it so: skops": "",
    "is missing. m.joblib is a pickle": "joblib.dump(iris.data, f'{file[:-11]}m.joblib')",
    "has no model that knows the names of its columns": (
        "skops.io.dump(LogisticRegression().fit(iris.data.to_numpy(), iris.target), file)"
    ),
    "cannot be opened (BadZipFile": "open(file, 'w').write('version https://git-lfs')",
    "was saved with scikit-learn 1.5.0, but the app has 1.7.2. Write scikit-learn==1.5.0": (
        "sklearn.base.__version__ = '1.5.0'\n"
        "skops.io.dump(LogisticRegression().fit(iris.data, iris.target), file)"
    ),
}
MAKE = f"""
import os, pickle, sys, skops.io, sklearn.base, joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
iris = load_iris(as_frame=True)
trap = sys.argv[1]
class Trap:
    def __reduce__(self): return os.system, (f"touch {{trap}}",)
for code, file in zip({[*NOT_LOADED.values()]}, sys.argv[2:]):
    exec(code)
"""
LOAD = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import sklearn_model
for file in map(Path, sys.argv[2:]):
    try:
        sklearn_model.load_model(file)
    except SystemExit as error:
        print(error.code)
"""


def test_a_file_that_is_not_trusted_or_not_right_gets_a_message_and_runs_nothing(made, tmp_path):
    trap = tmp_path / "trap"
    files = [tmp_path / f"{number}" / "model.skops" for number in range(len(NOT_LOADED))]
    for file in files:
        file.parent.mkdir()
    subprocess.run([made[1], "-c", MAKE, trap, *files], check=True)
    ended = subprocess.run([made[1], "-c", LOAD, made[0], *files], **OUTPUT)  # starts once
    for message, line in zip(NOT_LOADED, ended.stdout.splitlines(), strict=True):
        assert message in line
    assert not trap.exists()
    shutil.copytree(made[0], tmp_path / "app")
    shutil.copy(files[0], tmp_path / "app" / "data")
    ended = subprocess.run([made[1], tmp_path / "app" / "main.py"], **OUTPUT)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert next(iter(NOT_LOADED)) in ended.stderr


OWN = """
import sys, numpy as np, skops.io, pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
words = np.array(["Kursö", "Lund"] * 40, dtype=object)
table = pd.DataFrame({"depth": np.arange(80.0), "site": words})
hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
hot = ColumnTransformer([("a", hot, ["site"])], remainder="passthrough")
model = make_pipeline(hot, HistGradientBoostingRegressor(min_samples_leaf=2))
skops.io.dump(model.fit(table, table["depth"] - 100 * (words == "Lund")), sys.argv[1])
"""


def test_a_model_of_ones_own_with_words_numbers_below_zero_and_missing_values(made, tmp_path):
    folder = tmp_path / "app"
    shutil.copytree(made[0], folder)
    subprocess.run([made[1], "-c", OWN, folder / "data" / "model.skops"], check=True)
    main = folder / "main.py"
    text = main.read_text().replace("WORDS = {}", 'WORDS = {"site": ["Kursö", "Lund"]}')
    main.write_text(text.replace("ALLOW_MISSING = False", "ALLOW_MISSING = True"))
    (tmp_path / "a.csv").write_text("site;depth\nLund;10\nKursö;10\nlund;10\nLund;\n;3\n")
    with running(folder, made[1]) as (_, client):
        sent = handle_file(str(tmp_path / "a.csv"))
        summary, _, file = client.predict(sent, api_name="/predict_table")
    with open(file, encoding="utf-8-sig", newline="") as stream:
        titles, *rows = csv.reader(stream, delimiter=";")
    assert titles == ["site", "depth", "prediction", "problem", "version"]
    numbers = [row[2] and float(row[2].replace(",", ".")) for row in rows]
    assert -95 < numbers[0] < -85
    assert 5 < numbers[1] < 15
    assert numbers[2] == ""
    assert all(numbers[3:])
    problem = "site: “lund” is not one of Kursö, Lund"
    assert [row[3] for row in rows] == ["", "", problem, "", ""]
    assert f"row 4, {problem}" in summary
