"""Note in a copied folder where it comes from, so that an update can tell what was changed in it.

`copied_from.json` names the folder, the version and the commit of the gallery, and the SHA-256 of
each file that is the gallery's and not the author's. Needs nothing but Python.
"""

import hashlib
import json
import re
import subprocess

from apps import ROOT

NOTE = "copied_from.json"
# an author changes main.py, requirements.txt, data/ and the texts; these stay as they are copied
OURS = ["guard.py", "middleware.py", "image.py", "pixels.py", "weights.py", "cores.py"]
OURS += ["version.py", "start-script.sh"]
OURS += ["Dockerfile", ".dockerignore", "constraints.txt"]


def digest(file):
    """Return the SHA-256 of a text file, whatever line endings Git gave it."""
    return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


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


def write_note(folder, source, recipes=()):
    """Write the note into `folder`, a copy of the folder `source` with files of these recipes."""
    number, commit = version()
    names = OURS + [file.name for each in recipes for file in each.folder.glob("files/*.py")]
    files = {name: digest(folder / name) for name in names if (folder / name).is_file()}
    note = {"from": source, "recipes": [each.name for each in recipes]}
    note |= {"version": number, "commit": commit, "sha256": files}
    (folder / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8", newline="\n")


def changed(folder):
    """Return the names of the gallery's files that were changed or deleted since the copy.

    Raises FileNotFoundError for a folder without a note.
    """
    known = json.loads((folder / NOTE).read_text(encoding="utf-8"))["sha256"]
    return [
        name
        for name, was in known.items()
        if not (folder / name).is_file() or digest(folder / name) != was
    ]
