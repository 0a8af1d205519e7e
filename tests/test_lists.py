"""The images to classify: lists as Excel writes them, folders as file managers leave them."""

import shutil

import pytest
from scale import listing

NAMES = ["bee.jpg", "cat.jpg", "bi på blomma.jpg"]
WITH_SITES = "file,site\r\n" + "".join(f"{name},Kursö\r\n" for name in NAMES)
SEMICOLONS, TABS = WITH_SITES.replace(",", ";"), WITH_SITES.replace(",", "\t")
LISTS = {
    "UTF-8": WITH_SITES.encode(),
    "CSV UTF-8 of Excel in Swedish": SEMICOLONS.encode("utf-8-sig"),
    "CSV of Excel": WITH_SITES.encode("cp1252"),
    "CSV of Excel in Swedish": SEMICOLONS.encode("cp1252"),
    "Unicode text of Excel": TABS.encode("utf-16"),
    "UTF-16 with the large end first": b"\xfe\xff" + WITH_SITES.encode("utf-16-be"),
    "a first line that Excel reads": ("sep=;\r\n" + SEMICOLONS).encode(),
    "no titles": WITH_SITES.partition("\n")[2].encode(),
    "one column without a title": "\n".join(NAMES).encode(),
    "another title": WITH_SITES.replace("file", "bild").encode(),
    "a capital": WITH_SITES.replace("file", " File").encode(),
    "another column first": ("Id;FILE\n" + "".join(f"1;{name}\n" for name in NAMES)).encode(),
    "empty rows": SEMICOLONS.replace("\r\n", "\r\n\r\n;\r\n").encode(),
    "commas in another column": SEMICOLONS.replace("Kursö", "Kursö, 60,5").encode(),
    "a comma in one title": SEMICOLONS.replace("site", "site, where").encode(),
}


@pytest.fixture
def images(tmp_path):
    for name in NAMES:
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_is_read_whichever_program_wrote_it(images, kind):
    file = images / "list.csv"
    file.write_bytes(LISTS[kind])
    assert [*listing.listed(file)] == [(name, images / name) for name in NAMES]


def test_a_name_without_an_ending_is_no_title_if_it_is_there(images):
    (images / "IM0001").touch()
    (images / "list.csv").write_text("IM0001\ncat.jpg\n")
    assert [name for name, _ in listing.listed(images / "list.csv")] == ["IM0001", "cat.jpg"]


@pytest.mark.parametrize("title", ["file\n", ""])
def test_one_column_has_names_with_commas_and_semicolons(images, title):
    (images / "list.csv").write_text(f"{title}a,b.jpg\nc;d.jpg\ne.jpg\n")
    names = [name for name, _ in listing.listed(images / "list.csv")]
    assert names == ["a,b.jpg", "c;d.jpg", "e.jpg"]


def test_a_cell_that_is_no_name_of_a_file_becomes_a_row(images):
    (images / "list.csv").write_text("file\nbee.jpg\n" + "å" * 5000 + "\n", encoding="utf-8")
    assert len([*listing.listed(images / "list.csv")]) == 2


@pytest.mark.parametrize(
    "name", [r"plate 1\å.jpg", "plate 1/å.jpg", "plate 1/a\u030a.jpg", "plate 1\\a\u030a.jpg"]
)
@pytest.mark.parametrize("on_disk", ["å.jpg", "a\u030a.jpg"])
def test_names_as_windows_and_macos_write_them_are_found(tmp_path, name, on_disk):
    (tmp_path / "plate 1").mkdir()
    (tmp_path / "plate 1" / on_disk).touch()
    (tmp_path / "list.csv").write_text(f"file\n{name}\n", encoding="utf-8")
    ((written, path),) = listing.listed(tmp_path / "list.csv")
    assert (written, path.is_file()) == (name, True)


WRONG = {
    "This is not a CSV file": b"PK\3\4\0\0",  # a spreadsheet under the name of a list
    "such": "".join(NAMES).encode("utf-16-le"),
    "in an unusual encoding": b"file\n\x81\x8d.jpg\n",
    "may be separated by , or by ;": b"a.jpg,1;2\nb.jpg,3;4\n",
    "It has no column `file`": b"id,path\n1,bee.jpg\n",
    "no column": b"",
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_be_read_as_a_list_gets_a_message(tmp_path, message):
    (tmp_path / "list.csv").write_bytes(WRONG[message])
    with pytest.raises(SystemExit) as ended:
        next(listing.listed(tmp_path / "list.csv"), None)
    message = "This is not a CSV file" if message == "such" else message
    assert ended.value.code.startswith(f"{tmp_path / 'list.csv'} cannot be read as a list. ")
    assert message in ended.value.code
    assert ended.value.code.count("\n") == 0


def test_a_folder_has_no_images_that_programs_left_there(images):
    clean = [*listing.listed(images)]
    assert {name for name, _ in clean} == {*NAMES}
    for left in ("._bee.jpg", "Thumbs.db", "desktop.ini", "Icon\r", "~$list.xlsx"):
        (images / left).touch()
    for left in (".ipynb_checkpoints", "__MACOSX", "@eaDir", "$RECYCLE.BIN", ".Trash-1000"):
        (images / left).mkdir()
        shutil.copy(images / "bee.jpg", images / left / "bee-checkpoint.jpg")
    assert [*listing.listed(images)] == clean
