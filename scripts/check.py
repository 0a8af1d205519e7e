"""Tell what in an app's folder would keep SciLifeLab Serve from running it. Needs no Docker.

Each rule stands for an app that ran at home and not on Serve, or that was not safe there. Where the
files leave room for doubt, a rule says nothing: `make docker-smoke` tries the image itself.
"""

import ast
import functools
import os
import re
import sys
import textwrap
from typing import NamedTuple

from apps import WEIGHTS, find_app, find_apps
from container.context import files_in_image, read
from model_app import NO_LABEL
from origin import GALLERY, NOTE
from recipes import modules_of

SCRIPT = "start-script.sh"
KEYS = re.compile(
    rb"\b(A[KS]IA[A-Z0-9]{16}\b|gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40}|hf_[A-Za-z0-9]{30}"
    rb"|sk-[A-Za-z0-9_-]{24})"
    rb"|-BEGIN [A-Z ]*PRIVATE KEY-"
)
# modules that are not called like their package
MODULES = {"pil": "pillow", "sklearn": "scikit-learn", "skimage": "scikit-image"}
MODULES |= {"cv2": "opencv", "yaml": "pyyaml", "bs4": "beautifulsoup4", "skbio": "scikit-bio"}
MODULES |= {"pytorch-grad-cam": "grad-cam", "google": "protobuf", "fitz": "pymupdf"}
MODULES |= {"bio": "biopython"}
PART = r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*"
IMAGE = rf"([a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?(/{PART}){{2,}}|[a-z0-9_-]+/{PART})(:.*)?"


class Finding(NamedTuple):
    """What is wrong: the name of the rule, the file if there is one, and what to do."""

    rule: str
    file: object
    cure: str


class Source:
    """A Python file, by its syntax tree: comments and the like do not count."""

    def __init__(self, file):
        self.file = file
        self.nodes = [*ast.walk(ast.parse(file.read_bytes(), file.name))]

    def of(self, *kinds):
        return [node for node in self.nodes if isinstance(node, kinds)]

    def calls(self, *names):
        """Return the calls of functions and methods with these names."""
        named = [(getattr(c.func, "attr", getattr(c.func, "id", "")), c) for c in self.of(ast.Call)]
        return [call for name, call in named if name in names]

    @functools.cached_property
    def constants(self):
        # without the text between the {} of an f-string
        inside = {id(value) for node in self.of(ast.JoinedStr) for value in node.values}
        return [node.value for node in self.of(ast.Constant) if id(node) not in inside]

    @property
    def texts(self):
        return [constant for constant in self.constants if isinstance(constant, str)]

    @functools.cached_property
    def imported(self):
        """The modules that it imports, up to the first dot."""
        return modules_of(self.of(ast.Import, ast.ImportFrom))

    @property
    def needed(self):
        """The modules that it imports and cannot do without: not those in a `try`."""
        tried = {id(n) for part in self.of(ast.Try) for n in ast.walk(part) if part.handlers}
        nodes = [n for n in self.of(ast.Import, ast.ImportFrom) if id(n) not in tried]
        others = [n for n in nodes if not getattr(n, "level", 0)]  # not from . import ...
        return modules_of(others) - sys.stdlib_module_names

    @functools.cached_property
    def parts_of_paths(self):
        """The strings behind a /, and those given to Path(), join() and joinpath()."""
        nodes = [n.right for n in self.of(ast.BinOp) if isinstance(n.op, ast.Div)]
        nodes += [arg for c in self.calls("Path", "join", "joinpath") for arg in c.args]
        return [node.value for node in nodes if is_text(node)]

    @functools.cached_property
    def named_texts(self):
        """Pairs of a name and the string that is assigned to it, or given to it in a call."""
        pairs = [(node.arg or "**", node.value) for node in self.of(ast.keyword)]
        for node in self.of(ast.Assign, ast.AnnAssign):
            targets = getattr(node, "targets", None) or [node.target]
            pairs += [(ast.unparse(target), node.value) for target in targets]
        return [(name, text.value) for name, text in pairs if is_text(text)]


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def value_of(call, name):
    """Return the value of a setting in a call; `...` if it may be set by ** or is no constant."""
    for setting in call.keywords:
        if setting.arg == name:
            return setting.value.value if isinstance(setting.value, ast.Constant) else ...
    return ... if any(setting.arg is None for setting in call.keywords) else None


class Folder:
    """The files of an app that the rules look at; raises SyntaxError or ValueError."""

    def __init__(self, folder, main):
        self.folder, self.main = folder, main
        self.dockerfile, self.script = folder / "Dockerfile", folder / SCRIPT
        self.docker, self.starts = read(self.dockerfile), read(self.script)
        self.image = files_in_image(folder, self.docker)
        self.code = Source(main)
        # what the image has as main.py instead of the app, to start it
        other = re.search(r"(?m)^COPY .*?(\S+\.py) main\.py$", self.docker)
        starter = folder / (other[1] if other else main.name)
        self.launchers = [self.code, *(Source(f) for f in {starter} - {main} if f.is_file())]
        self.sources = self.find_sources()
        exposed = re.fullmatch(r"(\d+)(/tcp)?", "".join(self.lines("EXPOSE")))
        self.port = exposed and exposed[1]
        self.around = " ".join([*self.lines("ENV"), self.starts])  # what may set host and port, too

    def lines(self, *instructions):
        """Return what is behind these instructions of the Dockerfile."""
        return re.findall(rf"(?mi)^(?:{'|'.join(instructions)}) (.*)", self.docker)

    def given_to_launch(self, *names, named=False):
        """Return the values of these settings; `named`: without what ** may set."""
        more = ["settings"] if named else []
        calls = [c for source in self.launchers for c in source.calls("launch", "run", *more)]
        calls = [c for c in calls if not named or {*names} & {each.arg for each in c.keywords}]
        return {value_of(call, name) for call in calls for name in names}

    def find_sources(self):
        """Return the Python files of the folder that run: the app, and what it imports."""
        found, todo = {}, [source.file for source in self.launchers]
        while todo:
            if (file := todo.pop()) not in found:
                found[file] = Source(file)
                beside = [self.folder / f"{name}.py" for name in found[file].imported]
                todo += [other for other in beside if other.is_file()]
        return list(found.values())

    @functools.cached_property
    def weights(self):
        """The files with weights that the app names, or else its download_model.py."""
        for file in (self.main, self.folder / "download_model.py"):
            source = Source(file) if file.is_file() else self.code
            whole = [text[5:] for text in source.texts if text.startswith("data/")]
            names = [n for n in (*source.parts_of_paths, *whole) if n.endswith(WEIGHTS)]
            if names:
                return [self.folder / "data" / name for name in dict.fromkeys(names)]
        return []

    @functools.cached_property
    def needed(self):
        """The files and folders that the app imports, opens or names."""
        found = {self.main, self.script, *(source.file for source in self.sources)}
        found |= {file for file in self.weights if file.exists()}
        imported = {name for source in self.sources for name in source.imported}
        opened = [call.args for call in self.code.calls("open") if len(call.args) > 1]
        written = {ast.unparse(name) for name, mode, *_ in opened if writes(mode)}
        makes_folders = self.code.calls("mkdir", "makedirs")
        for path in self.folder.iterdir():
            if path.is_file():
                if path.name in self.code.texts and repr(path.name) not in written:
                    found.add(path)
            elif any(path.glob("*.py")):
                if path.name in imported:
                    found.add(path)
            elif not makes_folders:  # or it may be one that the app makes itself
                begins = any(text.startswith(f"{path.name}/") for text in self.code.texts)
                if begins or path.name in self.code.parts_of_paths:
                    found.add(path)
        return found


def writes(mode):
    return is_text(mode) and mode.value[:1] in "aw"


# ---- The rules ----------------------------------------------------------------------------------
# Each says in its docstring what to do. It returns the file in which something is wrong, or a pair
# of that and of what stands for {} in the docstring.

RULES = []


def rule(function):
    RULES.append(function)
    return function


def name_of(function):
    return function.__name__.replace("_", "-")


@rule
def base(app):
    """The base image can change overnight. Name its version, as in python:3.11-slim"""
    image = re.sub(r"^(--\S+ )+", "", (app.lines("FROM") or [""])[0]).partition(" ")[0]
    if re.fullmatch(r"[\w./-]*(:latest)?", image):
        return app.dockerfile


@rule
def root(app):
    """Serve runs nothing as root. The last USER line must be: USER app"""
    if (app.lines("USER") or ["root"])[-1].partition(":")[0] in ("root", "0"):
        return app.dockerfile


@rule
def user_1000(app):
    """Serve runs the app as user 1000. Write RUN useradd --create-home --uid 1000 app"""
    makes_one = re.search(r"user\w* .*-u(id)?[ =]?\d", app.docker)
    if makes_one and not re.search(r"\b1000\b", app.docker):
        return app.dockerfile


@rule
def exposed_port(app):
    """Serve connects to one port, from 3000 to 9999. Write EXPOSE 8080"""
    if not re.fullmatch(r"[3-9]\d{3}(/tcp)?|\$\S+", " ".join(app.lines("EXPOSE"))):
        return app.dockerfile


@rule
def same_port(app):
    """{} is not the port that EXPOSE names. Make the two the same."""
    settings = " ".join(app.lines("ENV"))
    for port in re.findall(r"(?:^| )((?:GRADIO_SERVER_)?PORT[= ]\"?\d+)", settings):
        if app.port and re.search(r"\d+$", port)[0] != app.port:
            return app.dockerfile, port


@rule
def listening_port(app):
    """Nothing listens on the port that EXPOSE names. Write launch(..., server_port=8080)"""
    numbers = {str(constant) for source in app.sources for constant in source.constants}
    numbers |= {*re.findall(r"\d+", app.around)}
    set_there = app.given_to_launch("server_port", "port") - {None}
    if app.port and app.port not in numbers:
        return app.main
    if not set_there and not re.search("--port|GRADIO_SERVER_PORT[= ]", app.around):
        return app.main


@rule
def host(app):
    """Nobody outside the container can reach the app. Write server_name="0.0.0.0" """
    if re.search(r"(--host|GRADIO_SERVER_NAME)\W+(?!127|localhost)", app.around):
        return None
    if app.given_to_launch("server_name", "host") <= {None, "127.0.0.1", "localhost"}:
        return app.main


@rule
def share(app):
    """share=True opens a second way to the app, past Serve. Remove it."""
    if True in app.given_to_launch("share"):
        return app.main


@rule
def auth(app):
    """Serve allows no logins of an app's own. Remove auth=, and choose who may open it on Serve."""
    if app.given_to_launch("auth", named=True) - {None}:
        return app.main


@rule
def api_open(app):
    """Programs can call it past the queue. Write demo.queue(api_open=False)"""
    queues = [call for source in app.launchers for call in source.calls("queue")]
    closed = any(value_of(call, "api_open") in (False, ...) for call in queues)
    if "gradio" in app.code.imported and app.code.calls("launch") and not closed:
        return app.main


@rule
def queue(app):
    """Line {} runs beside the queue, for any number of users. Remove queue=False"""
    for call in app.code.of(ast.Call):
        if value_of(call, "queue") is False:
            return app.main, call.lineno


@rule
def health_check(app):
    """A slim image has no curl, so the check always fails. Write it in Python, as other apps do."""
    slim = "-slim" in "".join(app.lines("FROM"))
    slim = slim and not re.search(r"(apt-get|apk) .*\bcurl\b", app.docker)
    if slim and "curl" in "".join(app.lines("HEALTHCHECK")):
        return app.dockerfile


@rule
def source_label(app):
    """The image says that its code is in the gallery. Write your own address: ARG SOURCE=https://"""
    if (app.folder / NOTE).exists() and re.search(rf"{GALLERY}\b", app.docker):
        return app.dockerfile


@rule
def start_shebang(app):
    """The first line must say which program reads the rest. Write #!/bin/sh"""
    if not app.starts.startswith("#!"):
        return app.script


@rule
def start_line_ends(app):
    """It has Windows line ends and cannot start. Save it with Linux ones (LF)."""
    if "\r" in app.starts:
        return app.script


@rule
def start_exec(app):
    """Serve cannot stop the app, but kills it later. End with exec python main.py"""
    if not re.search(r"\bexec \S", app.starts):
        return app.script


@rule
def start_executable(app):
    """Serve may not run it. Write RUN chmod +x start-script.sh below its COPY line."""
    if not os.access(app.script, os.X_OK) and "chmod" not in app.docker:
        return app.script


@rule
def pinned(app):
    """With {}, the next build may pick another version. Write name==version"""
    for line in read(app.folder / "requirements.txt").splitlines():
        name = re.match(r"\w[\w.-]* ?(\[.*\])? ?($|[;<>=~!])", line)
        if name and not re.match(r"[^;]*[^;<>~!]== ?[\w.+!-]+ ?([,;]|--|$)", line):
            return app.folder / "requirements.txt", line


@rule
def imported(app):
    """The image has no package for the module {}. Write name==version"""
    listed = [read(app.folder / f"{name}.txt") for name in ("requirements", "constraints")]
    listed += re.findall(r"pip install ([^&|;]*)", app.docker)
    listed = re.sub(r"\$\(.*?\)|\"?\$\w+\"?|--\S+", "", "\n".join(listed))  # no variables, options
    listed = re.sub(r"[._-]+", "-", listed.lower())
    for name in sorted({name for source in app.sources for name in source.needed}):
        places = (name, f"{name}.py", f"*/{name}", f"*/{name}.py")  # as in src/
        own = any(any(app.folder.glob(place)) for place in places)
        plain = name.lower().replace("_", "-")
        if not own and MODULES.get(plain, plain) not in listed:
            return app.folder / "requirements.txt", name


@rule
def secret_in_dockerfile(app):
    """Anyone with the image can read this value. Remove it, and get a new one."""
    for line in app.lines("ARG", "ENV"):
        if re.search(r"(?i)(token|secret|passw\w+|api_?key)=[^\s$]{6}", line):
            return app.dockerfile


@rule
def secret_in_code(app):
    """Anyone with the image can read this password. Remove it, and get a new one."""
    for source in app.sources:
        for name, text in source.named_texts:
            named = re.search(r"(?i)(passw\w+|secret|api_?key)\W*$", name)
            if named and re.fullmatch(r"\S{8,}", text):
                return source.file


@rule
def secret_in_file(app):
    """Anyone with the image can read the secret in it. Remove it, and get a new one."""
    for file in sorted(app.image):
        text = file.read_bytes() if file.stat().st_size < 1_000_000 else b""
        is_env = re.match(r"\.env(\.(?!example|sample|template)|$)", file.name)
        if is_env or KEYS.search(text):
            return file


@rule
def copied(app):
    """The image lacks {}. Name it in a COPY line here, and not in .dockerignore."""
    there = app.image.union(*(file.parents for file in app.image))
    if absent := sorted(app.needed - there):
        return app.dockerfile, ", ".join(p.relative_to(app.folder).as_posix() for p in absent)


@rule
def linked(app):
    """{} is a link to a place that the image has not. Copy the file itself here."""
    root = app.folder.resolve()
    there = {root / path.relative_to(app.folder) for path in app.image}
    for path in sorted(app.image):
        above = [each for each in (path, *path.parents) if app.folder in each.parents]
        links = [each.readlink() for each in above if each.is_symlink()]
        if links and (path.resolve() not in there or any(link.is_absolute() for link in links)):
            return app.dockerfile, path.relative_to(app.folder).as_posix()


@rule
def weights(app):
    """{} is missing. Run make model, or put your own file there."""
    if missing := [file for file in app.weights if not file.exists()]:
        return app.main, f"data/{missing[0].name}"


@rule
def pointer(app):
    """It is a Git LFS pointer, not the file itself. Run git lfs pull"""
    for file in sorted({*app.image, *app.weights}):
        start = file.read_bytes() if file.is_file() and file.stat().st_size < 1000 else b""
        if start.startswith(b"version https://git-lfs"):
            return file


@rule
def labels(app):
    """Its classes have no labels yet. Write one per line, in the order of the outputs."""
    file = app.folder / "data" / "labels.txt"
    if file.is_file() and NO_LABEL.encode() in file.read_bytes():
        return file


# ---- All of them --------------------------------------------------------------------------------


def check(folder, main):
    """Return what keeps SciLifeLab Serve from running the app `main`, as a list of findings."""
    for file in (folder / "Dockerfile", folder / SCRIPT, main):
        if not file.is_file():
            return [Finding("files", file, "It is missing. Copy it from an app like yours.")]
    try:
        app = Folder(folder, main)
    except (SyntaxError, ValueError) as error:
        return [Finding("python", main, f"Python cannot read it: {error}. Fix that first.")]
    found = []
    for function in RULES:
        if wrong := function(app):
            file, detail = wrong if isinstance(wrong, tuple) else (wrong, "")
            found.append(Finding(name_of(function), file, function.__doc__.strip().format(detail)))
    return found


def check_name(image, tag):
    """Return what keeps SciLifeLab Serve from fetching an image of this name and tag."""
    found, tag = [], tag or image.rpartition("/")[2].partition(":")[2]
    if image and not re.fullmatch(IMAGE, image):
        cure = "Write owner/name for Docker Hub, or ghcr.io/owner/name, in lower case."
        found.append(Finding("image", None, f'Serve cannot fetch "{image}". {cure}'))
    if (image or tag) and (tag == "latest" or not re.fullmatch(r"(?a)\w[\w.-]{0,127}", tag)):
        cure = "Serve keeps the first image it fetched by a tag. Give each build its own: TAG=v1"
        found.append(Finding("tag", None, f'The tag is "{tag}", but {cure}'))
    return found


def main(name, image="", tag=""):
    failed = False
    for app in find_apps() if name == "all" else [find_app(name)]:
        if name == "all" and not (app.folder / "Dockerfile").exists():
            continue
        found = check(app.folder, app.file) + check_name(image, tag)
        failed |= bool(found)
        ready = f"ready for SciLifeLab Serve ({len(RULES) + 4} rules)"
        print(f"{app.name}: {f'{len(found)} to fix for SciLifeLab Serve' if found else ready}")
        for rule_name, file, cure in found:
            place = f"{file.relative_to(app.folder).as_posix()}: " if file else ""
            print(textwrap.fill(f"  {place}{rule_name}: {cure}", 100, subsequent_indent="    "))
    return int(failed)
