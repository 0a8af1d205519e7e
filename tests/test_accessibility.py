"""The pages for people who see little or use no mouse: axe's rules, and the keyboard alone.

What axe finds in Gradio's own parts is listed here by its rule; anything else fails.
"""

import pictures
import pytest
from apps import find_app
from axe_playwright_python.sync_playwright import Axe
from conftest import STEPS
from playwright.sync_api import expect

# rule: where in Gradio 6.31 it is
OF_GRADIO = {}


def serious(page):
    """Return {rule: [elements]} of what hinders people seriously."""
    found = Axe().run(page).response["violations"]
    return {
        rule["id"]: [node["html"][:200] for node in rule["nodes"]]
        for rule in found
        if rule["impact"] in ("serious", "critical")
    }


@pytest.fixture
def open_app(page, serve, classifier):
    def open_it(name):
        app = find_app(name) if name in STEPS else classifier(name)
        page.goto(serve(app).url)
        expect(page.get_by_role("button", name="Submit").first).to_be_visible()
        return page

    return open_it


@pytest.mark.parametrize("name", [*STEPS, "resnet", "vgg11", "flower"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_of_our_own(open_app, page, name, scheme):
    page.emulate_media(color_scheme=scheme)
    found = serious(open_app(name))
    assert {rule: where for rule, where in found.items() if rule not in OF_GRADIO} == {}


def tab_to(page, element):
    """Press Tab until an element has the focus."""
    for _ in range(40):
        if element.evaluate("e => e === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("the keyboard does not reach it")


@pytest.mark.parametrize("name", ["hello", "multi-input", "examples", "progress", "themed"])
def test_a_greeting_by_keyboard_alone(open_app, page, name):
    open_app(name)
    field = page.locator("textarea, input[type=text]").first
    tab_to(page, field)
    page.keyboard.type("Ada")
    tab_to(page, page.get_by_role("button", name="Submit"))
    page.keyboard.press("Enter")
    expect(page.locator("textarea, input[type=text]").last).to_have_value("Ada", timeout=20_000)


@pytest.mark.parametrize("name", ["sepia", "resnet", "vgg11", "flower"])
def test_a_picture_by_keyboard_alone(open_app, page, tmp_path, name):
    """The field opens the window in which people choose a file; that is the browser's own."""
    pictures.drawing().save(tmp_path / "photo.png")
    open_app(name)
    tab_to(page, page.get_by_label("Your").first)
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(tmp_path / "photo.png")
    tab_to(page, page.get_by_role("button", name="Submit"))
    page.keyboard.press("Enter")
    expect(page.locator("[data-testid=label-output-value], img[alt]").last).to_be_visible()
