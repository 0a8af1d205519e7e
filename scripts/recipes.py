"""List the recipes, or put one into the folder of an app.

A recipe is a folder in docs/recipes: a page (README.md), a diff with the name of the folder, and
in `files` what is copied as it is. The diff's first line says what the recipe gives, its second
the apps that it is for, the first of them by default; there is no other registry.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from apps import ROOT


class Recipe(NamedTuple):
    """One recipe: its name, its diff, what it gives, and the apps that it is for."""

    name: str
    diff: Path
    summary: str
    sources: tuple


def find_recipes(root=ROOT):
    """Return all recipes below `root` by name."""
    recipes = []
    for diff in sorted((root / "docs" / "recipes").glob("*/*.diff")):
        summary, second = diff.read_text(encoding="utf-8").splitlines()[:2]
        sources = tuple(second.removeprefix("FROM=").split(", "))
        recipes.append(Recipe(diff.stem, diff, summary, sources))
    return recipes


def find_recipe(name):
    """Return the recipe called `name`, or end the program with a message that lists the names."""
    recipes = {recipe.name: recipe for recipe in find_recipes()}
    if name not in recipes:
        names = ", ".join(recipes)
        sys.exit(f'There is no recipe "{name}". The recipes are: {names}.\n`make list` tells more.')
    return recipes[name]


def changes(recipe):
    """Yield, for each change of the diff, the name of a file, the old lines and the new ones."""
    import unidiff

    for file in unidiff.PatchSet(recipe.diff.read_text(encoding="utf-8")):
        for hunk in file:
            old, new = ("".join(line[1:] for line in lines) for lines in (hunk.source, hunk.target))
            yield file.path, old, new


def put_in(recipe, folder):
    """Change a folder as the recipe says: lines are found by what they say, wherever they are.

    Raises ValueError if one of them is not there, or there twice.
    """
    for name, old, new in changes(recipe):
        file = folder / name
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        text, count = re.subn(rf"(?m)^{re.escape(old)}", lambda _, new=new: new, text)
        if count != 1:
            raise ValueError(
                f"{name} is not as the recipe {recipe.name} expects it.\n"
                f"That one is for FROM={' or '.join(recipe.sources)}."
            )
        file.write_text(text, encoding="utf-8", newline="\n")
    if (files := recipe.diff.parent / "files").is_dir():
        shutil.copytree(files, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__*"))


def main(argv=None):
    argparse.ArgumentParser(description="List the recipes of the gallery.").parse_args(argv)
    rows = [("WITH=", "FROM=", "what it gives")]
    rows += [(each.name, " or ".join(each.sources), each.summary) for each in find_recipes()]
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    print()
    for row in rows:
        print(f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}")


if __name__ == "__main__":
    main()
