"""Each classifier's folder stands alone, and the three stay in step."""

import ast
import re

import pytest
from conftest import CLASSIFIERS, ROOT
from list_apps import find_app, find_apps
from sync_folders import IDENTICAL

EVERY_FOLDER = [*IDENTICAL, "main.py", "download_model.py", "README.md", "data/README.md"]
FOLDERS = [find_app(name).folder for name in CLASSIFIERS]
# below the line that starts it, a main.py may differ from the others; below the second it may not
MODEL, END = "# ---- Your model", "# ---- End of your model"


@pytest.mark.parametrize("file", EVERY_FOLDER)
def test_every_folder_has_what_it_needs(file):
    assert [folder.name for folder in FOLDERS if not (folder / file).is_file()] == []


@pytest.mark.parametrize("file", IDENTICAL)
def test_files_that_are_meant_to_be_identical_are(file):
    assert len({(folder / file).read_bytes() for folder in FOLDERS}) == 1
    assert len({(folder / file).stat().st_mode for folder in FOLDERS}) == 1


def without_the_model(text):
    """Return a main.py without its docstring, its imports, and the part marked as the model."""
    text = text[: text.index(MODEL)] + text[text.index(END) :]
    tree = ast.parse(text)
    first = next(n for n in tree.body[1:] if not isinstance(n, (ast.Import, ast.ImportFrom)))
    return "".join(text.splitlines(keepends=True)[first.lineno - 1 :])


def test_the_main_files_differ_only_in_their_models():
    rests = {without_the_model((folder / "main.py").read_text()) for folder in FOLDERS}
    assert len(rests) == 1
    assert "def predict" in rests.pop()


@pytest.mark.parametrize("folder", FOLDERS, ids=CLASSIFIERS)
def test_a_folder_refers_to_nothing_outside(folder):
    for file in EVERY_FOLDER:
        text = (folder / file).read_text(encoding="utf-8")
        assert "../" not in text, file
        assert "scripts/" not in text, file


def pins(file):
    lines = [line.split("#")[0].strip() for line in file.read_text().splitlines()]
    return {line.split("==")[0] + line.partition(";")[2]: line for line in lines if "==" in line}


def test_all_requirements_are_pinned_and_agree():
    wanted = {}
    files = [*ROOT.glob("*/requirements.txt"), *ROOT.glob("tests/requirements*.txt")]
    assert len(files) >= 6
    for file in files:
        for line in file.read_text().splitlines():
            assert re.match(
                r"^(#.*|-r .*|[\w.-]+==[\w.]+(; python_version [<>=]+ \"[\d.]+\")?)$", line
            )
        for name, line in pins(file).items():
            assert wanted.setdefault(name, line) == line, file


def test_every_app_says_in_one_line_what_it_teaches():
    for app in find_apps():
        assert app.summary[0] != "(", app.file
        assert len(app.summary) <= 100


def test_the_three_kinds_of_dockerfiles_share_all_but_the_files_that_they_copy():
    files = [FOLDERS[0] / "Dockerfile", ROOT / "example_apps" / "Dockerfile"]
    files.append(ROOT / "scripts" / "gallery" / "Dockerfile")
    classifier, *others = [file.read_text(encoding="utf-8").split("\n\n") for file in files]
    for word in ("FROM ", "RUN useradd ", "ENV ", "LABEL ", "USER ", "ENTRYPOINT "):
        (stanza,) = [s for s in classifier if f"\n{word}" in f"\n{s}"]
        instructions = stanza[f"\n{stanza}".index(f"\n{word}") :].strip()
        for other in others:
            assert instructions in "\n\n".join(other), word
