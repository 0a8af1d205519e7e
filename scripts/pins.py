"""Put together the packages of an app and of recipes: requirements.txt and constraints.txt.

Both have lines such as `numpy==2.4.6; python_version >= "3.11"`, and a package may have several.
Needs nothing but Python.
"""

import re

NAME = re.compile(r"([\w.-]+)\s*(\[.*?\])?\s*(?:==\s*([^\s;]+))?")


class Conflict(ValueError):
    """Two lists want different versions of a package; the message names all three."""


def by_package(text):
    """Return {package: its lines} of a list; comments and options are left out."""
    packages = {}
    for line in map(str.strip, text.splitlines()):
        if line and line[0] not in "#-":
            name = re.sub(r"[-_.]+", "-", NAME.match(line)[1]).lower()
            packages.setdefault(name, []).append(line)
    return packages


def same(lines, others):
    return [re.sub(r"\s", "", line) for line in lines] == [re.sub(r"\s", "", o) for o in others]


def add_requirements(text, more):
    """Return a requirements.txt with the lines of other lists, {whose it is: text}.

    An extra without a version, `gradio[mcp]`, is added to the line of that package.
    """
    owners = dict.fromkeys(by_package(text), "your app")
    for owner, added in more.items():
        for name, lines in by_package(added).items():
            here = by_package(text).get(name, [])
            extra, version = NAME.match(lines[0])[2], NAME.match(lines[0])[3]
            if here and extra and not version:
                for old in here:
                    text = text.replace(old, re.sub(r"^([\w.-]+)(\[.*?\])?", rf"\1{extra}", old))
            elif here and not same(here, lines):
                raise Conflict(
                    f"{owners[name]} needs {here[0]}, and {owner} {lines[0]}. "
                    "Make them the same in the requirements.txt of one."
                )
            elif not here:
                text = insert(text, name, lines)
                owners[name] = owner
    return text


def insert(text, name, lines):
    """Insert the lines of a package where its name belongs by the alphabet."""
    rows = text.splitlines()
    later = [i for i, row in enumerate(rows) if any(other > name for other in by_package(row))]
    place = later[0] if later else len(rows)
    return "\n".join([*rows[:place], *lines, *rows[place:]]) + "\n"


def add_constraints(text, more, requirements=""):
    """Return a constraints.txt with those of other lists in the place of its own.

    Raises Conflict if two of the others, or the requirements, want something else.
    """
    owners, pins = {}, by_package(text)
    for owner, added in more.items():
        for name, lines in by_package(added).items():
            if name in owners and not same(pins[name], lines):
                raise Conflict(f"{owners[name]} needs {pins[name][0]}, and {owner} {lines[0]}.")
            owners[name], pins[name] = owner, lines
    for name, lines in by_package(requirements).items():
        allowed = {NAME.match(line)[3] for line in pins.get(name, [])}
        if allowed and not {NAME.match(line)[3] for line in lines} <= allowed | {None}:
            whose = owners.get(name, "constraints.txt")
            raise Conflict(f"requirements.txt needs {lines[0]}, and {whose} {pins[name][0]}.")
    return "".join(f"{line}\n" for name in sorted(pins) for line in pins[name])
