"""List the recipes and the starting points, or put recipes into the folder of an app.

A recipe is a folder in docs/recipes, a starting point one in docs/starting_points. All that is
known about one is read from its page, README.md: there is no other registry.

    # many_images: a folder of images in one go

    What it gives, in a sentence: for `make list` and the index.

    - topic: images
    - begins with: `resnet`, `vgg11`             the first of them if there is no FROM=
    - not with: `heat_map`: why                  other recipes
    - takes away: `download_model.py`, `pooch`   files and packages that are not needed any more
    - installs: `libxext6`                       packages of Debian for the image

    <!-- lines -->                               a block of code with the lines for main.py

What is in the recipe's folder `files` is copied, with what that imports from scripts/shared. Its
packages are in requirements.txt, and the versions of those that they bring in constraints.txt.
"""

import ast
import itertools
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pins
import placing
from apps import ROOT

SHARED = ROOT / "scripts" / "shared"  # files that several of them import
FOLDERS = {"recipe": "docs/recipes", "starting point": "docs/starting_points"}
TOPICS = ("images", "reliability", "another model", "tables", "sound", "sequences and molecules")
TOPICS += ("speed and size", "programs and agents")
FACTS = ("begins with", "not with", "takes away", "installs")
# what only downloads weights
DOWNLOAD = ("download_model.py", "pooch", "requests", "tqdm")
BLOCK = re.compile(r"(?ms)^<!-- lines -->\n```python\n(.*?)^```$")


class Recipe(NamedTuple):
    """A recipe or a starting point, as its page describes it."""

    name: str
    page: Path
    summary: str
    topic: str
    sources: tuple
    not_with: tuple
    takes_away: tuple
    installs: tuple
    block: str

    @property
    def folder(self):
        return self.page.parent

    @property
    def lines(self):
        """The lines for main.py, without the comments that say where each belongs."""
        return placing.split(self.block)

    @property
    def given(self):
        """The names and settings that its lines decide for the whole app."""
        return {*itertools.chain(*map(placing.given, self.lines))}

    def packages(self, name):
        """Return the text of its requirements.txt or constraints.txt; "" if it has none."""
        file = self.folder / name
        return file.read_text(encoding="utf-8") if file.exists() else ""


def read_page(page):
    text = page.read_text(encoding="utf-8")
    _, summary, facts, *_ = text.split("\n\n")
    facts = dict(re.findall(r"(?m)^- ([a-z ]+): (.*(?:\n  .*)*)", facts))
    named = {fact: tuple(re.findall("`(.+?)`", said)) for fact, said in facts.items()}
    block = BLOCK.search(text)
    return Recipe(
        page.parent.name,
        page,
        " ".join(summary.split()),
        facts["topic"],
        *(named.get(fact, ()) for fact in FACTS),
        block[1] if block else "",
    )


def find_recipes(kind="recipe", root=ROOT):
    """Return the recipes or starting points below `root`, by topic and name."""
    found = map(read_page, (root / FOLDERS[kind]).glob("*/README.md"))
    return sorted(found, key=lambda each: (TOPICS.index(each.topic), each.name))


def find_recipe(name):
    """Return the recipe called `name`, or end the program with a message that lists the names."""
    recipes = {recipe.name: recipe for recipe in find_recipes()}
    if name not in recipes:
        names = ", ".join(recipes)
        sys.exit(f'There is no recipe "{name}". The recipes are: {names}.\n`make list` shows more.')
    return recipes[name]


def clash(recipe, other):
    """Return why two recipes do not go together, or None if they do."""
    if other.name in recipe.not_with or recipe.name in other.not_with:
        return "their pages say why"
    if both := sorted(recipe.given & other.given):
        return f"each brings its own `{both[-1]}`"
    return None


def require_pairs(recipes):
    """End the program with a message if two of these recipes do not go together."""
    for one, other in itertools.combinations(recipes, 2):
        if reason := clash(one, other):
            sys.exit(f"{one.name} and {other.name} do not go together: {reason}.")


def first_source(recipes):
    """Return the app that these recipes begin with if FROM= does not say."""
    for source in recipes[0].sources:
        if all(source in recipe.sources for recipe in recipes):
            return source
    choices = "; ".join(f"{each.name} from {' or '.join(each.sources)}" for each in recipes)
    sys.exit(f"These recipes begin with different apps: {choices}. Choose one: FROM=...")


def put_in(recipes, folder):
    """Put recipes into the folder of an app.

    Returns {recipe: why its lines are not in main.py}, for those whose lines have no place there.
    Raises ValueError if nothing of a recipe fits, or if packages do not go together.
    """
    main, left = folder / "main.py", {}
    text = main.read_text(encoding="utf-8")
    for recipe in recipes:
        copy(recipe, folder)
        try:
            text = placing.place(text, recipe.lines)
        except placing.NoPlace as reason:
            left[recipe] = str(reason)
            if not any(has_place(text, recipe.lines, line) for line in recipe.lines):
                page = recipe.page.relative_to(ROOT)
                raise ValueError(
                    f"main.py {reason}, which {recipe.name} needs. See {page}"
                ) from None
    main.write_text(text, encoding="utf-8", newline="\n")
    add_packages(folder, recipes)
    for recipe in recipes:
        take_away(recipe.takes_away, folder)
    return left


def has_place(text, lines, line):
    """Tell whether a line has a place in a main.py, but for those that fit everywhere."""
    imports = [each for each in lines if "import " in each]
    try:
        return (
            line not in imports
            and not line.startswith("settings(")
            and bool(placing.place(text, [*imports, line]))
        )
    except placing.NoPlace:
        return False


def copy(recipe, folder):
    """Copy a recipe's files; raises ValueError if they import what the app does not have."""
    ours = {"image", "cores", "weights", "version", "guard", "middleware"}
    files = recipe.folder / "files"
    if not files.exists():
        return
    shutil.copytree(files, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__*"))
    add_imported(folder, [SHARED])
    for file in files.glob("*.py"):
        for module in sorted(modules(file) & ours):
            if not (folder / f"{module}.py").exists():
                raise ValueError(f"{recipe.name} needs {module}.py, which this app does not have")


def modules_of(imports):
    """Return the modules that import statements name, up to the first dot."""
    names = []
    for node in imports:
        froms = isinstance(node, ast.ImportFrom)
        names += [node.module or ""] if froms else [alias.name for alias in node.names]
    return {name.partition(".")[0] for name in names}


def modules(file):
    """Return the modules that a Python file imports, wherever it does."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8"), file.name))
    return modules_of(node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom))


def add_imported(folder, places):
    """Copy the files that a folder's files import and lack from the first place; return them."""
    todo, added = [*folder.glob("*.py")], []
    while todo:
        names = [f"{module}.py" for module in modules(todo.pop())]
        for place, name in itertools.product(places, names):
            if (place / name).exists() and not (folder / name).exists():
                added.append(Path(shutil.copy(place / name, folder)))
                todo.append(added[-1])
    return added


def add_packages(folder, recipes):
    """Add the packages of recipes or starting points; raises ValueError if two contradict."""
    files = [folder / "requirements.txt", folder / "constraints.txt"]
    wanted, fixed = (file.read_text(encoding="utf-8") for file in files)
    more, pinned = ({each.name: each.packages(file.name) for each in recipes} for file in files)
    wanted = pins.add_requirements(wanted, more)
    fixed = pins.add_constraints(fixed, pinned, wanted)
    for file, text in zip(files, (wanted, fixed), strict=True):
        file.write_text(text, encoding="utf-8", newline="\n")


def take_away(names, folder):
    """Delete files, and take packages out of requirements.txt."""
    file = folder / "requirements.txt"
    rows = file.read_text(encoding="utf-8").splitlines()
    rows = [row for row in rows if not {*pins.by_package(row)} & {*names}]
    file.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8", newline="\n")
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8")
    for name in names:
        (folder / name).unlink(missing_ok=True)
        # its row in the table of files, and the lines that have users run it
        line = rf"(?m)^(\| `{name}`|python {name}|.*, so run `python {name}` before).*\n\n?"
        text = re.sub(line, "", text) if name.endswith(".py") else text
    card.write_text(text, encoding="utf-8", newline="\n")


def show(kind, setting):
    """Print the recipes or the starting points by topic."""
    found = find_recipes(kind)
    width = max(len(each.name) for each in found)
    print(f"\n{kind.capitalize()}s, {setting}")
    for topic, group in itertools.groupby(found, lambda each: each.topic):
        print(f"  {topic}")
        for each in group:
            print(f"    {each.name:{width}}  {each.summary}")


def show_both():
    show("starting point", "complete apps to start from: make new NAME=my_app FROM=cells")
    show("recipe", "to add to an app: make new NAME=my_app FROM=resnet WITH=many_images,not_sure")
    print("\nTheir pages: docs/starting_points/NAME/README.md and docs/recipes/NAME/README.md")
