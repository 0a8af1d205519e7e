"""The site that `make site` makes of the texts in docs/: as on GitHub, and for everybody to use."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import ROOT
from maintain.website import hooks
from markdown_it import MarkdownIt
from playwright.sync_api import expect
from server import Server
from test_accessibility import serious, tab_to
from workshop_blocks import DOCS

REPOSITORY = "https://github.com/ScilifelabDataCentre/serve-tutorials"
TEXTS = sorted(file for file in DOCS.rglob("*.md") if file.parent.name != "bench")


PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


def path_of(text):
    """Return where in the site the page of a text is."""
    folder = text.relative_to(DOCS).with_suffix("")
    folder = folder.parent if folder.name == "README" else folder
    return "" if folder == Path() else f"{folder.as_posix()}/"


# --- what is done to the texts -------------------------------------------------------------------

PAIR = """\
On Linux and macOS:

<!-- run -->
```bash
ls   # [not](../a.md) a link
```

On Windows, in PowerShell:

<!-- not run: needs Windows -->
```powershell
dir
```

More.
"""


def test_two_blocks_for_two_systems_become_tabs():
    assert hooks.with_tabs(hooks.without_markers(PAIR)) == (
        '=== "Linux and macOS"\n\n    ```bash\n    ls   # [not](../a.md) a link\n    ```\n\n'
        '=== "Windows"\n\n    ```powershell\n    dir\n    ```\n\nMore.\n'
    )


@pytest.mark.parametrize("lead", hooks.SYSTEMS)
def test_a_block_for_one_system_stays_as_it_is(lead):
    text = PAIR.replace(lead, "There:")
    assert hooks.with_tabs(text) == text


def test_markers_go_and_code_stays():
    text = "<!-- run -->\n```html\n<!-- a comment -->\n<details>\n[a](../../LICENSE)\n```\n"
    changed = hooks.with_solutions(hooks.without_markers(text))
    changed = hooks.with_links(changed, "workshop", set(), REPOSITORY)
    assert changed == text.removeprefix("<!-- run -->\n")


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("../../LICENSE", f"{REPOSITORY}/blob/main/LICENSE"),
        ("../../README.md#commands", f"{REPOSITORY}/blob/main/README.md#commands"),
        ("../bench/bench.md", f"{REPOSITORY}/blob/main/docs/bench/bench.md"),
        ("1-interface.md#a", "1-interface.md#a"),
        ("../promises.md", "../promises.md"),
        ("../../no-such-file.md", "../../no-such-file.md"),
        ("#here", "#here"),
        ("https://example.org/a", "https://example.org/a"),
    ],
)
def test_a_link_to_what_is_not_in_the_site_leads_to_the_repository(link, address):
    pages = {"README.md", "workshop/1-interface.md", "promises.md"}
    changed = hooks.with_links(f"[a\nb]({link}) ![c]({link})", "workshop", pages, REPOSITORY)
    assert changed == f"[a\nb]({address}) ![c]({address})"


# --- the site ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, made by `make site`."""
    folder = tmp_path_factory.mktemp("site")
    program = "import sys; from maintain.website.build import build; build(sys.argv[1])"
    command = [sys.executable, "-c", program, folder]
    ended = subprocess.run(command, cwd=ROOT / "scripts", capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "WARNING" not in ended.stderr
    assert f"The site is in {folder}" in ended.stdout
    return folder


@pytest.fixture(scope="module")
def address(site):
    """Where the site is served."""
    words = ["-m", "http.server", "{PORT}", "--bind", "127.0.0.1", "--directory", site]
    with Server([sys.executable, *words]) as server:
        yield server.wait().url


KINDS = {"h1", "h2", "h3", "h4", "ul", "ol", "li", "table", "th", "td", "pre", "details"}
KINDS |= {"summary", "blockquote", "strong", "em"}


class Outline(HTMLParser):
    """The texts of a page, each with the headings, lists, tables and blocks that it is in."""

    def __init__(self, html):
        super().__init__()
        self.open, self.parts = [], [[(), ""]]
        self.feed(html)

    def begin_part(self, tag):
        if tag in {*KINDS, "p"}:
            self.parts.append([tuple(tag for tag in self.open if tag in KINDS), ""])

    def handle_starttag(self, tag, attributes):
        if tag not in ("br", "hr", "img", "input"):  # these have no end
            self.open.append(tag)
            self.begin_part(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass
            self.begin_part(tag)

    def handle_data(self, data):
        if "label" not in self.open:  # the names of tabs
            self.parts[-1][1] += data

    def texts(self):
        found = [(kinds, " ".join(text.split())) for kinds, text in self.parts]
        # a box of a list of tasks, the sign for a link to a heading
        found = [(kinds, re.sub(r"^\[[ x]\] |¶$", "", text)) for kinds, text in found]
        return [(kinds, text) for kinds, text in found if text and text not in hooks.SYSTEMS]


@pytest.mark.slow
def test_a_page_has_the_lists_tables_and_blocks_that_github_shows(site):
    """Where they differ: indent by four, and leave a line free before a list."""
    for text in TEXTS:
        page = (site / path_of(text) / "index.html").read_text(encoding="utf-8")
        article = re.search(r"(?s)<article.*?>(.*)</article>", page)[1]
        github = MarkdownIt("commonmark").enable("table").render(text.read_text(encoding="utf-8"))
        assert Outline(article).texts() == Outline(github).texts(), text


@pytest.mark.slow
def test_every_pair_of_blocks_for_two_systems_has_become_tabs(site):
    for text in TEXTS:
        leads = re.findall("(?m)^On Windows, in PowerShell:$", text.read_text(encoding="utf-8"))
        page = (site / path_of(text) / "index.html").read_text(encoding="utf-8")
        assert page.count('<div class="tabbed-set') == len(leads), text


@pytest.mark.slow
def test_links_to_the_repository_name_what_is_there(site):
    html = "".join(file.read_text(encoding="utf-8") for file in site.rglob("*.html"))
    paths = {*re.findall(rf'"{REPOSITORY}/blob/main/([^"#]+)', html)}
    assert {"README.md", "LICENSE", "SECURITY.md", "tests/test_guard.py"} <= paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


# --- in the browser ------------------------------------------------------------------------------


def open_all(page):
    """Open the solutions of a page."""
    page.evaluate("document.querySelectorAll('details').forEach(solution => solution.open = true)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["", "workshop/1-interface/", "workshop/slides/", "reference/trouble/"]
)
@pytest.mark.long
def test_axe_finds_nothing_serious(page, address, path, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(DESK)
    page.goto(address + path)
    open_all(page)
    assert serious(page) == []
    if scheme == "light":
        page.set_viewport_size(PHONE)
        assert serious(page) == []


@pytest.mark.slow
def test_at_a_python_prompt_only_what_is_typed_is_copied(page, address):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(address + "workshop/0-prediction-function/")
    block = page.locator(".language-pycon").first
    block.hover()
    block.get_by_title("Copy to clipboard").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == 'from hello_app import greet\ngreet("Ada")\ngreet("")'


@pytest.mark.slow
def test_a_system_once_chosen_is_shown_in_every_pair(page, address, site):
    pages = {path_of(text): (site / path_of(text) / "index.html").read_text() for text in TEXTS}
    pages = {path: html.count('"tabbed-set') for path, html in pages.items()}
    path = max(pages, key=pages.get)
    assert pages[path] > 1, "no text has two pairs of blocks for two systems"

    def see(shown, hidden):
        for block in page.locator(f".tabbed-set .language-{shown}").all():
            expect(block).to_be_visible()
        for block in page.locator(f".tabbed-set .language-{hidden}").all():
            expect(block).to_be_hidden()

    page.goto(address + path)
    open_all(page)
    see("bash", "powershell")
    page.locator(".tabbed-labels").first.get_by_text("Windows").click()
    see("powershell", "bash")
    page.reload()
    open_all(page)
    see("powershell", "bash")


@pytest.mark.long
def test_every_page_fits_a_phone(page, address):
    page.set_viewport_size(PHONE)
    for text in TEXTS:
        page.goto(address + path_of(text))
        open_all(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, text


@pytest.mark.slow
def test_the_menu_of_a_phone_opens_by_keyboard(page, address):
    page.set_viewport_size(PHONE)
    page.goto(address + "workshop/0-preparation/")
    link = page.locator(".md-sidebar--primary").get_by_role("link", name="Step 2: the container")
    expect(link).not_to_be_in_viewport()
    tab_to(page, page.locator(".md-header label[for=__drawer]"))
    page.keyboard.press("Enter")
    expect(link).to_be_in_viewport()
    tab_to(page, link)
    page.keyboard.press("Enter")
    expect(page).to_have_url(address + "workshop/2-container/")


HAS_ROOM = "p => p.scrollWidth <= p.clientWidth && p.scrollHeight <= p.clientHeight"


@pytest.mark.slow
def test_slides_fill_the_screen_one_by_one_and_have_room(page, address):
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(address + "workshop/slides/")
    titles = page.locator("article h2").all_text_contents()
    assert 15 <= len(titles) <= 20
    page.get_by_role("button", name="Show as slides").click()
    for number, title in enumerate(titles, 1):
        (slide,) = page.locator(".slide:visible").all()
        assert slide.locator("h2").text_content() == title
        assert slide.get_attribute("data-number") == f"{number} / {len(titles)}"
        for part in [page.locator("article"), *slide.locator("pre > code, table").all()]:
            assert part.evaluate(HAS_ROOM), title
        for image in slide.locator("img").all():
            assert image.evaluate("i => i.complete && i.naturalWidth && i.offsetHeight") > 150
        page.keyboard.press("ArrowRight")
    expect(page.locator(".slide:visible h2")).to_have_text(titles[-1])
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".slide:visible h2")).to_have_text(titles[-2])
    expect(page.locator(".md-header")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator(".md-header")).to_be_visible()
    expect(page.locator(".slide:visible")).to_have_count(len(titles))
    expect(page.get_by_role("heading", name=titles[-2].removesuffix("¶"))).to_be_in_viewport()


@pytest.mark.slow
def test_on_paper_solutions_are_open_and_menus_are_gone(page, address):
    page.goto(address + "workshop/0-prediction-function/")
    solution = page.locator("details pre").first
    expect(solution).to_be_hidden()
    page.emulate_media(media="print")
    expect(solution).to_be_visible()
    expect(page.locator(".md-header")).to_be_hidden()
    expect(page.locator(".md-sidebar").first).to_be_hidden()
