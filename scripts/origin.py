"""Note in a copied folder where it comes from, so that an update can tell what was changed in it.

`copied_from.json` names the app, the recipes, the version and the commit of the gallery, the
SHA-256 of each file that is the gallery's and not the author's, and the gallery's lines of
requirements.txt. Needs nothing but Python.
"""

import hashlib
import json
import re
import subprocess

from apps import ROOT

NOTE = "copied_from.json"
GALLERY = "https://github.com/ScilifelabDataCentre/serve-tutorials"
# what an author changes: besides these, data/ and the texts
AUTHORS = ("main.py", "requirements.txt", "download_model.py", ".gitignore", NOTE)


def digest(file):
    """Return the SHA-256 of a text file, whatever line endings Git gave it; None without one."""
    if not file.is_file():
        return None
    return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def ours(folder):
    """Return the names of the files in a new copy that are the gallery's."""
    names = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
    others = re.compile(r"data/|.*\.md$|(.*/)?__pycache__/")
    return sorted(name for name in names if name not in AUTHORS and not others.match(name))


def version():
    """Return the version of the gallery, and its commit; None where that is not known."""
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = None
    number = re.search(r"(?m)^version: *\"?([^\"\n]+)", citation)
    return number and number[1], commit


def called(number, commit):
    """Return how to call a version of the gallery: not each commit has a number."""
    return f"version {number}" if number else f"commit {(commit or 'unknown')[:7]}"


def read_note(folder):
    """Return the note of a folder, or None if it has none that `make update` can use."""
    file = folder / NOTE
    note = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return note if "requirements" in note else None


def write_note(folder, note):
    number, commit = version()
    note = {**note, "version": number, "commit": commit}
    (folder / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8", newline="\n")


def note_of_copy(folder, source, name, recipes):
    """Return the note for a new copy of the folder `source`, the app `name`, with these recipes.

    What was changed in the source since it was copied itself stays a change in its copy.
    """
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    note = {"from": name, "recipes": list(recipes), "requirements": lines}
    note["sha256"] = {each: digest(folder / each) for each in ours(folder)}
    if before := read_note(source):
        note["from"], note["recipes"] = before["from"], [*before["recipes"], *recipes]
        own = {*(source / "requirements.txt").read_text(encoding="utf-8").splitlines()}
        own -= {*before["requirements"]}
        note["requirements"] = [line for line in lines if line not in own]
        note["sha256"] |= {each: before["sha256"].get(each) for each in changed(source, before)}
    return note


def changed(folder, note):
    """Return the names of the gallery's files that the author changed or deleted."""
    return [name for name, was in note["sha256"].items() if digest(folder / name) != was]
