"""The blocks of code in the README and the workshop's text, and what their markers say.

CONTRIBUTING.md explains the markers.
"""

import re
from typing import NamedTuple

import pytest
from conftest import ROOT

DOCS = ROOT / "docs"
NAV = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
# in the order in which they are read
CHAPTERS = [DOCS / page for page in re.findall(r"- (workshop/\d\S+\.md)", NAV)]
REFERENCE = [DOCS / page for page in re.findall(r"- (reference/\S+\.md)", NAV)]
TEACHING = [DOCS / "workshop" / name for name in ("for-teachers.md", "slides.md")]
PAGES = [ROOT / "README.md", *CHAPTERS, *REFERENCE, *TEACHING]
BLOCK = re.compile(r"(?ms)^(?:<!-- ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$")
MARKER = re.compile(r"(file|part of|saved as|tree|run by|run|not run|output|app|change)\b")
REASONS = ("needs an account", "needs Windows", "needs your own weights", "runs these tests")
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
    def saved(self):
        """The file that a reader saves this block as, or changes by it; None for other blocks."""
        if found := re.match(r"saved as: (\S+)", self.marker):
            return found[1]
        found = re.match(r"change: (\S+)", self.marker)
        return found and SAVED.get(found[1])

    @property
    def is_typed(self):
        """Is it typed in the terminal of somebody who follows the text from the top?"""
        return self.language == "bash" and bool(re.match(r"run(?!: app=| by:)\b", self.marker))


def blocks_of(chapter):
    text = chapter.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    for number, match in enumerate(found):
        rest = (m for m in found[number + 1 :] if m[1] != "not run: needs Windows")
        following = next(rest, None)
        place = f"{chapter.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
        output = following[3] if following and following[1] == "output" else None
        yield Block(place, match[1] or "", match[2], match[3], output)


BLOCKS = [block for chapter in PAGES for block in blocks_of(chapter)]
SAVED = {}  # the apps that grow with the chapters: {name: file}
SAVED |= {re.sub(r".*/|_app\.py", "", b.saved): b.saved for b in BLOCKS if b.saved}


def apply_change(text, diff):
    """Return a text after a diff, whose hunks have an empty line between them."""
    for hunk in diff.strip("\n").split("\n\n"):
        lines = [line + "\n" for line in hunk.splitlines()]
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(old) == 1, f"the app has {text.count(old)} times:\n{old}"
        text = text.replace(old, new)
    return text


def save(text, block):
    """Return what a file has after a block that a reader saves, or that changes it."""
    return block.text if block.marker.startswith("saved as") else apply_change(text, block.text)


def saved(file, up_to=None):
    """Return what a reader has saved in a file after a block, or at the end."""
    text = ""
    for block in BLOCKS:
        if block.saved == file:
            text = save(text, block)
        if block is up_to:
            break
    return text


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
