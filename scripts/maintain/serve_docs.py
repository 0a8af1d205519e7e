"""Tell what SciLifeLab Serve's documentation no longer says, of the statements that we rely on.

The weekly workflow runs this and opens an issue with what it prints.
"""

import html
import re
import sys
from urllib.request import urlopen

DOCS = "https://serve.scilifelab.se/docs/"
OTHER, GRADIO, DOI = "application-hosting/other/", "application-hosting/gradio/", "doi/"
STATEMENTS = [  # the page, what it says, our file that relies on it, and the words there
    (OTHER, "3000-9999", "scripts/check.py", "one port, from 3000 to 9999"),
    (OTHER, "user id 1000", "scripts/check.py", "Serve runs the app as user 1000"),
    (OTHER, "4 GB of memory", "scripts/sheets/HOSTING.md", "2 vCPU and 4 GB of memory"),
    (OTHER, "12 vCPU and 48 GB", "docs/reference/many-users.md", "12 cores and 48 GB"),
    (OTHER, "made publicly available", "docs/workshop/3-hosting.md", "public in the end"),
    (GRADIO, "7860", "docs/workshop/3-hosting.md", "port 7860"),
    (GRADIO, "linux/amd64", "docs/reference/dockerfile.md", "--platform linux/amd64"),
    (GRADIO, "unique image tag", "scripts/check.py", "Give each build its own"),
    (GRADIO, "100MB", "docs/recipes/many_images/README.md", "One upload may have 100 MB"),
    (DOI, "automatically assigned a DOI", "docs/workshop/3-hosting.md", "public app gets a [DOI]"),
]


def read(url):
    """Return a page's words and its address; end the program if its server does not respond."""
    try:
        with urlopen(url, timeout=60) as response:
            return words(response.read().decode("utf-8", "replace")), response.url
    except OSError as error:
        if 400 <= getattr(error, "code", 0) < 500:
            return "", str(error)
        sys.exit(f"{url} could not be read: {error}")


def words(text):
    return " ".join(re.findall(r"\w+", html.unescape(re.sub(r"<[^>]*>", " ", text)).lower()))


def main(docs=DOCS):
    pages = {page: f"{docs}{page}_source/" for page, *_ in STATEMENTS}  # what its authors wrote
    found = {page: read(url) for page, url in pages.items()}
    for page, (_, address) in found.items():
        if address != pages[page]:
            print(f"- {pages[page]} has moved: {address}")
    for page, said, file, ours in STATEMENTS:
        if words(said) not in found[page][0]:
            print(f'- {pages[page]} lacks "{said}", and {file} says "{ours}".')


if __name__ == "__main__":
    main(*sys.argv[1:])
