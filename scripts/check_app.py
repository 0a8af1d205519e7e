"""Tell from the files of an app whether SciLifeLab Serve will run the image built from them.

Needs no Docker, and nothing of the app is imported. Each rule is a function `rule_...` that yields
what it finds, under a short name that stays; RULES lists them. Needs the packages
dockerfile-parse, packaging and pathspec.
"""

import argparse
import ast
import copy
import io
import itertools
import json
import operator
import os
import posixpath
import re
import shlex
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from dockerfile_parse import DockerfileParser
from list_apps import ROOT, find_app, find_apps
from packaging.requirements import InvalidRequirement, Requirement
from pathspec import PathSpec

SCRIPT = "start-script.sh"
PORTS = range(3000, 10_000)
MODEL_FILES = {".pth", ".pt", ".ckpt", ".safetensors", ".onnx", ".h5", ".keras"}
MODEL_FILES |= {".joblib", ".pkl", ".skops"}
TEXT_BYTES = 1_000_000  # a larger file holds data, not code
SECRET_NAME = r"(?i:passwd|password|secret|token|api_?key)"
SECRETS = {
    "an AWS key": r"\b(AKIA|ASIA)[A-Z0-9]{16}\b",
    "a GitHub token": r"\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40})",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a password": rf"{SECRET_NAME}[\"']?( *: *str)? *[:=] *[\"'][\w.+/=!@#%-]{{8,}}[\"']",
}


class Finding(NamedTuple):
    """One thing to mend: the rule's short name, what would happen and the cure, the place."""

    rule: str
    text: str
    file: Path | None = None
    line: int | None = None
    warning: bool = False


# ---- What a Dockerfile makes ----


def patterns(lines):
    """Return .dockerignore lines as patterns: as in .gitignore, but all from the top folder."""
    rules = []
    for line in lines:
        mark, path = re.match(r"\s*(!?)[\s/]*(.*?)\s*$", line).groups()
        path = posixpath.normpath(path)
        if path != "." and not line.startswith("#"):
            rules += [f"{mark}/{path}", f"{mark}/{path}/**"]
    return PathSpec.from_lines("gitignore", rules)


def matching(pattern, files):
    """Return those of `files` that a pattern names, or that are in a folder that it names."""
    pattern = posixpath.normpath(pattern).strip("/")
    return list(files if pattern == "." else patterns([pattern]).match_files(files))


def substitute(text, values):
    """Replace $NAME, ${NAME} and ${NAME:-default}."""
    pattern = r"\$(?:(\w+)|\{(\w+)(?::?-([^}]*))?\})"
    return re.sub(pattern, lambda m: values.get(m[1] or m[2]) or m[3] or "", text)


def split_words(text):
    try:
        return [*map(str, json.loads(text))] if text.startswith("[") else shlex.split(text)
    except ValueError:
        return text.split()


def split_commands(script):
    """Split the text of a shell script into commands, each a list of words."""
    script = re.sub(r"(?m)^\s*#.*$|\\\n|\d*>&\d|\r", "", script)
    lexer = shlex.shlex(script, posix=True, punctuation_chars=";&|\n")
    lexer.whitespace, lexer.commenters, lexer.whitespace_split = " \t", "", True
    try:
        words = list(lexer)
    except ValueError:  # a quotation mark that stays open: go by lines
        words = re.sub("\n+", " ; ", script).split()
    commands = itertools.groupby(words, key=lambda word: bool(word) and set(word) <= set(";&|\n"))
    return [list(command) for is_separator, command in commands if not is_separator]


def makes_program(mode):
    """Tell whether a mode as for chmod, such as 755 or +x, lets a file be run."""
    return bool(re.fullmatch(r"\d*[1357]\d{0,2}|[ugoa]*[+=][rw]*x.*", mode))


@dataclass
class Image:
    """What one stage of a Dockerfile makes; each `line` is one of the Dockerfile."""

    bases: list = field(default_factory=list)  # (name, line) of all stages
    settings: list = field(default_factory=list)  # (name, value, line) of all ENV and ARG
    values: dict = field(default_factory=dict)  # what $NAME stands for
    env: dict = field(default_factory=dict)
    workdir: str = "/"
    user: tuple = ("root", None)  # (name, line)
    uids: dict = field(default_factory=dict)  # of the users that useradd made
    ports: list = field(default_factory=list)  # (port, line)
    start: list = field(default_factory=list)  # (word, line) of ENTRYPOINT and CMD
    files: dict = field(default_factory=dict)  # path in the image: path in the folder
    programs: set = field(default_factory=set)  # paths in the image that were made programs
    absent: list = field(default_factory=list)  # (what a COPY names and cannot have, line)
    installs: list = field(default_factory=list)  # (its requirements, paths by then, line)

    def path(self, name):
        return posixpath.normpath(posixpath.join(self.workdir, name))

    def assign(self, instruction, words, line, given):
        """Do an ENV or ARG; `given` are the arguments given to the build."""
        if instruction == "ENV" and "=" not in words[0]:
            words = [f"{words[0]}={' '.join(words[1:])}"]
        for name, equals, value in (word.partition("=") for word in words):
            self.settings.append((name, value, line))
            if instruction == "ENV":
                self.env[name] = self.values[name] = value
            elif name in given or equals:
                self.values[name] = given.get(name, value)

    def copy(self, words, flags, available, line):
        """Do a COPY from the folder, where `available` passes the .dockerignore."""
        *sources, target = words
        place = self.path(target)
        into_folder = target.endswith("/") or place == self.workdir or len(sources) > 1
        modes = [flag.removeprefix("--chmod=") for flag in flags]
        for source in sources:
            depth = len(PurePosixPath(source.strip("/")).parts)
            found = matching(source, available)
            if not found and "://" not in source:
                self.absent.append((source, line))
            for file in map(PurePosixPath, found):
                inside = "/".join(file.parts[depth:]) or (file.name if into_folder else "")
                path = posixpath.normpath(posixpath.join(place, inside))
                self.files[path] = str(file)
                self.programs.discard(path)
                self.programs |= {path for mode in modes if makes_program(mode)}

    def run(self, command, line):
        """Note what of a RUN the rules ask for: users, programs, packages."""
        for words in split_commands(substitute(command, self.values)):
            if {"useradd", "adduser"} & set(words):
                uid = re.search(r" (?:--uid[ =]|-u ?)(\d+)", " ".join(words))
                self.uids |= {word: uid[1] for word in words if uid}
            elif words[0] == "chmod" and any(map(makes_program, words)):
                places = {path.strip("/"): path for path in self.files}
                named = [matching(self.path(word), places) for word in words[2:]]
                self.programs |= {places[place] for place in itertools.chain(*named)}
            elif "install" in words and "--mount=type=bind" not in command:
                files = [name for flag, name in itertools.pairwise(words) if flag == "-r"]
                self.installs += [(self.path(name), set(self.files), line) for name in files]


def read_dockerfile(file, available, given):
    """Return the Image that the last stage makes."""
    image, stages = Image(), {}
    for step in DockerfileParser(fileobj=io.BytesIO(file.read_bytes())).structure:
        flags, value = re.match(r"((?:--\S+\s+)*)(.*)", step["value"], re.DOTALL).groups()
        line, words = step["startline"] + 1, split_words(substitute(value, image.values))
        match step["instruction"], words:
            case "FROM", [base, *alias]:
                if base in stages:
                    image = copy.deepcopy(stages[base])
                else:  # arguments from before the first FROM hold on
                    image = Image([*image.bases, (base, line)], image.settings, {**image.values})
                stages[alias[-1] if alias else str(len(stages))] = image
            case ("ENV" | "ARG") as instruction, [_, *_]:
                image.assign(instruction, words, line, given)
            case "WORKDIR", [folder, *_]:
                image.workdir = image.path(folder)
            case "USER", [user, *_]:
                image.user = (user, line)
            case "EXPOSE", _:
                image.ports += [(word.partition("/")[0], line) for word in words]
            case "ENTRYPOINT" | "CMD", _:
                image.start += [(word, line) for text in words for word in text.split()]
            case "COPY" | "ADD", [_, _, *_] if "--from=" not in flags:
                image.copy(words, flags.split(), available, line)
            case "COPY", _:  # what comes from another stage keeps its path, or is none of ours
                other = stages.get(re.search(r"--from=(\S*)", flags + "--from=")[1], image)
                image.files |= other.files
                image.programs |= other.programs
            case "RUN", _:
                image.run(value, line)
    return image


# ---- What a Python file says ----

UNKNOWN = object()
ENVIRONMENT = {"os.environ.get", "os.getenv", "environ.get", "getenv"}
OPERATORS = {ast.Div: operator.truediv, ast.Add: operator.add, ast.Mult: operator.mul}
FUNCTIONS = {
    "int": int,
    "str": str,
    "Path": PurePosixPath,
    "pathlib.Path": PurePosixPath,
    "os.path.join": posixpath.join,
    "os.path.dirname": posixpath.dirname,
    "os.path.abspath": posixpath.normpath,
}


class Source:
    """A Python file, read but never run, with the environment variables of its image."""

    def __init__(self, file, name, env):
        self.file, self.env, self.names = file, env, {"__file__": name}
        self.tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        for node in self.tree.body:
            match node:
                case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), _, value):
                    self.names[name] = self.value(value)
        calls = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        self.launches = [  # (settings, line) of each launch()
            ({setting.arg: self.value(setting.value) for setting in call.keywords}, call.lineno)
            for call in calls
            if getattr(call.func, "attr", "") == "launch"
        ]

    def value(self, node):
        """Return what an expression stands for, as far as this file alone tells it."""
        try:
            return self.known_value(node)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return UNKNOWN

    def known_value(self, node):
        value = self.known_value
        match node:
            case ast.Constant(constant):
                return constant
            case ast.Name(name):
                return self.names[name]
            case ast.BoolOp(ast.Or(), choices):
                return next(filter(None, map(value, choices)), None)
            case ast.BinOp(left, sign, right):  # HERE / "data", among others
                return OPERATORS[type(sign)](value(left), value(right))
            case ast.JoinedStr(parts):
                return "".join(str(value(part)) for part in parts)
            case ast.FormattedValue(part):
                return value(part)
            case ast.Attribute(path, "parent"):
                return value(path).parent
            case ast.Subscript(mapping, key) if ast.unparse(mapping) == "os.environ":
                return self.env[value(key)]
            case ast.Call(ast.Attribute(path, "resolve" | "absolute")):
                return value(path)
            case ast.Call(function, arguments) if ast.unparse(function) in ENVIRONMENT:
                return self.env.get(*map(value, arguments))
            case ast.Call(function, arguments):
                return FUNCTIONS[ast.unparse(function)](*map(value, arguments))
        raise LookupError

    def paths(self, node=None):
        """Yield (path, line) for all that may name files, glob patterns among them."""
        for child in ast.iter_child_nodes(node or self.tree):
            value = self.value(child)
            match child:
                case ast.Call(ast.Attribute(folder, "glob" | "rglob"), [pattern, *_]):
                    folder, pattern = self.value(folder), str(self.value(pattern))
                    deep = "**/" if child.func.attr == "rglob" else ""
                    path = f"{folder}/{deep}{pattern}" if isinstance(folder, PurePath) else pattern
                    yield posixpath.normpath(path), child.lineno
                case ast.expr() if isinstance(value, str | PurePath):
                    if "*" not in str(value):  # else it is Markdown
                        yield posixpath.normpath(value), child.lineno
                case ast.JoinedStr():
                    pass  # a sentence for people
                case _:
                    yield from self.paths(child)

    def modules(self):
        """Yield (glob pattern, line) for the files of the modules that this file imports."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names) | ast.ImportFrom(None, names):
                    names = [alias.name for alias in names]
                case ast.ImportFrom(name):
                    names = [name]
                case _:
                    continue
            for name in {name.partition(".")[0] for name in names}:
                yield f"{name}.py", node.lineno
                yield f"{name}/**/*.py", node.lineno


# ---- The rules ----


class AppFolder:
    """An app's folder, read once for all rules."""

    def __init__(self, folder, file, name):
        self.folder, self.name, self.dockerfile = folder, name, folder / "Dockerfile"
        self.files = []
        for place, folders, files in os.walk(folder):
            folders[:] = sorted({*folders} - {".git", ".venv", "__pycache__"})
            self.files += [(Path(place) / name).relative_to(folder).as_posix() for name in files]
        self.downloader = folder / "download_model.py"
        has_model = self.downloader.exists()
        self.model = Source(self.downloader, "download_model.py", {}).names if has_model else {}
        self.weights = str(self.model.get("FILE", ""))
        # weights that are not there yet have a rule of their own: the others take them as there
        self.expected = sorted({*self.files, self.weights} - {""})
        ignore = folder / ".dockerignore"
        lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.exists() else []
        available = list(patterns(lines).match_files(self.expected, negate=True))
        given = {} if file.name == "main.py" else {"APP": file.stem.removesuffix("_app")}
        self.image = read_dockerfile(self.dockerfile, available, given)
        self.source = Source(file, "main.py", self.image.env)

    def places(self, file):
        """Return where in the image a file of the folder is."""
        return [place for place, copied in self.image.files.items() if copied == file]


def rule_base(app):
    for name, line in app.image.bases:
        tag = re.search(r":([^/]+)$", name)
        if not tag or tag[1] == "latest":
            text = f'The base image "{name}" can be another one tomorrow. Name its version, too,'
            yield Finding("base", f"{text} as in python:3.11-slim.", app.dockerfile, line)


def rule_pinned(app, name="requirements.txt"):
    file = app.folder / name
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    for number, line in enumerate(lines, 1):
        line = re.sub(r"(^|\s)#.*|\s--hash.*|\\$", "", line).strip()
        if other := re.match(r"(?:-r|--requirement)[ =]*(.+)", line):
            yield from rule_pinned(app, posixpath.join(posixpath.dirname(name), other[1]))
        elif line and not line.startswith("-"):
            try:
                pins = Requirement(line).specifier
            except InvalidRequirement:
                pins = ()
            if not any(pin.operator == "==" and "*" not in pin.version for pin in pins):
                text = f'"{line}" lets another build get another version, which may not work.'
                yield Finding("pinned", f"{text} Write name==version.", file, number)


def rule_user(app):
    user, line = app.image.user
    name = user.partition(":")[0]
    if app.image.uids.get(name, name) != "1000":
        text = f'The image ends as user "{user}"; Serve runs it as user 1000, never as root. Write'
        text = f"{text} RUN useradd --create-home --uid 1000 app, and at the end USER app."
        yield Finding("user", text, app.dockerfile, line)


def rule_port(app):
    exposed = {port for port, _ in app.image.ports}
    where = (app.dockerfile, app.image.ports[-1][1] if exposed else None)
    if len(exposed) != 1:
        text = f"EXPOSE names {len(exposed)} ports, but Serve connects to one. Write EXPOSE 8080."
        yield Finding("port", text, *where)
    if not app.source.launches:
        text = "Nothing listens: launch() is called nowhere. End with demo.launch(...)."
        yield Finding("port", text, app.source.file)
    for settings, line in app.source.launches:
        port = settings.get("server_port") or app.image.env.get("GRADIO_SERVER_PORT", 7860)
        if not str(port).isdigit():
            text = "This file alone does not tell the port. Write server_port=8080, or"
            text = f'{text} server_port=int(os.environ.get("PORT", 8080)).'
            yield Finding("port", text, app.source.file, line)
        elif int(port) not in PORTS:
            text = f"Serve cannot connect to port {port}. Take one from 3000 to 9999, such as 8080."
            yield Finding("port", text, app.source.file, line)
        elif len(exposed) == 1 and str(port) not in exposed:
            text = f"EXPOSE {min(exposed)}, but the app listens on {port}: who believes EXPOSE does"
            yield Finding("port", f"{text} not reach it. Give both the same.", *where)


def rule_reachable(app):
    for settings, line in app.source.launches:
        host = settings.get("server_name") or app.image.env.get("GRADIO_SERVER_NAME")
        if host != "0.0.0.0":
            text = "The app listens only inside its container, and Serve does not reach it. Write"
            yield Finding("host", f'{text} server_name="0.0.0.0".', app.source.file, line)
        if settings.get("share"):
            text = "share=True opens a second way to the app, past Serve. Leave it out."
            yield Finding("share", text, app.source.file, line)


def rule_start(app):
    image, path, script = app.image, app.image.path(SCRIPT), app.folder / SCRIPT
    if path not in [image.path(word) for word, _ in image.start]:
        text = "Elsewhere the image would start otherwise than on Serve, which runs the start"
        text = f'{text} script. Write ENTRYPOINT ["./{SCRIPT}"].'
        line = image.start[-1][1] if image.start else None
        yield Finding("start", text, app.dockerfile, line)
    if SCRIPT not in app.files:
        return  # another rule says so
    content = script.read_bytes()
    if not content.startswith(b"#!"):
        text = "The first line must say which program reads the others. Write #!/bin/sh"
        yield Finding("start-shebang", text, script, 1)
    if b"\r" in content:
        text = "Its lines end as on Windows, and the container cannot start it. Save it with LF."
        yield Finding("start-line-ends", text, script, 1)
    if path in {*image.files} - image.programs and not os.access(script, os.X_OK):
        text = "Serve may not run it. Write RUN chmod +x below the line that copies it, or run"
        yield Finding("start-executable", f"{text} that here.", script)
    last = [[""], *split_commands(content.decode(errors="replace"))][-1]
    copied = {"main.py", *map(posixpath.basename, image.files)}
    absent = [word for word in last if word.endswith(".py") and Path(word).name not in copied]
    if last[0] != "exec" or absent:
        text = f"There is no {absent[0]} in the image." if absent else "The app does not hear when"
        text = text if absent else f"{text} Serve stops it, and is killed 30 s later."
        yield Finding("start-exec", f"{text} The last line must be: exec python main.py", script)


def rule_copied(app):
    image, main = app.image, app.source.file.name
    reported = set()
    for source, line in image.absent:
        reported |= {source, *matching(source, app.expected)}
        cure = "Let it through in .dockerignore." if reported - {source} else "Mend the name."
        text = f'The build stops: there is no "{source}" to copy. {cure}'
        yield Finding("copied", text, app.dockerfile, line)
    for file, name in ((main, "main.py"), (SCRIPT, SCRIPT)):
        if image.files.get(image.path(name)) != file and file not in reported:
            places = app.places(file)
            where = f"lands in {places[0]}" if places else "is not in the image"
            text = f"{file} {where}; Serve starts it in the last WORKDIR, {image.workdir}. COPY it"
            rule = "workdir" if places else "copied"
            yield Finding(rule, f"{text} there, as {name}.", app.dockerfile)
        reported.add(file)
    home = posixpath.dirname((app.places(main) or [image.path("main.py")])[0])
    for path, line in (*app.source.paths(), *app.source.modules()):
        named = matching(path, app.expected) if "*" in path else []
        in_folder = [file for file in app.expected if file.startswith(f"{path}/")]
        there = [f for f in in_folder if image.files.get(posixpath.join(home, f)) == f]
        named += [path] * (path in app.expected) or in_folder * (not there)
        needed = [f for f in named if image.files.get(posixpath.join(home, f)) != f]
        if needed := sorted({*needed} - reported):
            reported |= {*needed}
            places = app.places(needed[0])
            where = f"lands in {places[0]}" if places else "is not in the image"
            more = f" (and {len(needed) - 1} more)" if needed[1:] else ""
            text = f"The app needs {needed[0]}{more} in {home}, but that {where}. COPY it there"
            text += "." if places else ", and let it through in .dockerignore."
            yield Finding("copied", text, app.source.file, line)


def rule_requirements(app):
    absent = {posixpath.basename(source) for source, _ in app.image.absent}  # was said before
    for path, files, line in app.image.installs:
        if path not in files and posixpath.basename(path) not in absent:
            text = f"The build stops: pip does not find {path}. COPY it above this line."
            yield Finding("requirements", text, app.dockerfile, line)
        elif {*app.places(app.source.file.name)} & files:
            text = "Each edit of the app installs all packages anew. COPY the app below this line."
            yield Finding("copy-order", text, app.dockerfile, line, warning=True)


def rule_weights(app):
    cure = f"make model APP={app.name}"
    for path, line in dict(app.source.paths()).items():
        ours = any(file.startswith(f"{path.partition('/')[0]}/") for file in app.files)
        if ours and PurePath(path).suffix in MODEL_FILES and path not in app.expected:
            text = f"{path} is missing, and without it the app ends at once. Put it there, or mend"
            yield Finding("weights", f"{text} the name.", app.source.file, line)
    if app.weights and app.weights not in app.files:
        text = f"{app.weights} is missing, and without it the app ends at once. Fetch it: {cure}"
        yield Finding("weights", text, app.downloader)
    elif app.weights:
        size = (app.folder / app.weights).stat().st_size
        least, most = app.model.get("MIN_BYTES", size), app.model.get("MAX_BYTES", size)
        if not least <= size <= most:
            text = f"{app.weights} has {size:,} bytes, not {least:,} to {most:,}: it is damaged, or"
            text = f"{text} another model. Fetch it: {cure} (or, if it is yours, mend the numbers)."
            yield Finding("weights", text, app.downloader)


def rule_secrets(app):
    advice = "which everybody with the image can read. Take it out, and replace it by a new one."
    for name, value, line in app.image.settings:
        tokens = [pattern for pattern in SECRETS.values() if re.search(pattern, value)]
        if tokens or (len(value) > 5 and re.search(f"{SECRET_NAME}$", name)):
            yield Finding("secret", f"{name} has a value, {advice}", app.dockerfile, line)
    for name in sorted({*app.image.files.values()} & {*app.files}):
        file = app.folder / name
        if file.name.startswith(".env"):
            text = f"Everybody with the image can read {name}. Name it in .dockerignore."
            yield Finding("env-file", text, file)
        elif file.stat().st_size <= TEXT_BYTES:
            content = file.read_text(encoding="utf-8", errors="replace")
            for kind, pattern in SECRETS.items():
                for found in re.finditer(pattern, content):
                    line = content.count("\n", 0, found.start()) + 1
                    yield Finding("secret", f"This looks like {kind}, {advice}", file, line)


RULES = (
    rule_base,
    rule_pinned,
    rule_user,
    rule_port,
    rule_reachable,
    rule_start,
    rule_copied,
    rule_requirements,
    rule_weights,
    rule_secrets,
)


def check(folder, file, name="", allow_missing_weights=False):
    """Return what keeps SciLifeLab Serve from running the app as a list of findings."""
    for needed in (folder / "Dockerfile", file):
        if not needed.is_file():
            return [Finding("copied", f"There is no {needed.name}, and so no image.", needed)]
    try:
        app = AppFolder(folder, file, name or folder.name)
    except SyntaxError as error:
        text = f"Not valid Python: {error.msg}."
        return [Finding("python", text, Path(error.filename), error.lineno)]
    found = [finding for rule in RULES for finding in rule(app)]
    return [f for f in found if not (allow_missing_weights and f.rule == "weights")]


def check_name(image, tag):
    """Return what keeps SciLifeLab Serve from fetching an image of this name and tag."""
    found, name, own_tag = [], *re.fullmatch(r"(.*?)(?::([^:/]*))?", image).groups()
    tag, parts = tag or own_tag or "", name.split("/")
    registry = parts.pop(0) if re.search(r"[.:]|^localhost$", parts[0]) else ""
    correct = all(re.fullmatch(r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*", part) for part in parts)
    enough = len(parts) >= 2 if registry else len(parts) == 2
    if image and (not correct or not enough or registry.startswith("localhost")):
        text = f'Serve cannot fetch "{image}". Write owner/name for Docker Hub, or'
        found.append(Finding("image", f"{text} ghcr.io/owner/name, in small letters."))
    if tag == "latest" or not re.fullmatch(r"\w[\w.-]{0,127}", tag, re.ASCII):
        text = f'The tag is "{tag}", but Serve keeps the first image that it fetched by a tag. Give'
        found.append(Finding("tag", f"{text} each build a new one, such as TAG=v1."))
    return found if image or tag else []


def show(finding):
    file, line = finding.file, f":{finding.line}" if finding.line else ""
    if file and file.is_relative_to(ROOT):
        file = file.relative_to(ROOT)
    place = f"{file}{line}: " if file else ""
    rule = f"{finding.rule} (a warning)" if finding.warning else finding.rule
    print("\n" + textwrap.fill(f"{place}{rule}: {finding.text}", 100, break_on_hyphens=False))


def main(argv=None):
    parser = argparse.ArgumentParser(description="Tell whether SciLifeLab Serve will run an app.")
    parser.add_argument("app", help="its name, as in `make list`, or all")
    parser.add_argument("--image", default="", help="the name to publish it by")
    parser.add_argument("--tag", default="", help="the tag to publish it by")
    parser.add_argument("--allow-missing-weights", action="store_true", help="do not ask for them")
    options = parser.parse_args(argv)
    if options.app == "all":
        apps = [app for app in find_apps() if (app.folder / "Dockerfile").exists()]
    else:
        apps = [find_app(options.app)]
    allow = options.allow_missing_weights
    results = [(app.name, check(app.folder, app.file, app.name, allow)) for app in apps]
    if wrong := check_name(options.image, options.tag):
        results.append((f"{options.image}:{options.tag}".strip(":"), wrong))
    for name, findings in results:
        errors = sum(not finding.warning for finding in findings)
        ready = f"ready for SciLifeLab Serve ({len(RULES)} rules)"
        print(f"{name}: {f'{errors} to mend for SciLifeLab Serve' if errors else ready}")
        for finding in findings:
            show(finding)
        print(end="\n" if findings else "")
    return int(any(not finding.warning for _, findings in results for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
