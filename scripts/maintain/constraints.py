"""Write constraints.txt beside each requirements.txt: the version of every package it brings.

Next year's build then gets this year's packages. uv finds versions that fit together for Python
3.10 to 3.14 and all systems at once. Run it after a change of a requirements.txt, and from time to
time: it takes the newest versions that fit. A recipe that brings packages has a file of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

from apps import ROOT, find_app
from maintain.sync import CLASSIFIERS
from new import folder_of
from recipes import changes, find_recipes

# the first has most; the others take the versions that it found
FOLDERS = ("tests", *CLASSIFIERS, "example_apps", "scripts/bare")
TRAINING = ROOT / "flower_classification" / "requirements-train.txt"


def requirements(text, folder):
    """Return the lines of a requirements.txt and of those it names, without their constraints."""
    lines = []
    for line in text.splitlines():
        if line.startswith("-r "):
            file = folder / line[3:]
            lines += requirements(file.read_text(encoding="utf-8"), file.parent)
        elif not line.startswith(("-c ", "#")):
            lines.append(line)
    return lines


def find_lists():
    """Yield each constraints.txt to write, and the text of the requirements.txt that it is for."""
    for name in FOLDERS:
        file = ROOT / name / "requirements.txt"
        text = file.read_text(encoding="utf-8")
        if name in CLASSIFIERS:  # they share one file, so what one needs for its training is in all
            text += TRAINING.read_text(encoding="utf-8")
        yield file.with_name("constraints.txt"), text
    for recipe in find_recipes():
        file = folder_of(find_app(recipe.sources[0])) / "requirements.txt"
        text = file.read_text(encoding="utf-8")
        for name, old, new in changes(recipe):
            if name == file.name:
                text = text.replace(old, new)
        if text != file.read_text(encoding="utf-8"):
            yield recipe.diff.parent / "files" / "constraints.txt", text


def resolve(file, text, first):
    """Return the versions for a requirements.txt, like those in the file `first` if they fit."""
    uv = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
    command = [uv, "pip", "compile", "-", "--quiet", "--universal", "--python-version", "3.10"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url"]
    if first:
        command += ["--constraints", first]
    wanted = "\n".join(requirements(text, file.parent))
    done = subprocess.run(command, input=wanted, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode and first and "recipes" in file.parts:
        return resolve(file, text, None)  # such as an older version of what others bring
    if done.returncode:
        sys.exit(f"No versions were found for {file}; uv says why above.")
    return done.stdout


def main():
    first = None
    for file, wanted in find_lists():
        text = resolve(file, wanted, first)
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
        first = first or file
        print(f"{file.relative_to(ROOT)}: {len(text.splitlines())} lines", flush=True)
