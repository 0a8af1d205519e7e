"""What MkDocs does with a text before it makes a page of it: mkdocs.yml names this file.

The texts are written for GitHub, and stay as they are. A few things that GitHub shows well need
another form here.
"""

import html
import posixpath
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SYSTEMS = {"On Linux and macOS:": "Linux and macOS", "On Windows, in PowerShell:": "Windows"}
CODE = re.compile(r"(?ms)^( *```+)\w.*?^\1 *$")
PAIR = re.compile("\n".join(f"(?m:^{lead})\n\n(```.*\n(?:.*\n)*?```\n)" for lead in SYSTEMS))
MARKER = re.compile(r"(?m)^ *<!--.*-->\n")
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|[/#])[^)\s#]+")
PROMPT = re.compile(r'(?s)(<div class="language-pycon highlight")(>.*?</div>)')


def outside_code(change, text):
    """Return a text with a change made everywhere but in its blocks of code."""
    parts, end = [], 0
    for block in CODE.finditer(text):
        parts += [change(text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, change(text[end:])])


def without_markers(text):
    """Take out comments: those above blocks of code are for the tests."""
    return outside_code(lambda part: MARKER.sub("", part), text)


def with_tabs(text):
    """Make tabs of two blocks of code for two systems, so that readers see the one for theirs."""

    def in_tabs(pair):
        blocks = [textwrap.indent(code, "    ") for code in pair.groups()]
        tabs = zip(SYSTEMS.values(), blocks, strict=True)
        return "\n".join(f'=== "{system}"\n\n{block}' for system, block in tabs)

    return PAIR.sub(in_tabs, text)


def with_solutions(text):
    """Have the Markdown in a hidden solution read as such."""
    return outside_code(lambda part: part.replace("<details>", '<details markdown="1">'), text)


def with_links(text, folder, pages, repository):
    """Let links to files that are not in the site lead to the repository.

    `folder` is where the text is within docs/, `pages` are the files in the site.
    """

    def address(link):
        path = posixpath.normpath(posixpath.join(folder, link[0]))
        if path in pages or not (ROOT / "docs" / path).exists():
            return link[0]  # MkDocs reports it if it leads nowhere
        return f"{repository}/blob/main/{posixpath.normpath(f'docs/{path}')}"

    return outside_code(lambda part: LINK.sub(address, part), text)


def with_typed(page):
    """Let the button "Copy" at a Python prompt take what users type, and not the output."""

    def with_copy(block):
        lines = html.unescape(re.sub("<.*?>", "", block[0])).splitlines()
        typed = "\n".join(line[4:] for line in lines if line.startswith((">>>", "...")))
        return f'{block[1]} data-copy="{html.escape(typed)}"{block[2]}'

    return PROMPT.sub(with_copy, page)


BUTTON = '<label class="md-header__button md-icon" for="__{}"'
# parts of Material's pages, and what they lack for readers who see little or use no mouse
ADDED = {
    BUTTON.format("drawer"): 'tabindex="0" role="button" aria-label="Menu"',
    BUTTON.format("search"): 'tabindex="0" role="button" aria-label="Search"',
    '<div class="md-search" data-md-component="search" role="dialog"': 'aria-label="Search"',
    "<table": 'tabindex="0"',  # on a phone, it may be wider than the screen: arrow keys move it
}


def for_everybody(page):
    """Add names and places for the keyboard to a page."""
    for part, attributes in ADDED.items():
        page = page.replace(f"{part}>", f"{part} {attributes}>")
    return page


def with_slides(page):
    """Let a page be shown as slides: see theme/slides.js."""
    return page.replace("</body>", '<script src="../../slides.js"></script></body>')


def on_page_markdown(markdown, page, config, files):
    folder = posixpath.dirname(page.file.src_uri)
    pages = {file.src_uri for file in files if file.inclusion.is_included()}
    text = with_solutions(with_tabs(without_markers(markdown)))
    return with_links(text, folder, pages, config.extra["repository"])


def on_post_page(output, page, config):
    output = for_everybody(with_typed(output))
    return with_slides(output) if page.file.name == "slides" else output
