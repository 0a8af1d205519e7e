"""Rewrite the listings and tables in docs/workshop from the files.

A listing is a block of code below a line `<!-- file: example_apps/hello_app.py -->`, a table is
between `<!-- table: docs/bench/bench.md -->` and `<!-- end of table -->`. Needs nothing but Python.
"""

import argparse
import re
import sys

from apps import ROOT

FOLDER = ROOT / "docs" / "workshop"
TABLE = re.compile(r"(?ms)^<!-- table: (\S+) -->\n.*?^<!-- end of table -->$")
LISTING = re.compile(r"(?ms)^<!-- file: (\S+) -->\n```(\w*)\n(.*?)^```$")


def updated(text):
    """Return a chapter's text with its listings as the files are now."""

    def listing(match):
        content = (ROOT / match[1]).read_text(encoding="utf-8")
        return f"<!-- file: {match[1]} -->\n```{match[2]}\n{content}```"

    def table(match):
        content = (ROOT / match[1]).read_text(encoding="utf-8")
        return f"<!-- table: {match[1]} -->\n{content}<!-- end of table -->"

    return TABLE.sub(table, LISTING.sub(listing, text))


def outdated():
    """Return the chapters that differ from the files, each with its new text."""
    texts = {file: file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.md"))}
    return {file: new for file, text in texts.items() if (new := updated(text)) != text}


def main(argv=None):
    parser = argparse.ArgumentParser(description="Rewrite the listings in docs/workshop.")
    parser.add_argument("--check", action="store_true", help="only say which chapters differ")
    options = parser.parse_args(argv)
    chapters = outdated()
    for file, text in chapters.items():
        print(f"{'differs' if options.check else 'changed'}: {file.relative_to(ROOT)}")
        if not options.check:
            file.write_text(text, encoding="utf-8", newline="\n")
    if not chapters:
        print("All listings are as the files.")
    return int(options.check and bool(chapters))


if __name__ == "__main__":
    sys.exit(main())
