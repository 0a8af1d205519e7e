"""Bring the gallery's files in a copy up to date, except those that the author changed.

The same copy is made again beside it and compared; what `make new` noted in copied_from.json tells
who changed a file. main.py, data/ and the texts are never touched. Needs nothing but Python.
"""

import difflib
import shutil
import sys
import tempfile
from pathlib import Path

import new
import origin
import pins
import recipes
from apps import ROOT, find_app
from maintain.sync import CLASSIFIERS

REQUIREMENTS = "requirements.txt"
MANY = 40  # more lines are counted and not shown
TEXT = "docs/reference/privacy-and-licences.md, Update your copy"


def text_of(file):
    return new.read(file) if file.is_file() else ""


def make_again(folder, note, place):
    """Return a copy as `make new` would make it today; raises ValueError if it cannot."""
    fresh = Path(place, "fresh")
    known = {recipe.name: recipe for recipe in recipes.find_recipes()}
    chosen = [known[name] for name in note["recipes"] if name in known]  # a recipe may be gone
    new.make_folder(new.find_source(note["from"]), fresh, "fresh", chosen)
    if not (folder / recipes.DOWNLOAD[0]).exists():
        recipes.take_away(recipes.DOWNLOAD, fresh)
    return fresh


def guess(folder):
    """Return a note for a copy without a usable one: it is from the app that is most like it."""
    packages = pins.by_package(text_of(folder / REQUIREMENTS))
    name = "resnet" if "torch" in packages else "sepia" if "pillow" in packages else "hello"
    return {"from": name, "recipes": [], "requirements": [], "sha256": {}}


def compare(folder, fresh, note):
    """Return the names of the files to replace or add, and of those that only the author can."""
    ours, authors = [], []
    for name in origin.ours(fresh):
        now, was = origin.digest(folder / name), note["sha256"].get(name)
        if now == origin.digest(fresh / name) or (was and not now):  # the author deleted it
            continue
        (ours if now == was else authors).append(name)
    return ours, authors


def new_requirements(folder, fresh, note):
    """Return the text of requirements.txt with the gallery's own lines as they are now."""
    text = text_of(folder / REQUIREMENTS)
    here, before = pins.by_package(text), pins.by_package("\n".join(note["requirements"]))
    for package, lines in pins.by_package(new.read(fresh / REQUIREMENTS)).items():
        if package in here and here[package] == before.get(package):
            text = text.replace("\n".join(here[package]), "\n".join(lines))
        elif package not in {*here, *before}:
            text = pins.insert(text, package, lines)
    return text


def difference(old, text):
    """Return the lines that differ: those to take out after a -, those to put in after a +."""
    lines = difflib.ndiff(old.splitlines(), text.splitlines())
    return [f"      {line}" for line in lines if line[:2] in ("- ", "+ ")]


def in_gallery(file, name):
    """Return where the gallery has this very file, or None: some are put together from several."""
    for pattern in (name, "*/{}", "scripts/*/{}", "docs/*/*/{}", "docs/*/*/files/{}"):
        for other in ROOT.glob(pattern.format(name.removeprefix("checks/"))):
            if origin.digest(other) == origin.digest(file):
                return other.relative_to(ROOT).as_posix()
    return None


def say_by_hand(folder, fresh, name, wanted):
    """Print what the author has to change in a file."""
    old = text_of(folder / name)
    lines, place = difference(old, wanted), in_gallery(fresh / name, name)
    if not old:
        print(f"  by hand: {name} is missing. Copy {place} there")
    elif place and len(lines) > MANY:
        print(f"  by hand: {name} has {len(lines)} other lines. Compare it with {place}")
    else:
        print(f"  by hand: {name}, these lines:", *lines, sep="\n")


def prepare(folder, fresh, note):
    """Print what is to be done; return {name: new text} of what this program can do."""
    ours, authors = compare(folder, fresh, note or guess(folder))
    texts = {name: text_of(fresh / name) for name in [*ours, *authors, REQUIREMENTS]}
    if note:
        texts[REQUIREMENTS] = new_requirements(folder, fresh, note)
        say_other_versions(texts[REQUIREMENTS], text_of(fresh / REQUIREMENTS))
    if texts[REQUIREMENTS] != text_of(folder / REQUIREMENTS):
        # with constraints of the author's own, the gallery's versions may not go together
        (authors if "constraints.txt" in authors else ours).append(REQUIREMENTS)
    if not note:  # an older copy: nobody knows what the author changed
        authors, ours = [*authors, *ours], []
    for name in ours:
        print(f"  {'replace' if (folder / name).exists() else 'add'}: {name}")
        if name == REQUIREMENTS:
            print(*difference(text_of(folder / name), texts[name]), sep="\n")
    for name in authors:
        say_by_hand(folder, fresh, name, texts[name])
    return {name: texts[name] for name in ours}


def say_other_versions(text, wanted):
    """Print the packages of which the author chose another version than the gallery has."""
    here, there = pins.by_package(text), pins.by_package(wanted)
    names = [name for name in there if here.get(name, there[name]) != there[name]]
    if names:
        old, now = ("\n".join(line for n in names for line in each[n]) for each in (here, there))
        print(f"  by hand: {REQUIREMENTS}, if your versions can change:")
        print(*difference(old, now), sep="\n")


def put_in(folder, fresh, note, new_texts):
    """Write the new files, and note what they are now."""
    for name, text in new_texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        new.write(folder / name, text)
        shutil.copymode(fresh / name, folder / name)
    wanted = {each: origin.digest(fresh / each) for each in origin.ours(fresh)}
    same = {each: was for each, was in wanted.items() if origin.digest(folder / each) == was}
    note["sha256"] |= same
    note["requirements"] = new.read(fresh / REQUIREMENTS).splitlines()
    origin.write_note(folder, note)


def agreed(yes):
    """Ask the person at the screen, unless the command said yes."""
    if not yes and not sys.stdin.isatty():
        sys.exit("Nothing was changed. To change these files: the same command with ARGS=--yes")
    return yes or input("Change these files? Type yes: ").strip().lower() == "yes"


def main(name, words=()):
    if {*words} - {"--yes"}:
        sys.exit("ARGS can only be --yes, which skips the question.")
    app = find_app(name)
    folder, note = app.folder, origin.read_note(app.folder)
    if app.is_step or folder in [ROOT / each for each in CLASSIFIERS]:
        sys.exit(f"{app.name} is an app of the gallery itself. Update the gallery: git pull")
    now = origin.called(*origin.version())
    with tempfile.TemporaryDirectory() as place:
        try:
            fresh = make_again(folder, note or guess(folder), place)
        except ValueError as error:
            sys.exit(f"{app.name} cannot be compared: {error}")
        known = "an older copy"
        if note:
            was = origin.called(note["version"], note["commit"])
            known = f"copied from {note['from']}, {was}"
        print(f"{app.name}, {known}; the gallery is at {now}:")
        new_texts = prepare(folder, fresh, note)
        if not note:
            print(f"Then main.py: {TEXT}")
        elif not new_texts:
            print("  There is nothing to replace.")
        elif agreed("--yes" in words):
            put_in(folder, fresh, note, new_texts)
            print(f"Done. Try it: make smoke APP={name}   Then publish it under a new tag.")
        else:
            print("Nothing was changed.")
