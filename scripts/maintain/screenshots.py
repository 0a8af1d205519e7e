"""Take the screenshots of the apps for the README: each app runs and is used in a browser.

A classifier is shown with an image chosen but no prediction yet: where the trained weights are
missing, a prediction would mean nothing. `own-app` is shown with its prediction. It is made as the
chapter "Your own app" says, with a network whose trained weights come as a package. The screenshots
of the recipes are taken by their tests.
"""

import contextlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from apps import ROOT, App, find_app, find_apps
from maintain.browser import find_browser, save_screenshot
from new import copy_folder
from random_weights import with_random_weights
from recipes import find_recipe, put_in
from smoke import start_app

FOLDER = ROOT / "docs" / "images"
WIDTH, HEIGHT = 960, 600  # CSS pixels, as in the saved file, which ends where the page is empty
CONTENT = "document.querySelectorAll('.block, button.primary')"
END = f"Math.max(...[...{CONTENT}].map(part => part.getBoundingClientRect().bottom))"
EXAMPLE = ROOT / "resnet_image_classification" / "data" / "bee.jpg"


def make_own_app(place):
    """Make an app of one's own below `place`, and return it."""
    folder = place / "own_app"
    copy_folder(find_app("resnet"), folder, "What is in the photo?", folder.name)
    put_in([find_recipe("efficientnet_lite0")], folder)
    return App(("own-app",), folder / "main.py", "")


def fill_in(page, app):
    """Use the app as a user would, up to the moment that the screenshot is to show."""
    if page.get_by_label("name").count():
        page.get_by_label("name").fill("Rosalind")
        if page.get_by_label("is_morning").count():
            page.get_by_label("is_morning").check()
            page.get_by_role("spinbutton").first.fill("55")
    elif app.is_step:
        page.locator("input[type=file]").set_input_files(EXAMPLE)
        page.locator(".image-frame img").wait_for()
    else:
        page.locator("button.gallery-item").first.click()
        page.locator(".image-frame img").wait_for()
        if app.name == "own-app":
            page.get_by_role("button", name="Submit").click()
            page.get_by_test_id("label-output-value").wait_for()
        return
    page.get_by_role("button", name="Submit").click()
    if app.name == "progress":
        page.get_by_text(re.compile(r"Greeting - [4-9]\d")).wait_for()
    elif page.get_by_label("name").count():
        page.wait_for_function("[...document.querySelectorAll('textarea')].at(-1).value")
    else:
        page.locator(".image-frame img").nth(1).wait_for()


def take_screenshot(browser, app, file):
    """Run `app`, use it and save a screenshot of its page as a PNG of 128 colours."""
    with (
        tempfile.TemporaryDirectory() as folder,
        start_app(with_random_weights(app, folder)) as server,
    ):
        size = {"width": WIDTH, "height": HEIGHT}
        page = browser.new_page(viewport=size, color_scheme="light")
        page.goto(f"{server.wait().url}?__theme=light")
        page.get_by_role("button", name="Submit").wait_for()
        fill_in(page, app)
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": min(HEIGHT, page.evaluate(END) + 24)}
        save_screenshot(page, file, settle_ms=0 if app.name == "progress" else 500, clip=clip)
        page.close()


def main(name):
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(parents=True, exist_ok=True)
    if name in ("all", "recipes"):
        command = ["-m", "pytest", "--screenshots", "-m", "recipes", ROOT / "tests"]
        subprocess.run([sys.executable, *command], check=True, cwd=ROOT)
    if name == "recipes":
        return
    with contextlib.ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=["--no-sandbox", "--disable-background-networking"]
        )
        stack.callback(browser.close)
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        apps = find_apps() if name == "all" else [find_app(name)] if name != "own-app" else []
        if name in ("all", "own-app"):
            apps.append(make_own_app(place))
        for app in apps:
            file = FOLDER / f"{app.name}.png"
            take_screenshot(browser, app, file)
            print(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1000} kB", flush=True)
