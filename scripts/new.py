"""Make a folder for an app of your own from an app of the gallery.

From a classifier, it is a copy without weights and caches. From a step app, it is the smallest
folder that SciLifeLab Serve can run: the step's code, started and packaged like a classifier.
Needs nothing but Python.
"""

import argparse
import ast
import keyword
import re
import shutil
import signal
import sys
import unicodedata

from apps import ROOT, SUFFIX, find_app, find_apps

CLASSIFIER = ROOT / "resnet_image_classification"  # lends a bare folder what a step app has not
LEFT_OUT = (
    *("*.pth", "*.replaced", ".download-*", "__pycache__", ".gradio", ".venv", ".git"),
    *(".*_cache", ".ipynb_checkpoints", ".DS_Store"),
)
LONGEST = 40
IMPOSSIBLE = (
    (r"\s", "has a space in it"),
    (r"[A-Z]", "has a capital letter, which no image may have"),
    (r"[^a-z0-9_]", "has other characters than a to z, 0 to 9 and _"),
    (r"^[^a-z]", "does not begin with a letter"),
    (r"__|_$", "has a _ at its end or two in a row, which no image may have"),
    (rf".{{{LONGEST + 1}}}", f"has more than {LONGEST} characters"),
)
SUMMARY = "to be written: what the app does, in one line."
COPY_NOTE = """\
> **To be written.** This folder was copied from `{source}`. What is said here and in
> `data/README.md` about the model, its accuracy, its licences and its authors is true of the model
> of that folder, **not of yours**. Write your own, then delete this note.
"""
BARE_README = """\
---
title: {title}
emoji: 🔎
colorFrom: blue
colorTo: green
sdk: docker
app_port: 8080
pinned: false
---

# {title}

> **To be written.** What the app does, for whom, what it must not be used for, how to cite it, and
> what happens to the data that people type or upload.

## Run it

You need Python 3.10 or later. In this folder:

```bash
pip install -r requirements.txt
python main.py
```

Open <http://localhost:8080>. Ctrl-C in the terminal stops the app. While it runs, other computers
in your network can open it too. `PORT=9000 python main.py` uses another port.

## Docker

```bash
docker build -t {name}:v1 .
docker run --rm -p 8080:8080 {name}:v1
```

The first lines of this file are for Hugging Face Spaces: they make this folder a Docker Space.
"""


# ---- The name ----


def problem(name):
    """Return why there cannot be a new app of this name, or None if there can."""
    for pattern, reason in IMPOSSIBLE:
        if re.search(pattern, name):
            return reason
    if keyword.iskeyword(name):
        return "is a word of the Python language"
    if name == "all":
        return "stands for every app at once"
    # some computers take "License" and "license" for the same name
    if name in {path.name.lower() for path in ROOT.iterdir()}:
        return "is there already"
    names = {name, SUFFIX.sub("", name)}
    for app in find_apps():
        if taken := names & {*app.names}:
            return f"would be mixed up with {app.file.relative_to(ROOT)}, also called {min(taken)}"
    return None


def suggest(name):
    """Return a possible name that is like this one."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9]+", "_", plain)[: LONGEST - 7].strip("_") or "app"
    candidates = [plain, f"my_{plain}", *(f"my_{plain}_{number}" for number in range(2, 1000))]
    return next(candidate for candidate in candidates if not problem(candidate))


def require_possible(name):
    """End the program with a sentence if there cannot be a new app of this name."""
    if not name.strip():
        sys.exit("A new app needs a name, such as NAME=leaf_disease.")
    if reason := problem(name):
        sys.exit(f'The name "{name}" {reason}; NAME={suggest(name)} is possible.')


# ---- The folder ----


def read(file):
    return file.read_text(encoding="utf-8")


def write(file, text):
    file.write_text(text, encoding="utf-8", newline="\n")


def split_at(mark, text, file):
    """Split a text at a mark that must be there once: else this program is out of date."""
    if text.count(mark) != 1:
        form = f"{file} has changed its form. This is there {text.count(mark)} times, not once:"
        sys.exit(f"{form}\n{mark.strip()}")
    return text.split(mark)


def copy_folder(app, folder, title, name):
    """Copy the folder of an app, and put the new name where the old one is."""
    shutil.copytree(app.folder, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    main, card = folder / "main.py", folder / "README.md"
    text = re.sub(r'\A"""[^\n]*?(?="""|\n)', f'"""{title}: {SUMMARY}', read(main))
    write(main, re.sub(r'(?m)^TITLE = ".*"$', f'TITLE = "{title}"', text))
    if card.exists():
        text = re.sub(r"(?m)^title: .*$", f"title: {title}", read(card), count=1)
        note = COPY_NOTE.format(source=app.folder.name)
        text = re.sub(r"(?m)^# .*\n", f"# {title}\n\n{note}", text, count=1)
        write(card, re.sub(r"(?m)^(docker (?:build -t|run .*?)) \S+:v1", rf"\1 {name}:v1", text))


def bare_main(app, title):
    """Return a step's code as a main.py that starts and stops as a classifier does."""
    guard = '\nif __name__ == "__main__":\n'
    step = '    demo.launch(server_name="0.0.0.0", server_port=8080'
    code, more = split_at(guard + step, read(app.file), app.file)
    _, launch = split_at(guard, read(CLASSIFIER / "main.py"), CLASSIFIER / "main.py")
    if more := more.strip().removesuffix(")").lstrip(", "):  # a step's own, such as a theme
        launch = launch.removesuffix("    )\n") + f"        {more},\n    )\n"
    own, code = split_at("\nimport gradio as gr\n", code, app.file)
    imports = {*re.findall(r"(?m)^import .*$", own), "import os", "import signal"}
    top = f'"""{title}: {SUMMARY}"""\n\n' + "\n".join(sorted(imports))
    return f"{top}\n\nimport gradio as gr\n{code}{guard}{launch}"


def bare_requirements(app):
    """Return those lines of a step's requirements.txt that its own imports ask for."""
    nodes = list(ast.walk(ast.parse(read(app.file))))
    imported = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    imported |= {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    wanted = {name.partition(".")[0].replace("PIL", "pillow") for name in imported}
    lines = read(app.folder / "requirements.txt").splitlines(keepends=True)
    return "".join(line for line in lines if re.match(r"[\w-]*", line).group() in wanted)


def bare_dockerfile(app):
    """Return a classifier's Dockerfile, with the packages of a step and without data/."""
    file, packages = CLASSIFIER / "Dockerfile", "\n\n# Packages come before the code"
    data, code = "\n\n# The weights and the examples", "\n\n# The app."
    before, after = split_at(packages, read(file), file)
    split_at(data, after, file)
    _, after = split_at(code, after, file)
    _, step = split_at(packages, read(app.folder / "Dockerfile"), app.folder / "Dockerfile")
    return before + packages + step.partition("\n\n")[0] + code + after


def make_bare_folder(app, folder, title, name):
    """Make a folder of the least that an app needs, around the code of a step."""
    folder.mkdir()
    write(folder / "main.py", bare_main(app, title))
    write(folder / "requirements.txt", bare_requirements(app))
    write(folder / "Dockerfile", bare_dockerfile(app))
    write(folder / "README.md", BARE_README.format(title=title, name=name))
    shutil.copy(CLASSIFIER / "start-script.sh", folder)
    shutil.copy(app.folder / ".dockerignore", folder)


def make_folder(app, name):
    """Make the folder under a hidden name, and only when it is whole give it its own."""
    title = name.replace("_", " ").capitalize()
    unfinished = ROOT / f".{name}.new"
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    try:
        (make_bare_folder if app.is_step else copy_folder)(app, unfinished, title, name)
        unfinished.rename(ROOT / name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def next_steps(app, name):
    """Return, in five lines, what was made and what to do next."""
    has_model = not app.is_step and (app.folder / "download_model.py").exists()
    made = f"from {app.file.relative_to(ROOT) if app.is_step else app.folder.name}"
    if has_model:
        made, code = f"{made}, without its weights", 'the part "Your model", and the first line'
        other = ("download_model.py", "where your weights are; or delete it, and put them in data/")
    else:
        code = "your function, its inputs and outputs, and the first line"
        other = ("requirements.txt", "each package that you import, as name==version")
    rows = [("main.py", code), other, ("README.md", "what people must know about your app")]
    width = max(len(f"{name}/{file}") for file, _ in rows)
    return "\n".join(
        [
            f"Made {name}, {made}. Edit next:",
            *(f"  {f'{name}/{file}':{width}}  {what}" for file, what in rows),
            f"Start it: make run APP={name}   Then: make smoke, make check, make docker APP={name}",
        ]
    )


def main(argv=None):
    parser = argparse.ArgumentParser(description="Make a folder for an app of your own.")
    parser.add_argument("name", help="its name, such as leaf_disease")
    parser.add_argument("--from", default="hello", dest="source", help="the app to begin with")
    arguments = parser.parse_args(argv)
    app = find_app(arguments.source)
    require_possible(arguments.name)
    try:
        make_folder(app, arguments.name)
    except KeyboardInterrupt:
        sys.exit(f"\nStopped. {arguments.name} was not made.")
    except OSError as error:
        # of several files that could not be copied, the first says it
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error
        sys.exit(f"{arguments.name} was not made: {reason}")
    print(next_steps(app, arguments.name))


if __name__ == "__main__":
    for stop in (signal.SIGINT, signal.SIGTERM):  # tidy up, also when started in the background
        signal.signal(stop, signal.default_int_handler)
    main()
