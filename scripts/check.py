"""Tell what in an app's folder would keep SciLifeLab Serve from running it. Needs no Docker.

Each rule stands for an app that ran at home and not on Serve. Where the files leave room for doubt,
it says nothing: `make docker-smoke` tries the image itself.
"""

import argparse
import ast
import os
import re
import sys
import textwrap
from collections import namedtuple

from apps import find_app, find_apps

SCRIPT = "start-script.sh"
# Rule, file, "has" or "has not", pattern, what to do if that is not so. {} becomes the line found,
# <port> the number after EXPOSE. Patterns see no comments. "main.py" is the app with each statement
# on one line and 'text' in single quotes, after the ENV lines and the start script.
RULES = (
    ("base", "Dockerfile", "has not", r"\A\s*(ARG .*\s+)*FROM (--\S+ )*[\w./-]+(:latest)?( AS|$)",
     "The base image can change overnight. Name its version, as in python:3.11-slim"),
    ("user", "Dockerfile", "has", r"^USER (?!(root|0)\b)\S(?![\s\S]*^USER )",
     "Serve runs nothing as root. The last USER line must be: USER app"),
    ("user", "Dockerfile", "has not", r"\A(?![\s\S]*\b1000\b)[\s\S]*user\w* .*-u(id)?[ =]?\d",
     "Serve runs the app as user 1000. Write RUN useradd --create-home --uid 1000 app"),
    ("port", "Dockerfile", "has", r"^EXPOSE ([3-9]\d{3}(/tcp)?|\$\S+)$",
     "Serve connects to one port, from 3000 to 9999. Write EXPOSE 8080"),
    ("port", "Dockerfile", "has not", r"^ENV (.* )?(GRADIO_SERVER_)?PORT[= ]\"?(?!<port>\b)\d+",
     "{} is not the port that EXPOSE names. Make the two the same."),
    ("port", "main.py", "has",
     r"\A(?=[\s\S]*\b<port>\b)[\s\S]*(\b(launch|run)\(.*(port=|\*\*)|--port|GRADIO_SERVER_PORT)",
     "Nothing listens on the port that EXPOSE names. Write demo.launch(..., server_port=8080)"),
    ("host", "main.py", "has", r"(server_name|\bhost)\W+(?!'?(127|localhost|None))|launch\(.*\*\*",
     'Nobody outside the container can reach the app. Write server_name="0.0.0.0"'),
    ("share", "main.py", "has not", r"launch\(.*\bshare=True",
     "share=True opens a second way to the app, past Serve. Remove it."),
    ("start-shebang", SCRIPT, "has", r"\A#!",
     "The first line must say which program reads the rest. Write #!/bin/sh"),
    ("start-line-ends", SCRIPT, "has not", r"\r",
     "It has Windows line endings and cannot start. Save it with Linux ones (LF)."),
    ("start-exec", SCRIPT, "has", r"\bexec \S",
     "Serve cannot tell the app to stop, and kills it 30 s later. End with exec python main.py"),
    ("pinned", "requirements.txt", "has not", r"^\w[\w.-]* ?(\[.*\])? ?"
     r"(?![^;\n]*== ?[\w.+!-]+ ?([,;]|--|$))([;<>=~!].*)?$",
     '"{}" lets the next build pick another version, which may not work. Write name==version'),
    ("secret", "Dockerfile", "has not", r"^(ARG|ENV) .*(token|secret|passw\w+|api_?key)=[^\s$]{6}",
     "Anyone with the image can read this value. Remove it, and get a new one."),
    ("secret", "main.py", "has not", r"(passw\w+|api_?key)('\])?(: str)? ?= ?'[^\s']{8,}'",
     "Anyone with the image can read this password. Remove it, and get a new one."),
)  # fmt: skip
FLAGS = re.MULTILINE | re.IGNORECASE
KEYS = rb"\b(A[KS]IA[A-Z0-9]{16}\b|gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40}|hf_[A-Za-z0-9]{30})"
KEYS += rb"|-BEGIN [A-Z ]*PRIVATE KEY-"
WEIGHTS = r"[\"']data\W+([\w.-]+\.(?:pth?|ckpt|safetensors|onnx|h5|keras|joblib|pkl|skops))[\"']"
PART = r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*"
IMAGE = rf"([a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?(/{PART}){{2,}}|[a-z0-9_-]+/{PART})(:.*)?"
Finding = namedtuple("Finding", "rule file cure")


def read(file):
    """Return a file's text without comments and indents, with continued lines joined."""
    text = file.read_bytes().decode("utf-8", "replace") if file.is_file() else ""
    text = text if file.name == SCRIPT else text.replace("\r", "")
    text = re.sub(r"(?m)^\s*#(?!!).*\n?|[ \t]+#[ \t].*", "", text)
    return re.sub(r"(?m)^ | $", "", re.sub(r"(\\\r?\n|[ \t])+", " ", text))


def find_files(folder, pattern):
    """Return the files that a pattern of COPY or .dockerignore stands for."""
    pattern = re.sub(r"(?<=[^/])\*\*+|\*\*+(?=[^/])|^\.?$", "*", pattern.strip("/"))
    return {f for place in folder.glob(pattern) for f in (place, *place.rglob("*")) if f.is_file()}


def find_image_files(folder, dockerfile):
    """Return the files that COPY takes and .dockerignore lets through."""
    taken, left_out = set(), set()
    text = re.sub(r"\$\w+|\$\{.*?\}", "*", dockerfile)  # a variable may stand for anything
    for line in re.findall(r"^(?:COPY|ADD) (.*)", re.sub(r"[][\",]", " ", text), FLAGS):
        taken = taken.union(*(find_files(folder, source) for source in line.split()[:-1]))
    ignore = f".git\n.venv\n{read(folder / '.dockerignore')}"
    for mark, pattern in re.findall(r"(?m)^(!?) ?(\S+)", ignore):
        found = find_files(folder, pattern)
        left_out = left_out - found if mark else left_out | found
    return taken - left_out


def find_needed_files(folder, code):
    """Return what is in the folder and is imported or named by the app's code."""
    for path in sorted(folder.iterdir()):
        name = re.escape(path.name.removesuffix(".py"))
        if path.suffix == ".py" or any(path.glob("*.py")):
            pattern = rf"^ *(from|import) {name}\b"
        elif path.is_dir():  # one that the app does not make itself
            pattern = rf"\A(?![\s\S]*m\w*dirs?\()[\s\S]*((/ |join\(.*|Path\(.*)'{name}'|'{name}/)"
        else:
            pattern = f"'{name}'(?!, '[aw])"
        if re.search(pattern, code, re.MULTILINE):
            yield path


def check(folder, main, name="", allow_missing_weights=False):
    """Return what keeps SciLifeLab Serve from running the app `main`, as a list of findings."""
    dockerfile, script, found = folder / "Dockerfile", folder / SCRIPT, []
    for file in (dockerfile, script, main):
        if not file.is_file():
            return [Finding("copied", file, "It is missing. Copy it from an app like yours.")]
    try:
        code = ast.unparse(ast.parse(main.read_bytes(), main.name))
        code = re.sub(r'"{3}[\s\S]*?"{3}', "''", code)  # docstrings are comments
    except (SyntaxError, ValueError) as error:
        return [Finding("python", main, f"Python cannot read it: {error}. Fix that first.")]
    texts = {file.name: read(file) for file in (dockerfile, script, folder / "requirements.txt")}
    env = re.findall(r"^ENV .*", texts["Dockerfile"], FLAGS)
    texts["main.py"] = "\n".join([*env, texts[SCRIPT], code])
    port = (re.findall(r"^EXPOSE (\d+)", texts["Dockerfile"], FLAGS) or [r"\d+"])[0]
    for rule, where, must, pattern, cure in RULES:
        match = re.search(pattern.replace("<port>", port), texts[where], FLAGS)
        if bool(match) != (must == "has"):
            cure = cure.format(match and match[0].split("\n")[-1])
            found.append(Finding(rule, main if where == "main.py" else folder / where, cure))
    if not os.access(script, os.X_OK) and "chmod" not in texts["Dockerfile"]:
        cure = f"Serve may not run it. Write RUN chmod +x {SCRIPT} below its COPY line."
        found.append(Finding("start-executable", script, cure))

    needed = {main, script, *find_needed_files(folder, code)}
    downloader = read(folder / "download_model.py")
    for weights in dict.fromkeys(re.findall(WEIGHTS, code) or re.findall(WEIGHTS, downloader)):
        if (folder / "data" / weights).exists():
            needed.add(folder / "data" / weights)
        elif not allow_missing_weights:
            cure = f"Run make model APP={name or folder.name}, or put your own file there."
            found.append(Finding("weights", main, f"data/{weights} is missing. {cure}"))
    image = find_image_files(folder, texts["Dockerfile"])
    if absent := sorted(needed.difference(image, *(file.parents for file in image))):
        names = ", ".join(path.relative_to(folder).as_posix() for path in absent)
        cure = f"The image lacks {names}. Name it in a COPY line here, and not in .dockerignore."
        found.append(Finding("copied", dockerfile, cure))
    for file in sorted(image):
        text = file.read_bytes() if file.stat().st_size < 1_000_000 else b""
        if re.match(r"\.env(\.(?!example|sample|template)|$)", file.name) or re.search(KEYS, text):
            cure = "Anyone with the image can read the secret in it. Remove it, and get a new one."
            found.append(Finding("secret", file, cure))
    return found


def check_name(image, tag):
    """Return what keeps SciLifeLab Serve from fetching an image of this name and tag."""
    found, tag = [], tag or image.rpartition("/")[2].partition(":")[2]
    if image and not re.fullmatch(IMAGE, image):
        cure = "Write owner/name for Docker Hub, or ghcr.io/owner/name, in small letters."
        found.append(Finding("image", None, f'Serve cannot fetch "{image}". {cure}'))
    if (image or tag) and (tag == "latest" or not re.fullmatch(r"(?a)\w[\w.-]{0,127}", tag)):
        cure = "Serve keeps the first image it fetched by a tag. Give each build its own: TAG=v1"
        found.append(Finding("tag", None, f'The tag is "{tag}", but {cure}'))
    return found


def main(argv=None):
    parser = argparse.ArgumentParser(description="Tell whether SciLifeLab Serve will run an app.")
    parser.add_argument("app", help="its name, as in `make list`, or all")
    parser.add_argument("--image", default="", help="the name to publish it under")
    parser.add_argument("--tag", default="", help="the tag to publish it under")
    parser.add_argument("--allow-missing-weights", action="store_true", help="do not ask for them")
    args, failed = parser.parse_args(argv), False
    for app in find_apps() if args.app == "all" else [find_app(args.app)]:
        if args.app == "all" and not (app.folder / "Dockerfile").exists():
            continue
        found = check(app.folder, app.file, app.name, args.allow_missing_weights)
        found += check_name(args.image, args.tag)
        failed |= bool(found)
        ready = f"ready for SciLifeLab Serve ({len(RULES) + 4} rules)"
        print(f"{app.name}: {f'{len(found)} to fix for SciLifeLab Serve' if found else ready}")
        for rule, file, cure in found:
            place = f"{file.relative_to(app.folder).as_posix()}: " if file else ""
            print(textwrap.fill(f"  {place}{rule}: {cure}", 100, subsequent_indent="    "))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
