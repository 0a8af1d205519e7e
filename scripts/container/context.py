"""Which files of an app's folder its image gets, by its Dockerfile and its .dockerignore.

`make check` looks for files that are missing there, `make docker` makes the tag from them.
"""

import re

FLAGS = re.MULTILINE | re.IGNORECASE


def read(file):
    """Return a file's text without comments and indents, with continued lines joined."""
    text = file.read_bytes().decode("utf-8", "replace") if file.is_file() else ""
    text = text if file.name == "start-script.sh" else text.replace("\r", "")
    text = re.sub(r"(?m)^\s*#(?!!).*\n?|[ \t]+#[ \t].*", "", text)
    return re.sub(r"(?m)^ | $", "", re.sub(r"(\\\r?\n|[ \t])+", " ", text))


def find_files(folder, pattern):
    """Return the files that a pattern of COPY or .dockerignore stands for."""
    pattern = re.sub(r"(?<=[^/])\*\*+|\*\*+(?=[^/])|^\.?$", "*", pattern.strip("/"))
    return {f for place in folder.glob(pattern) for f in (place, *place.rglob("*")) if f.is_file()}


def files_in_image(folder, dockerfile, **arguments):
    """Return the files that the COPY lines of a Dockerfile's text take and .dockerignore lets in.

    `arguments` are those of the build; any other variable may stand for anything.
    """
    taken, left_out = set(), set()
    text = re.sub(
        r"\$(?:(\w+)|\{(\w+).*?\})", lambda v: arguments.get(v[1] or v[2], "*"), dockerfile
    )
    for line in re.findall(r"^(?:COPY|ADD) (.*)", re.sub(r"[][\",]", " ", text), FLAGS):
        taken = taken.union(*(find_files(folder, source) for source in line.split()[:-1]))
    ignore = f".git\n.venv\n{read(folder / '.dockerignore')}"
    for mark, pattern in re.findall(r"(?m)^(!?) ?(\S+)", ignore):
        found = find_files(folder, pattern)
        left_out = left_out - found if mark else left_out | found
    return taken - left_out
