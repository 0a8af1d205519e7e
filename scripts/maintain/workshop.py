"""Rewrite the listings and tables in the texts from what they show.

A listing is a block of code below a line `<!-- file: example_apps/hello_app.py -->`. A table is
between `<!-- table: docs/bench/bench.md -->` and `<!-- end of table -->`; instead of a file, it may
name a group of commands. Needs nothing but Python.
"""

import re

import commands
import explain
from apps import ROOT

TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
TEXTS += sorted(
    file for place in ("workshop", "reference") for file in ROOT.glob(f"docs/{place}/*.md")
)
GROUPS = {
    "commands-for-your-app": commands.FOR_YOUR_APP,
    "commands-for-this-repository": commands.FOR_THIS_REPOSITORY,
}
TABLE = re.compile(r"(?ms)^<!-- table: (\S+) -->\n.*?^<!-- end of table -->$")
LISTING = re.compile(r"(?ms)^<!-- file: (\S+) -->\n```(\w*)\n(.*?)^```$")


def updated(text):
    """Return a text with its listings and tables as they are now."""

    def listing(match):
        content = (ROOT / match[1]).read_text(encoding="utf-8")
        return f"<!-- file: {match[1]} -->\n```{match[2]}\n{content}```"

    def table(match):
        group = GROUPS.get(match[1])
        content = explain.table(group) if group else (ROOT / match[1]).read_text(encoding="utf-8")
        return f"<!-- table: {match[1]} -->\n{content}<!-- end of table -->"

    return TABLE.sub(table, LISTING.sub(listing, text))


def outdated():
    """Return the texts that differ from what they show, each with its new text."""
    texts = {file: file.read_text(encoding="utf-8") for file in TEXTS}
    return {file: new for file, text in texts.items() if (new := updated(text)) != text}


def main():
    changed = outdated()
    for file, text in changed.items():
        file.write_text(text, encoding="utf-8", newline="\n")
        print(f"changed: {file.relative_to(ROOT)}")
    if not changed:
        print("All listings and tables are up to date.")
