"""The workshop's text: what it lists, links to and lets people type is as it says."""

# The line above a block of code in docs/workshop says what is done with the block:
#
#   <!-- file: PATH -->       it is that file, to the character (scripts/update_workshop.py)
#   <!-- part of: PATH -->    it occurs in that file
#   <!-- run -->              bash: typed in a fresh copy of the gallery, in the order of the text.
#                             Options, with commas between: `shows "words"`: it prints these;
#                             `fails`: it ends with an error; `serves`: it starts an app, which runs
#                             until the next such block or the end of the chapter; `port=9000`
#   <!-- run: app=hello -->   bash, python, javascript: run while that app is served
#   <!-- run: folder=NAME --> pycon: typed at a Python prompt in that folder
#   <!-- output -->           what the block above prints; `...` stands for anything
#   <!-- app: {"ask": [...], "answer": ...} -->       python: a whole app; it is asked this
#   <!-- change: NAME {"ask": ..., "answer": ...} --> diff: the same with a change of that app; an
#                             empty line ends a hunk. Besides: "labels": number of labels,
#                             "config": a text that Gradio's configuration has
#   <!-- not run: REASON -->

import contextlib
import json
import os
import re
import runpy
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import pytest
import requests
from conftest import ROOT
from gradio_client import Client, handle_file
from list_apps import find_app, find_apps
from update_workshop import outdated, updated

CHAPTERS = sorted((ROOT / "docs" / "workshop").glob("*.md"))
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*/*.md"))]
TEXTS = list(dict.fromkeys(TEXTS))
BLOCK = re.compile(r"(?ms)^(?:<!-- ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$")
MARKED = {"bash", "sh", "powershell", "python", "pycon", "javascript", "diff", "dockerfile"}
MARKER = re.compile(r"(file|part of|run|not run|output|app|change)\b")
ADDRESS = "http://localhost:8080"


class Block(NamedTuple):
    """A block of code: where it is, the marker above it, its language and text, its output."""

    place: str
    marker: str
    language: str
    text: str
    output: str | None

    def option(self, name):
        found = re.search(rf"\b{name}=([\w-]+)", self.marker)
        return found and found[1]

    @property
    def shown(self):
        found = re.search(r'shows "((?:[^"\\]|\\.)*)"', self.marker)
        return found[1].replace('\\"', '"') if found else ""


def blocks_of(chapter):
    text = chapter.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    for match, following in zip(found, [*found[1:], None], strict=True):
        place = f"{chapter.name}:{text.count(chr(10), 0, match.start()) + 1}"
        output = following[3] if following and following[1] == "output" else None
        yield Block(place, match[1] or "", match[2], match[3], output)


BLOCKS = [block for chapter in CHAPTERS for block in blocks_of(chapter)]


def marked(*beginnings, language=None):
    """Return the blocks whose marker begins so, as parameters of a test."""
    chosen = [b for b in BLOCKS if b.marker.startswith(beginnings)]
    chosen = [b for b in chosen if language in (None, b.language)]
    return [pytest.param(block, id=block.place) for block in chosen]


def assert_prints(printed, expected):
    """Assert that a text is as expected, where `...` stands for anything."""
    pattern = re.escape(expected.strip()).replace(re.escape("..."), ".*")
    assert re.fullmatch(pattern, printed.strip(), re.DOTALL), f"{printed}\n--- not:\n{expected}"


# --- the text ------------------------------------------------------------------------------------


def test_listings_are_the_files():
    assert [file.name for file in outdated()] == [], "run scripts/update_workshop.py"


def test_a_listing_that_differs_is_found_and_rewritten():
    chapter = next(c for c in CHAPTERS if "<!-- file: " in c.read_text(encoding="utf-8"))
    text = chapter.read_text(encoding="utf-8")
    changed = re.sub(r"(<!-- file: .*\n```\w*\n)", r"\1# something else\n", text)
    assert changed != text
    assert updated(changed) == text


@pytest.mark.parametrize("block", marked("part of: "))
def test_a_part_occurs_in_its_file(block):
    content = (ROOT / block.marker.removeprefix("part of: ")).read_text(encoding="utf-8")
    assert block.text in content


def test_every_block_says_whether_it_is_run():
    unmarked = [b.place for b in BLOCKS if b.language in MARKED and not MARKER.match(b.marker)]
    assert unmarked == []
    assert [b.place for b in BLOCKS if re.fullmatch(r"not run:?\s*", b.marker)] == []
    counts = Counter("not run" if b.marker.startswith("not run") else "run" for b in SHELL)
    print(f"\nShell blocks: {counts['run']} run, {counts['not run']} not run")
    kinds = Counter(MARKER.match(b.marker)[0] for b in BLOCKS if b.marker)
    print("All blocks:", ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())))


SHELL = [b for b in BLOCKS if b.language in ("bash", "sh", "powershell")]


def anchors(file):
    """Return the anchors that GitHub gives to the headings of a file."""
    text = re.sub(r"(?ms)^```.*?^```$", "", file.read_text(encoding="utf-8"))
    found = []
    for heading in re.findall(r"(?m)^#{1,6} +(.*?) *#*$", text):
        heading = re.sub(r"!?\[(.*?)\]\(.*?\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")
        found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return found


def links(file):
    """Return the targets of all links and images in a file, but for those in code."""
    text = re.sub(r"(?ms)^```.*?^```$", "", file.read_text(encoding="utf-8"))
    text = re.sub(r"`[^`\n]*`", "", text)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_anchors_and_images_resolve(file):
    for link in links(file):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            target = (file.parent / path).resolve() if path else file
            assert target.exists(), link
            assert target.is_relative_to(ROOT), link
            assert not anchor or anchor in anchors(target), link


def code(file):
    """Return the lines of code in a text: those of the blocks, and each `span`."""
    text = file.read_text(encoding="utf-8")
    blocks = re.findall(r"(?ms)^```\w*\n(.*?)^```$", text)
    rest = re.sub(r"(?ms)^```.*?^```$", "", text)
    lines = re.findall(r"`([^`]+)`", rest)
    for block in blocks:
        lines += re.sub(r"\\\n *", "", block).splitlines()
    return lines


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_targets_variables_and_options_exist(file):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"(?m)^([a-z-]+):", makefile)
    variables = [*re.findall(r"\$\((\w+)\)", makefile), *re.findall(r"\$\((\w+),", makefile)]
    variables += ["PYTHON", "TORCH_INDEX"]  # from the environment
    apps = {name for app in find_apps() for name in app.names} | {"all", "gallery"}
    apps |= set(re.findall(r"NAME=(\w+)", file.read_text(encoding="utf-8")))
    apps |= {name.removesuffix("_app.py") for name in THEIRS}
    for line in code(file):
        if command := re.search(r"(?:^|\s{2})make ([a-z][a-z-]*)", line):
            assert command[1] in targets, line
            for name, value in re.findall(r"\b([A-Z_]+)=(\S*)", line):
                assert name in variables, line
                if name in ("APP", "FROM") and value not in ("your_folder", "resnt"):
                    assert value in apps, line
        if program := re.search(r"\b([\w/]+\.py)((?: +--?\w.*)?)$", line):
            candidates = [*ROOT.glob(program[1]), *ROOT.glob(f"*/{program[1]}")]
            for option in re.findall(r"(?<=\s)--[\w-]+", program[2]):
                known = [option in c.read_text(encoding="utf-8") for c in candidates]
                assert option == "--help" or any(known), line


# files that the text lets people make
THEIRS = {"gc_app.py", "call.py", "call.mjs", "labels.txt", "model.keras"}
THEIRS |= {"fine_tuned_resnet18.pth"}


def test_names_are_spelt_in_one_way():
    names = {path.name for path in ROOT.rglob("*") if ".venv" not in path.parts} | THEIRS
    # weights are fetched, not kept: their names are in the programs that fetch them
    names |= {Path(app.folder).name for app in find_apps()}
    for program in ROOT.glob("*/download_model.py"):
        names |= set(re.findall(r'"([\w.]+\.pth)"', program.read_text(encoding="utf-8")))
    wrong = r"\b(Scilifelab|Scilife|DockerHub|Dockerhub|Github|Pytorch|gradio app|Resnet|Vgg)\b"
    wrong += r"|\b(hello-2|multi_input|multiinput|res-net|vgg-11|start_script|dockerfile)\b"
    for chapter in CHAPTERS:
        text = chapter.read_text(encoding="utf-8")
        prose = re.sub(r"\(https?:[^)]*\)|<https?:[^>]*>|```\w*", "", text)
        assert re.findall(wrong, prose) == [], chapter.name
        for span in re.findall(r"`([^`\n]+)`", text):
            for name in re.findall(r"([\w-]+\.(?:py|md|sh|txt|pth|cff|diff|mjs|keras))\b", span):
                assert name in names, f"{chapter.name}: {span}"


def test_every_app_has_a_small_screenshot_and_alt_text_where_it_is_used():
    for app in (app for app in find_apps() if app.is_step or "classification" in app.folder.name):
        picture = ROOT / "docs" / "images" / f"{app.name}.png"
        assert picture.stat().st_size < 150_000, picture.name
        width, _ = struct.unpack(">II", picture.read_bytes()[16:24])
        assert width == 960, picture.name
    for file in TEXTS:
        for alt in re.findall(r"!\[(.*?)\]\(", file.read_text(encoding="utf-8"), re.DOTALL):
            assert len(alt) > 20, file.name


def test_a_chapter_says_what_is_learnt_has_exercises_and_leads_on():
    numbered = [chapter for chapter in CHAPTERS if chapter.name[0].isdigit()]
    for chapter, following in zip(numbered, [*numbered[1:], None], strict=True):
        text = chapter.read_text(encoding="utf-8")
        assert "\nYou will learn\n\n- " in text, chapter.name
        assert text.count("<summary>Solution</summary>") in (2, 3), chapter.name
        assert following is None or f"]({following.name})" in text.splitlines()[-1], chapter.name
        assert f"({chapter.name})" in (chapter.parent / "README.md").read_text(encoding="utf-8")


# --- calls, prompts and changed apps -------------------------------------------------------------


@pytest.fixture
def launch(monkeypatch):
    """Return a function that runs an app's file in this process; give its address and its demo."""
    original, demos = gr.Blocks.launch, []
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the handlers of the tests stay

    def launch_here(demo, *args, **kwargs):
        here = {"server_name": "127.0.0.1", "server_port": None, "prevent_thread_lock": True}
        demos.append(demo)
        return original(demo, *args, **{**kwargs, **here, "quiet": True})

    monkeypatch.setattr(gr.Blocks, "launch", launch_here)

    def launch_file(file):
        runpy.run_path(str(file), run_name="__main__")
        return demos[-1].local_url

    yield launch_file
    for demo in demos:
        demo.close(verbose=False)


def check_app(url, question, folder):
    client = Client(url, verbose=False, download_files=folder)
    with contextlib.closing(client):
        endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
        assert len(endpoints) == 1
        picture = handle_file(str(ROOT / "resnet_image_classification" / "data" / "cat.jpg"))
        answer = client.predict(*question.get("ask", [picture]), api_name=next(iter(endpoints)))
        if "labels" in question:
            assert len(answer["confidences"]) == question["labels"]
        else:
            assert (list(answer) if isinstance(answer, tuple) else answer) == question["answer"]
    config = requests.get(url + "config", timeout=10).text
    assert question.get("config", "") in config


@pytest.mark.slow
@pytest.mark.parametrize("block", marked("app: "))
def test_an_app_in_the_text_answers(block, launch, tmp_path):
    file = tmp_path / "app.py"
    file.write_text(block.text, encoding="utf-8")
    check_app(launch(file), json.loads(block.marker.removeprefix("app: ")), tmp_path)


def apply_change(text, diff):
    for hunk in diff.strip("\n").split("\n\n"):
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        new += "\n" * (not new.endswith("\n"))
        old += "\n" * (not old.endswith("\n"))
        assert text.count(old) == 1, f"the app has {text.count(old)} times:\n{old}"
        text = text.replace(old, new)
    return text


@pytest.mark.slow
@pytest.mark.parametrize("block", marked("change: "))
def test_a_change_in_the_text_can_be_made_and_works(block, launch, classifier, tmp_path):
    _, name, question = block.marker.split(" ", 2)
    app = find_app(name)
    folder = tmp_path if app.is_step else classifier(name).folder
    file = folder / "changed.py"
    file.write_text(apply_change(app.file.read_text(encoding="utf-8"), block.text), "utf-8")
    check_app(launch(file), json.loads(question), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("block", marked("run: folder=", language="pycon"))
def test_a_python_prompt_answers_as_in_the_text(block, classifier, tmp_path):
    name = block.option("folder")
    folder = ROOT / name if name == "example_apps" else classifier(find_app(name).name).folder
    session = tmp_path / "session.txt"
    session.write_text(block.text, encoding="utf-8")
    command = [sys.executable, "-m", "doctest", "-o", "ELLIPSIS", str(session)]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def run_while_served(block, url, command):
    """Run a block that calls an app, and check what it prints."""
    text = block.text.replace(ADDRESS, url.rstrip("/"))
    ended = subprocess.run(
        command, cwd=ROOT, input=text, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert_prints(ended.stdout.replace(url.rstrip("/"), ADDRESS), block.output)


@pytest.mark.slow
@pytest.mark.parametrize("block", marked("run: app=", language="python"))
def test_python_calls_give_what_the_text_shows(block, serve):
    run_while_served(block, serve(find_app(block.option("app"))).url, [sys.executable, "-"])


@pytest.mark.slow
@pytest.mark.parametrize("block", marked("run: app=", language="bash"))
def test_calls_from_a_terminal_give_what_the_text_shows(block, serve):
    run_while_served(block, serve(find_app(block.option("app"))).url, ["bash", "-e"])


@pytest.mark.slow
@pytest.mark.parametrize("block", marked("run: app=", language="javascript"))
def test_javascript_calls_give_what_the_text_shows(block, serve, tmp_path):
    install = next(b.text for b in BLOCKS if b.text.startswith("npm install "))
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("NO NODE on this machine, to run the text's JavaScript")
    options = ["--no-audit", "--no-fund", "--prefix", str(tmp_path)]
    ended = subprocess.run([*install.split(), *options], capture_output=True, timeout=120)
    if ended.returncode:
        pytest.skip("NO PACKAGE @gradio/client: npm could not get it")
    url = serve(find_app(block.option("app"))).url
    program = tmp_path / "call.mjs"
    program.write_text(block.text.replace(ADDRESS, url.rstrip("/")), encoding="utf-8")
    ended = subprocess.run(["node", program], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert_prints(ended.stdout, block.output)


# --- the messages of "When something goes wrong" -------------------------------------------------


def message_of(function):
    """Return how the error of a function reads on the terminal."""
    with pytest.raises((Exception, SystemExit)) as error:
        function()
    return f"{error.type.__name__}: {error.value}"


def assert_in_table(message, shown):
    """Assert that a message is the one that the table shows."""
    table = (ROOT / "docs" / "workshop" / "6-trouble.md").read_text(encoding="utf-8")
    assert f"`{shown}`" in table
    parts = [part.strip() for part in shown.split("...")]
    assert re.search(".*".join(map(re.escape, parts)), message, re.DOTALL), message


def interface(**settings):
    return gr.Interface(str, "text", "text", analytics_enabled=False, **settings)


@pytest.mark.slow
def test_messages_of_gradio_are_those_of_the_table():
    message = message_of(lambda: interface(allow_flagging="never"))
    assert_in_table(message, "TypeError: ... got an unexpected keyword argument 'allow_flagging'")
    message = message_of(lambda: interface().launch(show_api=False))
    assert_in_table(message, "TypeError: ... got an unexpected keyword argument 'show_api'")
    with pytest.warns(UserWarning, match="parameters have been moved") as warned:
        interface(theme=gr.themes.Soft())
    moved = "The parameters have been moved from the Blocks constructor to the launch() method"
    assert_in_table(str(warned[0].message), f"{moved} in Gradio 6.0: theme.")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        message = message_of(lambda: interface().launch(server_port=port, quiet=True))
    message = message.replace(str(port), "8080")
    assert_in_table(message, "OSError: Cannot find empty port in range: 8080-8080.")


@pytest.mark.slow
def test_messages_of_a_full_queue_and_a_large_file_are_those_of_the_table():
    demo = gr.Interface(time.sleep, "number", None, api_name="wait", analytics_enabled=False)
    demo.queue(max_size=1).launch(prevent_thread_lock=True, quiet=True, max_file_size="1kb")
    try:
        upload = {"files": b"x" * 2000}
        refused = requests.post(demo.local_url + "gradio_api/upload", files=upload, timeout=10)
        assert refused.status_code == 413
        assert_in_table(refused.text, "File size exceeded maximum allowed size")
        client = Client(demo.local_url, verbose=False)
        jobs = [client.submit(1, api_name="/wait") for _ in range(5)]
        errors = [str(error) for job in jobs if (error := job.exception(timeout=30))]
        assert_in_table(errors[0], "Queue is full! Please try again.")
        client.close()
    finally:
        demo.close(verbose=False)


@pytest.mark.slow
def test_messages_of_a_model_are_those_of_the_table(tmp_path, monkeypatch):
    import torch
    from torch import nn
    from torchvision.models import resnet18

    file, model = tmp_path / "model.pth", resnet18()
    torch.save(model, file)
    assert_in_table(message_of(lambda: torch.load(file)), "Weights only load failed.")
    five = resnet18(num_classes=5).state_dict()
    shown = "size mismatch for fc.weight: ... [5, 512] ... [1000, 512]"
    assert_in_table(message_of(lambda: model.load_state_dict(five)), shown)
    several = nn.DataParallel(model).state_dict()
    shown = 'Missing key(s) in state_dict: "conv1.weight", ...'
    assert_in_table(message_of(lambda: model.load_state_dict(several)), shown)
    if not torch.cuda.is_available():
        with monkeypatch.context() as patch:  # a file as if from a computer with a graphics card
            patch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
            torch.save(five, file)
        shown = "Attempting to deserialize object on a CUDA device but"
        shown += " torch.cuda.is_available() is False."
        assert_in_table(message_of(lambda: torch.load(file)), shown)


def test_messages_of_the_gallery_are_those_of_the_table():
    sources = [*(ROOT / "scripts").glob("*.py"), ROOT / "resnet_image_classification" / "main.py"]
    source = "".join(file.read_text(encoding="utf-8") for file in sources)
    for shown, written in {
        "Port 8080 is taken, perhaps by an app in another terminal.": "is taken, perhaps by an app",
        'There is no app "resnt".': 'There is no app "{name}".',
        "image_classification_resnet18.pth is missing.": "'is missing' if missing else",
        "... is damaged, or holds another model.": "'is damaged, or holds another model'",
        "There is no docker and no podman here.": "docker and no podman'} here.",
        "docker is installed, but its engine does not answer.": "but its engine does not answer.",
    }.items():
        assert_in_table(shown, shown)
        assert written in source


# --- the shell, from the top ---------------------------------------------------------------------


def fresh_copy(place):
    """Copy what git knows, or would take in, as `git clone` would bring it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)


class Reader:
    """Types blocks into a terminal in a folder, and starts apps in another one."""

    def __init__(self, folder, place):
        self.folder, self.state, self.log = folder, place / "state", place / "log.txt"
        self.server = None
        own = ("VIRTUAL_ENV", "PYTHON", "MAKE", "MFLAGS", "GRADIO_")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
        path = self.environment["PATH"].split(os.pathsep)
        path = [entry for entry in path if not entry.startswith(sys.prefix)]
        self.environment |= {"PATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}
        self.state.write_text(f"cd '{folder}'\n")

    def command(self, text):
        return ["bash", "-c", f"source '{self.state}'\nset -e\n{text}"]

    def type(self, block):
        """Run a block to its end; what it sets, such as PATH, holds for the next one."""
        keep = f"\n{{ export -p; echo \"cd '$PWD'\"; }} > '{self.state}'\n"
        ended = subprocess.run(
            self.command(block.text + keep),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        assert bool(ended.returncode) == ("fails" in block.marker.split('"')[0]), ended.stdout
        assert block.shown in ended.stdout, ended.stdout
        assert "Traceback" not in ended.stdout, ended.stdout
        if block.output is not None:
            assert_prints(ended.stdout, block.output)

    def start(self, block):
        """Start a block that serves an app, and wait until it says what the text shows."""
        self.stop()
        port = int(block.option("port") or 8080)
        with self.log.open("w") as log:
            self.server = subprocess.Popen(
                self.command(block.text),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 400
        while not (is_open(port) and block.shown in self.log.read_text()):
            assert self.server.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.3)

    def stop(self):
        """Press Ctrl-C."""
        if self.server:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.server.pid, signal.SIGINT)
            try:
                self.server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.server.pid, signal.SIGKILL)
                self.server.wait()
                raise
            self.server = None


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_shell_blocks_work_as_typed_from_the_top(tmp_path, the_text_s_ports):
    folder = tmp_path / "gallery"
    fresh_copy(folder)
    reader = Reader(folder, tmp_path)
    typed = 0
    try:
        for chapter in CHAPTERS:
            for block in blocks_of(chapter):
                if block.language == "bash" and re.match(r"run(?!: app=)", block.marker):
                    print(f"\n{block.place}\n{block.text}", end="", flush=True)
                    serves = "serves" in block.marker.split('"')[0]
                    (reader.start if serves else reader.type)(block)
                    typed += 1
            reader.stop()
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            reader.stop()
        shutil.rmtree(folder / ".venv", ignore_errors=True)
    print(f"\n{typed} blocks typed")
