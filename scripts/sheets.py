"""Write what the owner of a copied folder reads: AGENTS.md, HOSTING.md and the end of README.md.

The templates are in `sheets/`. A point about a file that the folder does not have is left out.
Needs nothing but Python.
"""

import re

from apps import ROOT, first_docstring_line

SHEETS = ROOT / "scripts" / "sheets"
POINT = re.compile(r"(?m)^- `([\w./-]+)`.*\n(?:  .*\n)*")
UNKNOWN = "*to be written*"


def known(folder, title, name):
    """Return what the files of a folder say about an app, as {field of a template: text}."""
    dockerfile = (folder / "Dockerfile").read_text(encoding="utf-8")
    port = re.search(r"(?m)^EXPOSE (\d+)", dockerfile)
    said = (SHEETS / "AGENTS.md").read_text(encoding="utf-8")
    others = [file for file in sorted(folder.glob("*.py")) if f"`{file.name}`" not in said]
    files = {file.name: first_docstring_line(file).rstrip(".:") for file in others}
    return {
        "title": title,
        "name": name,
        "subdomain": name.replace("_", "-"),
        "port": port[1] if port else UNKNOWN,
        "files": "".join(f"- `{name}`: {said}.\n" for name, said in files.items()),
    }


def write(folder, title, name):
    """Write the sheets of an app into its folder."""
    fields = known(folder, title, name)
    for template in SHEETS.glob("*.md"):
        text, file = template.read_text(encoding="utf-8").format(**fields), folder / template.name
        text = POINT.sub(lambda point: point[0] if (folder / point[1]).exists() else "", text)
        if template.name == "README.md":  # below what it says about the app
            card = file.read_text(encoding="utf-8") if file.exists() else ""
            text = card if text in card else card + text
        file.write_text(text, encoding="utf-8", newline="\n")
