"""Write constraints.txt beside each requirements.txt: the version of every package it brings.

Next year's build then gets this year's packages. uv finds versions that fit together for Python
3.10 to 3.14 and all systems at once. Run it after a change of a requirements.txt, and from time to
time: it takes the newest versions that fit.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from apps import ROOT
from maintain.sync import CLASSIFIERS

# the first has most; the others take the versions that it found
FOLDERS = ("tests", *CLASSIFIERS, "example_apps", "scripts/bare")


def requirements(file):
    """Return the lines of a requirements.txt and of those it names, without their constraints."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            lines += requirements(file.parent / line[3:])
        elif not line.startswith(("-c ", "#")):
            lines.append(line)
    return lines


def resolve(folder, first):
    uv = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
    command = [uv, "pip", "compile", "-", "--quiet", "--universal", "--python-version", "3.10"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url"]
    if first:
        command += ["--constraints", first]
    wanted = "\n".join(requirements(folder / "requirements.txt"))
    done = subprocess.run(command, input=wanted, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(f"No versions were found for {folder}; uv says why above.")
    return done.stdout


def main(argv=None):
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args(argv)
    first = None
    for name in FOLDERS:
        file = ROOT / name / "constraints.txt"
        text = resolve(file.parent, first)
        file.write_text(text, encoding="utf-8", newline="\n")
        first = first or file
        print(f"{name}/constraints.txt: {len(text.splitlines())} lines", flush=True)


if __name__ == "__main__":
    main()
