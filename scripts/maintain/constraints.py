"""Write constraints.txt beside each requirements.txt: the version of every package it brings.

Next year's build then gets this year's packages. uv finds versions that fit together for Python
3.10 to 3.14 and all systems at once. Run it after a change of a requirements.txt, and from time to
time: it takes the newest versions that fit.

The file of a recipe, or of a starting point, has only what is not in that of the app that it is put
into. Those of several recipes go together, since uv has found versions for all of them at once.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pins
from apps import ROOT
from install import requirement_lines
from maintain.sync import CLASSIFIERS
from recipes import find_recipes

# the first has most; the others take the versions that it found
FOLDERS = ("tests", *CLASSIFIERS, "example_apps", "scripts/bare")
TRAINING = ROOT / "flower_classification" / "requirements-train.txt"


def find_lists():
    """Yield each constraints.txt to write, and the lines of the requirements that it is for."""
    for name in FOLDERS:
        file = ROOT / name / "requirements.txt"
        # the classifiers share one file, so what one needs for its training is in all
        files = [file, TRAINING] if name in CLASSIFIERS else [file]
        lines = [line for each in files for line in requirement_lines(each)]
        yield file.with_name("constraints.txt"), lines


def resolve(lines, *options):
    """Return the versions for these lines of requirements; `options` are those of uv."""
    uv = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
    command = [uv, "pip", "compile", "-", "--quiet", "--universal", "--python-version", "3.10"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", *options]
    wanted = "\n".join(line for line in lines if line[:1] not in "-#")  # no options, no comments
    done = subprocess.run(command, input=wanted, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(f"No versions were found for {', '.join(lines)}; uv says why above.")
    return done.stdout


def prefer(lines, known):
    """Return the versions for these lines: the `known` ones but where others are needed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "constraints.txt"  # uv keeps what it finds in the file it writes to
        file.write_text(known, encoding="utf-8")
        resolve(lines, "--output-file", file)
        return file.read_text(encoding="utf-8")


def add_all(kind, base, known):
    """Write the constraints.txt of each recipe or starting point for a copy of the folder `base`.

    `known` are versions to prefer, such as those of the tests.
    """
    wanted, fixed = (
        (base / f"{n}.txt").read_text("utf-8") for n in ("requirements", "constraints")
    )
    found = [each for each in find_recipes(kind) if each.packages("requirements.txt")]
    more = {each.name: each.packages("requirements.txt") for each in found}
    if kind == "recipe":  # those that one app may have at the same time
        every = prefer(pins.add_requirements(wanted, more).splitlines(), known)
        known = pins.add_constraints(every, {"base": fixed})
    for each in found:
        lines = pins.add_requirements(wanted, {each.name: more[each.name]}).splitlines()
        there, new = pins.by_package(fixed), pins.by_package(prefer(lines, known))
        added = [line for name, lines in new.items() if there.get(name) != lines for line in lines]
        file = each.folder / "constraints.txt"
        file.write_text("".join(f"{line}\n" for line in added), encoding="utf-8", newline="\n")
        print(f"{file.relative_to(ROOT)}: {len(added)} lines", flush=True)


def main():
    first = None
    for file, wanted in find_lists():
        options = ["--constraints", first] if first else []
        text = resolve(wanted, *options)
        file.write_text(text, encoding="utf-8", newline="\n")
        first = first or file
        print(f"{file.relative_to(ROOT)}: {len(text.splitlines())} lines", flush=True)
    for kind, base in (("recipe", CLASSIFIERS[1]), ("starting point", "scripts/bare")):
        add_all(kind, ROOT / base, first.read_text(encoding="utf-8"))
