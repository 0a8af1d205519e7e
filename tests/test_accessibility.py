"""The pages for users who see little or use no mouse: axe's rules, and the keyboard alone.

What axe finds in Gradio's own parts is listed here; anything else fails. The pages of the three
classifiers are the same but for their texts, so one of them is looked at.
"""

import re

import pytest
import sample_images
from apps import find_app
from axe_playwright_python.sync_playwright import Axe
from conftest import STEPS
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

# in Gradio 6.31: the rule, and words of the element
OF_GRADIO = [
    # the buttons, labels and small print of its themes
    *(("color-contrast", words) for words in ('class="lg primary', "show-api", "built-with")),
    *(("color-contrast", words) for words in ("settings", "max_value", "min_value", 'class="or ')),
    ("color-contrast", "block-info"),
    ("color-contrast", "https://www.doi.org/"),  # links in its theme Soft, when it is dark
    ("aria-prohibited-attr", "Empty value"),  # an image or a result that is not there yet
    ("button-name", "gallery-item"),  # examples that are images
]


def serious(page):
    """Return what hinders users seriously, and is not Gradio's: (rule, element) each."""
    rules = Axe().run(page).response["violations"]
    found = [
        (rule["id"], node["html"][:300])
        for rule in rules
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
    return [
        (rule, html)
        for rule, html in found
        if not any(rule == known and words in html for known, words in OF_GRADIO)
    ]


@pytest.fixture
def open_app(page, serve, classifier):
    def open_it(name):
        app = find_app(name) if name in STEPS else classifier(name)
        page.goto(serve(app).url)
        expect(page.get_by_role("button", name="Submit").first).to_be_visible()
        return page

    return open_it


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        *((name, "light") for name in ("sepia", "examples", "themed", "resnet")),
        *((name, "dark") for name in ("themed", "resnet")),  # others have the colours of resnet
    ],
)
def test_axe_finds_nothing_serious_of_our_own(open_app, page, name, scheme):
    page.emulate_media(color_scheme=scheme)
    assert serious(open_app(name)) == []


def tab_to(page, element):
    """Press Tab until an element has the focus."""
    for _ in range(40):
        if element.evaluate("e => e === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("the keyboard does not reach it")


def test_a_greeting_by_keyboard_alone(open_app, page):
    open_app("examples")
    field = page.locator("textarea").first
    tab_to(page, field)
    page.keyboard.type("Ada")
    tab_to(page, page.get_by_role("button", name="Submit"))
    page.keyboard.press("Enter")
    expect(page.locator("textarea").last).to_have_value(re.compile("Ada"))


def test_an_image_by_keyboard_alone(open_app, page, tmp_path):
    """The field opens the window in which users choose a file; that is the browser's own."""
    sample_images.drawing().save(tmp_path / "photo.png")
    open_app("resnet")
    tab_to(page, page.get_by_role("button", name="Drop an image").first)
    choosers = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    for _ in range(20):  # a page that has just opened may not listen yet
        if not choosers:
            page.keyboard.press("Enter")
            page.wait_for_timeout(500)
    choosers[0].set_files(tmp_path / "photo.png")
    tab_to(page, page.get_by_role("button", name="Submit"))
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("label-output-value")).to_be_visible()
