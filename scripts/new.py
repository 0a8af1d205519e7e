"""Make a folder for an app of your own by copying another one.

FROM=resnet copies a classifier without its weights. FROM=hello copies the folder `bare`, the
smallest that SciLifeLab Serve can run; FROM=sepia puts the code of that step into such a copy, and
FROM=cells that of a starting point. WITH=many_images,not_sure puts recipes into it. Each folder
gets what GitHub needs to build, try and publish its image; OUT=../leaf makes it a repository of its
own. Needs nothing but Python.
"""

import ast
import keyword
import os
import re
import shutil
import subprocess
import sys
import textwrap
import unicodedata
from pathlib import Path

import origin
import placing
import recipes
import sheets
from apps import ROOT, SUFFIX, App, find_app, find_apps

SCRIPTS = ROOT / "scripts"
BARE = SCRIPTS / "bare"
# where the files are that an app imports and that are neither its own nor in BARE
SHARED = (ROOT / "resnet_image_classification", recipes.SHARED, ROOT / "docs/starting_points/cells")
# for a folder that becomes a repository of its own; not for those of the gallery
ON_GITHUB, CODESPACE = SCRIPTS / "on_github", ROOT / ".devcontainer"
CHECKS = ("smoke.py", "reference_predictions.py")
TOO_LARGE = 100 * 2**20  # GitHub refuses larger files
OF_GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")  # set while a hook of another one runs
LEFT_OUT = "*.pth expected.json *.replaced .download-* __pycache__ .*_cache .ipynb_checkpoints"
LEFT_OUT = f"{LEFT_OUT} expected .gradio .venv .git .DS_Store training".split()
# for the Dockerfile of a starting point
DATA = "\n# What the app reads.\nCOPY --chown=app:app data/ data/\n"
INSTALL = """
# Libraries of Debian that a package below needs.
RUN apt-get update && apt-get install -y --no-install-recommends {} \\
    && rm -rf /var/lib/apt/lists/*
"""
WHERE = ("server_name", "server_port")  # what guard.py decides
# a name that a container image may have as well
NAME, LONGEST = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*"), 40
RULE = f"must begin with a letter and have only a to z, digits and single _, up to {LONGEST} in all"
COPY_NOTE = """
> **To be written.** This folder was copied from `{source}`. What is said here and in
> `data/README.md` about the model, its accuracy, its licences and its authors is true of the model
> of that folder, **not of yours**. Write your own, then delete this note.
"""


def problem(name, outside=False):
    """Return why there cannot be a new app of this name, or None if there can.

    One outside the gallery may be called as one in it.
    """
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        return RULE
    if keyword.iskeyword(name):
        return "is a word of the Python language"
    if name == "all":
        return "stands for every app at once"
    if outside:
        return None
    # some computers take "License" and "license" for the same name
    if name in {path.name.lower() for path in ROOT.iterdir()}:
        return "is there already"
    names = {name, SUFFIX.sub("", name)}
    for app in find_apps():
        if taken := names & {*app.names}:
            return f"would be confused with {app.file.relative_to(ROOT)}, also called {min(taken)}"
    return None


def suggest(name):
    """Return a possible name that is like this one."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9]+", "_", plain)[: LONGEST - 7].strip("_") or "app"
    candidates = [plain, f"my_{plain}", *(f"my_{plain}_{number}" for number in range(2, 1000))]
    return next(candidate for candidate in candidates if not problem(candidate))


def read(file):
    return file.read_text(encoding="utf-8")


def write(file, text):
    file.write_text(text, encoding="utf-8", newline="\n")


def protect(text, name):
    """Return the text of a step's file, protected and launched as `bare` is."""
    tree, bare = ast.parse(text, name), read(BARE / "main.py")
    match tree.body:
        case [*_, ast.If(body=[*_, ast.Expr(ast.Call() as launch)]) as last]:
            text = "".join(text.splitlines(keepends=True)[: last.lineno - 1])
        case _:
            raise ValueError(f"{name} does not end with demo.launch(...), as the other steps do")
    text += bare[bare.index("if __name__") :]
    if "prepare_uploads()" not in text:
        pages = [node.lineno for node in tree.body if ast.unparse(node).startswith("demo = ")]
        text = placing.insert(text, pages[0] - 1, re.search(r"(?m)^prepare_uploads\(.*", bare)[0])
    kept = [each for each in launch.keywords if each.arg not in (None, *WHERE)]
    lines = [f"settings(demo, {ast.unparse(each)})" for each in kept]
    return placing.place(text, ["from guard import prepare_uploads, settings", *lines])


def put_in(step, folder):
    """Put the code of a step into a copy of `bare`, with the files that it imports."""
    write(folder / "main.py", protect(read(step), step.name))
    if recipes.add_imported(folder, [step.parent]):  # sepia, which needs more packages
        for name in ("requirements.txt", "constraints.txt"):
            shutil.copy(step.with_name(name), folder)


def add_starting_point(point, folder):
    """Add to a copy of `bare` the files of a starting point, and those that they import."""
    own = shutil.ignore_patterns("requirements.txt", "constraints.txt", "__pycache__")
    page, ours = folder / "README.md", (BARE / "README.md").read_bytes()
    shutil.copytree(point.folder, folder, ignore=own, dirs_exist_ok=True)
    page.write_bytes(ours)
    recipes.add_imported(folder, SHARED)
    recipes.add_packages(folder, [point])
    dockerfile = folder / "Dockerfile"
    if (folder / "data").exists():
        add_above("\n# The app: all Python files", DATA, dockerfile)
    if point.installs:
        add_above("\n# Packages come before", INSTALL.format(" ".join(point.installs)), dockerfile)


def add_above(place, lines, file):
    write(file, read(file).replace(place, lines + place))


def find_source(name):
    """Return the app or the starting point of this name, or end the program with a message."""
    points = {point.name: point for point in recipes.find_recipes("starting point")}
    if name in points and not any(app.folder.name == name for app in find_apps()):
        return points[name]
    try:
        app = find_app(name)
    except SystemExit as error:
        sys.exit(f"{error}\nThere are starting points, too: {', '.join(points)}.")
    return app._replace(file=BARE / "main.py") if app.file.name == "hello_app.py" else app


def folder_of(source):
    """Return the folder that is copied; a step or a starting point is put into a copy of `bare`."""
    return source.folder if isinstance(source, App) and not source.is_step else BARE


def copy_folder(app, folder, title, name):
    """Copy the folder of an app, and put the new name where the old one is."""
    source = folder_of(app)
    shutil.copytree(ON_GITHUB, folder)
    shutil.copytree(CODESPACE, folder / CODESPACE.name)
    leave_out = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(source, folder, ignore=leave_out, dirs_exist_ok=True)
    if not isinstance(app, App):
        add_starting_point(app, folder)
    elif app.is_step:
        put_in(app.file, folder)
    (folder / "checks").mkdir(exist_ok=True)
    for check in CHECKS:
        shutil.copy(SCRIPTS / check, folder / "checks")
    recipes.add_imported(folder / "checks", [SCRIPTS])
    main, card, dockerfile = (folder / n for n in ("main.py", "README.md", "Dockerfile"))
    summary = f'"""{title}: to be written: what the app does, in one line.'
    text = re.sub(r'\A"""[^\n]*?(?="""|\n)', summary, read(main))
    own = r'(?m)(^TITLE = |^    title=|^with gr\.Blocks\(title=)"[^"\n]*"'
    write(main, re.sub(own, rf'\1"{title}"', text))
    # neither this repository's address nor its licence; GitHub fills in that of the author's own
    text = re.sub(r"(?m)^(ARG SOURCE=).*", r"\1", read(dockerfile))
    write(dockerfile, re.sub(r' \\\n.*image\.licenses=".*"', "", text))
    if card.exists():
        text = re.sub(r"(?m)^title: .*$", f"title: {title}", read(card), count=1)
        note = "" if source == BARE else COPY_NOTE.format(source=source.name)
        text = re.sub(r"(?m)^# .*\n", f"# {title}\n{note}", text, count=1)
        write(card, re.sub(r"(?m)^(docker (?:build -t|run .*?)) \S+:v1", rf"\1 {name}:v1", text))


def make_folder(app, folder, name, chosen=(), put_model=None):
    """Make the folder under a hidden name, and only when it is whole give it its own.

    `put_model` puts a model into it. Returns the recipes of `chosen` whose lines have no place in
    it, each with the reason.
    """
    unfinished, title = folder.with_name(f".{name}.new"), name.replace("_", " ").capitalize()
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    try:
        copy_folder(app, unfinished, title, name)
        if put_model:
            put_model(unfinished)
        left = recipes.put_in(chosen, unfinished) if chosen else {}
        names = [each.name for each in chosen]
        note = origin.note_of_copy(unfinished, folder_of(app), app.name, names)
        origin.write_note(unfinished, note)
        sheets.write(unfinished, title, name)
        unfinished.rename(folder)
        return left
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def folder_outside(text):
    """Return the folder that OUT= names, or end the program with a message."""
    folder = Path(text).expanduser().resolve()
    if folder == ROOT or ROOT in folder.parents:
        sys.exit(f"OUT={text} is in the gallery. Leave OUT out, or name a place outside it.")
    if folder.exists():
        sys.exit(f"OUT={text} already exists. Name a new folder.")
    return folder


def make_repository(folder):
    """Make a folder a git repository with all files committed; return what to say about it."""
    said = leave_out_large_weights(folder)
    if not shutil.which("git"):
        return (
            f"{said}There is no git here. GitHub Desktop can make it a repository. On Linux,\n"
            "install git, delete the folder and make it again."
        )
    environment = {name: value for name, value in os.environ.items() if name not in OF_GIT}

    def git(*words):
        command = ["git", "-C", str(folder), *words]
        return not subprocess.run(command, env=environment, capture_output=True).returncode

    first = ("commit", "--message", "The app as it was copied")
    git("init"), git("symbolic-ref", "HEAD", "refs/heads/main"), git("add", "--all")
    if git("-c", "commit.gpgsign=false", *first):
        return f"{said}It is a git repository. The end of its README.md says how to publish it."
    return (
        f"{said}It is a git repository. Commit its files; the end of README.md says what follows."
    )


def leave_out_large_weights(folder):
    """Keep files that GitHub refuses out of a repository; return what to say about them."""
    large = [file for file in folder.glob("data/*") if file.stat().st_size > TOO_LARGE]
    if not large:
        return ""
    file = folder / ".gitignore"
    write(file, read(file) + "".join(f"data/{each.name}\n" for each in large))
    names = ", ".join(f"data/{each.name}" for each in large)
    return (
        f"GitHub accepts no file over 100 MB, so git leaves out {names}. Publish it, on Zenodo\n"
        "for example, and let download_model.py of a classifier fetch it from there.\n"
    )


def missing_lines(left, name):
    """Return the lines of recipes that have no place in main.py, for the author to write."""
    said = ""
    for recipe, reason in left.items():
        said += f"\n\nLines of {recipe.name} are missing: main.py {reason}.\n"
        said += f"Write them into {name}/main.py where they belong in your app:\n\n"
        said += textwrap.indent(recipe.block.rstrip(), "    ")
    return said


def next_steps(app, name, chosen=()):
    """Return, in a few lines, what was made and what to do next; `name` may be a path."""
    points = [] if isinstance(app, App) else [app]
    if points:
        source = f"the starting point {app.name}"
    else:
        source = os.path.relpath(app.file if app.is_step else app.folder, ROOT)
    weights = [] if points else sorted((folder_of(app) / "data").glob("*.pth"))
    left_out = ", ".join(f"data/{file.name}" for file in weights if file != app.weights)
    code = "your function, its inputs and outputs, and the first line"
    other = ("requirements.txt", "each package that you import, as name==version")
    if not points and not app.is_step and (app.folder / "download_model.py").exists():
        source, code = f"{source}, without its weights", 'the part "Your model", and the first line'
        other = ("download_model.py", "where your weights are; or delete it, and put them in data/")
    after = f"Start it: make run APP={name}   Then: make smoke, make check, make docker APP={name}"
    after += f"\nNot copied: {left_out}. Copy it if your app loads it." * bool(left_out)
    if points or chosen:
        added = f", with {', '.join(each.name for each in chosen)}" if chosen else ""
        pages = ", ".join(each.page.relative_to(ROOT).as_posix() for each in [*points, *chosen])
        return f"Made {name}, from {source}{added}. What to do next: {pages}\n{after}"
    rows = [("main.py", code), other, ("README.md", "what users must know about your app")]
    width = max(len(file) for file, _ in rows)
    lines = [f"  {name}/{file:{width}}  {what}\n" for file, what in rows]
    after += "\nNo Docker? GitHub can build it: docs/workshop/2-container.md, Without Docker"
    return f"Made {name}, from {source}. Edit next:\n{''.join(lines)}{after}"


def prepare_model(model, labels, source, name, place):
    """Return the app for the model of MODEL=, what puts it in there, and what to say then.

    Ends the program with the reason if there is none.
    """
    import inspect_model
    import model_app

    file = inspect_model.find("MODEL", model)
    labels = inspect_model.find("LABELS", labels) if labels else None
    try:
        model = inspect_model.look_into(file)
    except inspect_model.Other as error:
        what, remedy = error.args
        sys.exit(f"{name} was not made. {file.name}: {what}.\n{remedy}")
    fits = model.source if isinstance(model, inspect_model.Finished) else "resnet"
    if source not in ("", fits):
        sys.exit(f"This model makes a copy of the app {fits}: leave FROM= out.")
    labels = model_app.labels_for(model, labels)
    left = model_app.still_yours(model, labels, place)
    said = f"Made {place}, with {model.text}.\nStill yours to check:\n{left}\n"
    said += f"Start it: make run APP={place}   Then: make smoke, make check, make expect"
    return fits, lambda folder: model_app.put_in(file, model, labels, folder, name), said


def require_no_network(chosen):
    """End the program with a message if a recipe brings a network, as MODEL= does."""
    for recipe in chosen:
        if "model" in recipe.given:
            sys.exit(f"MODEL= and {recipe.name} each bring a network: leave one of them out.")


def main(name, source="", wanted="", model="", labels="", out=""):
    """Make a folder for an app: see `make help COMMAND=new`."""
    wanted = dict.fromkeys(filter(None, re.split(r"[,\s]+", wanted)))
    chosen = [recipes.find_recipe(each) for each in wanted]
    recipes.require_pairs(chosen)
    app = find_source(source or (recipes.first_source(chosen) if chosen else "hello"))
    if not name.strip():
        sys.exit("A new app needs a name. Set one, such as NAME=leaf_disease.")
    if reason := problem(name, bool(out)):
        sys.exit(f'The name "{name}" {reason}; NAME={suggest(name)} is possible.')
    folder = folder_outside(out) if out else ROOT / name
    place, put_model = out or name, None
    if model:
        require_no_network(chosen)
        source, put_model, yours = prepare_model(model, labels, source, name, place)
        app = find_source(source)
    elif labels:
        sys.exit("LABELS= belongs to a model: set MODEL=..., too, such as MODEL=best.pth.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        left = make_folder(app, folder, name, chosen, put_model)
    except KeyboardInterrupt:
        sys.exit(f"\nStopped. {name} was not made.")
    except (OSError, SyntaxError, ValueError) as error:
        # of several files that could not be copied, the first says it
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error
        sys.exit(f"{name} was not made: {reason}")
    said = yours if put_model else next_steps(app, place, chosen)
    print(said + missing_lines(left, place))
    if out:
        print(make_repository(folder))
