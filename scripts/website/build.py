"""Make a site of the texts in docs/, in the folder site/. What is wrong in them ends it.

mkdocs.yml says what the site has, and hooks.py what is done to the texts.
"""

import argparse
from pathlib import Path

from apps import ROOT
from mkdocs.__main__ import cli


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "site", help="another folder")
    parser.add_argument("--serve", action="store_true", help="show it while you change the texts")
    parser.add_argument("--port", default="8080")
    options = parser.parse_args(argv)
    settings = ["--config-file", str(ROOT / "mkdocs.yml")]
    if options.serve:
        cli(["serve", *settings, "--dev-addr", f"127.0.0.1:{options.port}"])
    cli(
        ["build", "--strict", *settings, "--site-dir", str(options.folder.resolve())],
        standalone_mode=False,
    )
    print(f"The site is in {options.folder}. To look at it: make site ARGS=--serve")


if __name__ == "__main__":
    main()
