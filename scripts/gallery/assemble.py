"""Put the gallery together in a folder that can be packaged and hosted as one app.

Into it go the step apps, and the folders with a `main.py` whose weights are there.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from apps import ROOT, App, find_apps, first_docstring_line
from install import install, package_name, requirement_lines

SCRIPTS = Path(__file__).resolve().parent.parent
TEMPLATE = SCRIPTS / "gallery" / "image"
PROGRAMS = ("apps.py", "run.py", "gallery/serve.py", "gallery/page.py")
# what an app does not need while it runs
LEFT_OUT = "Dockerfile start-script.sh download_model.py requirements.txt *.replaced .* __pycache__"


def join_requirements(files):
    """Return the lines of several requirements.txt; end the program if two contradict."""
    lines = dict.fromkeys(
        line for file in files if file.exists() for line in requirement_lines(file)
    )
    chosen = {}
    for line in lines:
        package = (package_name(line), line.partition(";")[2].strip())
        if chosen.setdefault(package, line) != line:
            sys.exit(f"One app needs {chosen[package]}, another one {line}. Give both the same.")
    return list(lines)


def write_dockerfile(file, folders):
    """Write the Dockerfile of a gallery with these folders."""
    stanzas = (TEMPLATE / "Dockerfile").read_text(encoding="utf-8").split("\n\n")
    for number, stanza in enumerate(stanzas):
        comment, _, copy = stanza.rpartition("\n")
        if "FOLDER" in copy:
            copies = [
                copy.replace('"FOLDER/"', json.dumps(f"{folder.name}/")) for folder in folders
            ]
            stanzas[number] = "\n".join([comment, *copies]) if copies else ""
    file.write_text("\n\n".join(filter(None, stanzas)), encoding="utf-8", newline="\n")


def find_whole_apps():
    """Return the apps that the gallery can show, and the lines of what they need."""
    apps = [app for app in find_apps() if not app.weights or app.weights.exists()]
    return apps, join_requirements([app.folder / "requirements.txt" for app in apps])


def assemble(folder):
    """Write the gallery into the empty `folder`, and return it as an app like any other."""
    apps, requirements = find_whole_apps()
    left_out = shutil.ignore_patterns(*LEFT_OUT.split())
    for source in dict.fromkeys(app.folder for app in apps):
        shutil.copytree(source, folder / source.name, ignore=left_out)
    shutil.copytree(ROOT / "docs" / "images", folder / "docs" / "images", ignore=left_out)
    (folder / "scripts" / "gallery" / "image").mkdir(parents=True)
    for name in (*PROGRAMS, "gallery/image/page.css", "gallery/image/page.js"):
        shutil.copy(SCRIPTS / name, folder / "scripts" / name)
    for name in ("main.py", "start-script.sh", ".dockerignore"):
        shutil.copy(TEMPLATE / name, folder / name)
    text = "".join(f"{line}\n" for line in requirements)
    (folder / "requirements.txt").write_text(text, encoding="utf-8", newline="\n")
    write_dockerfile(folder / "Dockerfile", [app.folder for app in apps if not app.is_step])
    return App(("gallery",), folder / "main.py", first_docstring_line(folder / "main.py"))


def main(argv=None):
    parser = argparse.ArgumentParser(description="Put the gallery together in a folder.")
    parser.add_argument("folder", type=Path, nargs="?", help="an empty folder, or a new one")
    parser.add_argument("--install", action="store_true", help="only install what it needs")
    arguments = parser.parse_args(argv)
    if arguments.install:
        install(find_whole_apps()[1])
        return
    folder = arguments.folder or parser.error("which folder?")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"{folder} is not empty.")
    assemble(folder)
    print(f"Start it: python {folder / 'main.py'}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped. The same command goes on where it was.")
