"""Make a site of the texts in docs/, in the folder site/. What is wrong in them ends it.

mkdocs.yml says what the site has, and hooks.py what is done to the texts.
"""

from apps import ROOT
from mkdocs.__main__ import cli

SETTINGS = ["--config-file", str(ROOT / "mkdocs.yml")]


def serve(port):
    """Show the site, and make it anew when a text changes."""
    cli(["serve", *SETTINGS, "--dev-addr", f"127.0.0.1:{port}"])


def build(folder=ROOT / "site"):
    cli(["build", "--strict", *SETTINGS, "--site-dir", str(folder)], standalone_mode=False)
    print(f"The site is in {folder}. To look at it: make site PORT=8080")
