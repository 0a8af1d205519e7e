"""The blocks of code in the README and the workshop's text, and what their markers say.

CONTRIBUTING.md explains the markers.
"""

import re
from typing import NamedTuple

import pytest
from conftest import ROOT

FOLDER = ROOT / "docs" / "workshop"
# in the order in which they are read
CHAPTERS = [ROOT / "README.md", *sorted(FOLDER.glob("[0-9]*.md")), FOLDER / "README.md"]
BLOCK = re.compile(r"(?ms)^(?:<!-- ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$")
MARKER = re.compile(r"(file|part of|tree|run by|run|not run|output|app|change)\b")
REASONS = ("needs an account", "needs Windows", "runs these tests")
REASONS += ("needs the data set", "needs a graphics card", "needs a cluster")


class Block(NamedTuple):
    """A block of code: where it is, the marker above it, its language and text, its output."""

    place: str
    marker: str
    language: str
    text: str
    output: str | None

    @property
    def chapter(self):
        return self.place.partition(":")[0]

    @property
    def options(self):
        """What the marker says, without the words that are to be shown."""
        return re.sub(r'"(?:[^"\\]|\\.)*"', "", self.marker)

    def option(self, name):
        found = re.search(rf"\b{name}=([\w-]+)", self.options)
        return found and found[1]

    @property
    def shown(self):
        found = re.search(r'shows "((?:[^"\\]|\\.)*)"', self.marker)
        return found[1].replace('\\"', '"') if found else ""

    @property
    def is_typed(self):
        """Is it typed in the terminal of somebody who follows the text from the top?"""
        return self.language == "bash" and bool(re.match(r"run(?!: app=| by:)\b", self.marker))


def blocks_of(chapter):
    text = chapter.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    for match, following in zip(found, [*found[1:], None], strict=True):
        place = f"{chapter.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
        output = following[3] if following and following[1] == "output" else None
        yield Block(place, match[1] or "", match[2], match[3], output)


BLOCKS = [block for chapter in CHAPTERS for block in blocks_of(chapter)]


def marked(*beginnings, language=None):
    """Return the blocks whose marker begins so, as parameters of a test."""
    chosen = [b for b in BLOCKS if b.marker.startswith(beginnings)]
    chosen = [b for b in chosen if language in (None, b.language)]
    return [pytest.param(block, id=block.place) for block in chosen]


def run_by(test):
    """Return the texts of the blocks that a test has to run."""
    return [block.text for block in BLOCKS if block.marker == f"run by: {test}"]


def pattern_of(expected):
    return re.escape(expected.strip()).replace(re.escape("..."), ".*?")


def assert_prints(printed, expected):
    """Assert that a text is as expected, where `...` stands for anything."""
    pattern = pattern_of(expected)
    assert re.fullmatch(pattern, printed.strip(), re.DOTALL), f"{printed}\n--- not:\n{expected}"


def assert_shows(printed, expected):
    """Assert that some lines of a text are as expected, where `...` stands for anything."""
    pattern = rf"(?s)(^|\n)[ ]*{pattern_of(expected)}[ ]*(\n|$)"
    assert re.search(pattern, printed), f"{printed}\n--- has no:\n{expected}"
