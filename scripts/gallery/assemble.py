"""Put the gallery together in a folder that can be packaged and hosted as one app.

Into it go the step apps, and the folders with a `main.py` whose weights are there.
"""

import json
import re
import shutil
import sys

import pins
from apps import ROOT, App, find_app, find_apps, first_docstring_line
from install import install

SCRIPTS = ROOT / "scripts"
PROGRAMS = "apps.py run.py gallery/serve.py gallery/page.py gallery/page.css gallery/page.js"
# what an app does not need while it runs
LEFT_OUT = "Dockerfile start-script.sh download_model.py requirements.txt constraints.txt"
LEFT_OUT += " train_model.py training_*.py training requirements-train.txt"
LEFT_OUT += " *.replaced .* __pycache__"


def find_whole_apps():
    """Return the apps that the gallery can show, and the lines of what they need.

    Ends the program with a message if two need different versions of a package.
    """
    apps = [app for app in find_apps() if not app.weights or app.weights.exists()]
    files = {app.name: app.folder / "requirements.txt" for app in apps}
    texts = {name: file.read_text("utf-8") for name, file in files.items() if file.exists()}
    try:
        return apps, pins.add_requirements("", texts).splitlines()
    except pins.Conflict as conflict:
        sys.exit(str(conflict))


def find_lender(requirements):
    """Return the folder whose constraints, Dockerfile and so on the gallery takes."""
    torch = "torch" in pins.by_package("\n".join(requirements))
    return find_app("resnet").folder if torch else SCRIPTS / "bare"


def assemble(folder):
    """Write the gallery into the empty `folder`, and return it as an app like any other."""

    def write(name, text):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")

    apps, requirements = find_whole_apps()
    # those with models first: in the image, each is a layer of its own, large and rarely changed
    sources = [*dict.fromkeys(app.folder for app in reversed(apps)), ROOT / "docs" / "images"]
    for source in sources:
        ignore = shutil.ignore_patterns(*LEFT_OUT.split())
        shutil.copytree(source, folder / source.relative_to(ROOT), ignore=ignore)
    (folder / "scripts" / "gallery").mkdir(parents=True)
    for name in PROGRAMS.split():
        shutil.copy(SCRIPTS / name, folder / "scripts" / name)
    shutil.copy(SCRIPTS / "gallery" / "main.py", folder)
    write("requirements.txt", "\n".join(["-c constraints.txt", *requirements, ""]))

    # it is packaged as a classifier is, or without PyTorch as a bare app, but for what is copied
    lender = find_lender(requirements)
    for name in ("constraints.txt", "start-script.sh", ".dockerignore"):
        shutil.copy(lender / name, folder)
    text = re.sub("(?m)^COPY --chown.*\n", "", (lender / "Dockerfile").read_text(encoding="utf-8"))
    names = [*(f"{source.relative_to(ROOT).parts[0]}/" for source in sources), "scripts/"]
    copies = [f"COPY --chown=app:app {json.dumps([name, name])}" for name in names]
    copies += ["COPY --chown=app:app main.py start-script.sh ./", "RUN chmod"]
    write("Dockerfile", text.replace("RUN chmod", "\n".join(copies)))
    return App(("gallery",), folder / "main.py", first_docstring_line(folder / "main.py"))


def install_packages():
    _, requirements = find_whole_apps()
    install([f"-c {find_lender(requirements) / 'constraints.txt'}", *requirements])
