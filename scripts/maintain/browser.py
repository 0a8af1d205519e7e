"""Find a Chromium or Chrome for the tests in the browser, or get one.

An installed one is taken; else Playwright's own is fetched; else, as root on Debian or Ubuntu, the
package `chromium`. Where none of these can be had, this says so and the tests that need a browser
are skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
MAC = ["Google Chrome", "Chromium"]
FETCH_S, INSTALL_S = 300, 600


def playwrights_own():
    """Return where Playwright keeps a browser of its own, or None if it does not run here."""
    from playwright.sync_api import sync_playwright

    try:
        with sync_playwright() as playwright:
            return Path(playwright.chromium.executable_path)
    except Exception:  # its driver is a program of its own, which may lack what it needs
        return None


def find_browser():
    """Return the path of a browser that is installed, or None."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    for name in MAC:
        file = Path(f"/Applications/{name}.app/Contents/MacOS/{name}")
        if file.exists():
            return str(file)
    file = playwrights_own()
    return str(file) if file and file.exists() else None


def run(command, seconds, **environment):
    """Run a command that installs something; return whether it was done in time."""
    print("No browser for the tests yet:", " ".join(command), flush=True)
    try:
        return not subprocess.run(
            command, timeout=seconds, env={**os.environ, **environment}
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


def get_browser():
    """Install a browser in one of the ways there are."""
    if run([sys.executable, "-m", "playwright", "install", "chromium"], FETCH_S) and find_browser():
        return
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-q"], INSTALL_S, **quiet)
        install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium"]
        run(install, INSTALL_S, **quiet)


def save_screenshot(page, file, settle_ms=500, **options):
    """Save a screenshot of a page as a PNG of 128 colours, once nothing fades in or out."""
    from PIL import Image

    page.mouse.move(0, 0)
    page.wait_for_timeout(settle_ms)
    page.screenshot(path=file, **options)
    Image.open(file).convert("RGB").quantize(128).save(file, optimize=True)


def main():
    if not find_browser():
        get_browser()
    if browser := find_browser():
        print("Browser for the tests:", browser)
    else:
        print("NO BROWSER: the tests that click through the apps will be SKIPPED.")
        print("Install Chromium or Chrome and run the tests again.")
