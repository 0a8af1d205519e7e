"""The workshop's text: what it lists, links to and lets people type is as it says."""

import contextlib
import json
import os
import re
import runpy
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import requests
from apps import find_app, find_apps
from conftest import (
    ROOT,
    SWITCHED_OFF,
    engine_here,
    start_main,
    wait_until_open,
)
from container.images import engine_run
from gradio_client import Client, handle_file
from maintain.workshop import outdated, updated
from PIL import Image
from playwright.sync_api import expect
from smoke import free_port
from workshop_blocks import BLOCKS, CHAPTERS, MARKER, REASONS, assert_prints, marked, run_by

TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*/*.md"))]
TEXTS = list(dict.fromkeys(TEXTS))
ADDRESS = "http://localhost:8080"


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


def test_every_block_says_what_is_done_with_it():
    assert [b.place for b in BLOCKS if not MARKER.match(b.marker)] == []
    reasons = {b.place: b.marker for b in BLOCKS if b.marker.startswith("not run")}
    assert {k: v for k, v in reasons.items() if not v[len("not run: ") :].startswith(REASONS)} == {}


def test_a_block_that_is_run_by_a_test_names_one():
    tests = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("*.py"))
    for block in BLOCKS:
        if block.marker.startswith("run by: "):
            assert f"\ndef {block.marker.removeprefix('run by: ')}(" in tests, block.place


@pytest.mark.parametrize("block", marked("tree: "))
def test_a_tree_names_what_is_in_its_folder(block):
    folder = block.marker.removeprefix("tree: ")
    listed = re.findall(r"(?m)^[├└]── (\S+)", block.text)
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder]
    paths = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert sorted(listed) == sorted({path.split("/")[1] for path in paths.splitlines()})


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
THEIRS = {"gc_app.py", "small.py", "call.py", "call.mjs", "labels.txt", "model.keras"}
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
    apps = [app for app in find_apps() if app.is_step or "classification" in app.folder.name]
    for name in (*(app.name for app in apps), "own-app"):
        picture = ROOT / "docs" / "images" / f"{name}.png"
        assert picture.stat().st_size < 150_000, picture.name
        width, _ = struct.unpack(">II", picture.read_bytes()[16:24])
        assert width == 960, picture.name
    for file in TEXTS:
        text = file.read_text(encoding="utf-8")
        alts = re.findall(r"!\[(.*?)\]\(", text, re.DOTALL)
        alts += re.findall(r'<img .*?alt="(.*?)"', text)
        assert len(alts) == len(re.findall(r"images/[\w-]+\.png", text)), file.name
        assert [alt for alt in alts if len(alt) <= 20] == [], file.name


def test_the_readme_shows_every_app_with_a_thumbnail_and_every_chapter():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    apps = [app for app in find_apps() if app.is_step or "classification" in app.folder.name]
    for name in (app.name for app in apps):
        picture = f'<img src="docs/images/{name}.png"'
        (row,) = [line for line in readme.splitlines() if picture in line]
        assert f"| `{name}`" in row
        assert str(find_app(name).file.relative_to(ROOT)).removesuffix("/main.py") in row
    index = CHAPTERS[-1].read_text(encoding="utf-8")
    table = re.search(r"(?ms)^\| chapter .*?\n\n", index)[0]
    assert table.replace("](", "](docs/workshop/") in readme


def test_the_time_for_reading_is_that_of_the_words():
    index = CHAPTERS[-1].read_text(encoding="utf-8")
    for name, stated in re.findall(r"\]\((\d.*?\.md)\) \|.*?\| (\d+) min \|", index):
        text = (CHAPTERS[-1].parent / name).read_text(encoding="utf-8")
        code = "".join(re.findall(r"(?ms)^```\w*\n(.*?)^```$", text))
        prose = re.sub(r"(?ms)^```.*?^```$|<!--.*?-->", "", text)
        minutes = len(prose.split()) / 180 + code.count("\n") * 2 / 60
        assert abs(int(stated) - minutes) < 4, f"{name}: {minutes:.0f} min"


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


def check_app_answers(url, question, folder):
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
def test_an_app_in_the_text_answers(block, launch, classifier, tmp_path, monkeypatch):
    question = json.loads(block.marker.removeprefix("app: "))
    if "folder" in question:
        monkeypatch.chdir(classifier(question["folder"]).folder)
    file = tmp_path / "app.py"
    file.write_text(block.text, encoding="utf-8")
    check_app_answers(launch(file), question, tmp_path)


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
    check_app_answers(launch(file), json.loads(question), tmp_path)


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
def test_javascript_calls_give_what_the_text_shows(serve, tmp_path):
    install, program = run_by("test_javascript_calls_give_what_the_text_shows")
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("NO NODE on this machine, to run the text's JavaScript")
    in_folder = {"cwd": tmp_path, "capture_output": True, "text": True}
    ended = subprocess.run([*install.split(), "--no-fund"], **in_folder, timeout=120)
    if ended.returncode:
        pytest.skip("NO PACKAGE @gradio/client: npm could not get it")
    url = serve(find_app("hello")).url.rstrip("/")
    (tmp_path / "call.mjs").write_text(program.replace(ADDRESS, url), encoding="utf-8")
    ended = subprocess.run(["node", "call.mjs"], **in_folder, timeout=60)
    assert ended.returncode == 0, ended.stderr
    (shown,) = [block.output for block in BLOCKS if block.text == program]
    assert_prints(ended.stdout, shown)


# --- models of other kinds, proxies --------------------------------------------------------------


def test_a_keras_model_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    (tmp_path / "data").mkdir()
    layers = [keras.layers.Input((224, 224, 3)), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([*layers, keras.layers.Softmax()])
    model.save(tmp_path / "data" / "model.keras")
    (fragment,) = run_by("test_a_keras_model_answers")
    names = {"keras": keras, "np": np, "HERE": tmp_path, "LABELS": ["red", "green", "blue"]}
    exec(fragment, names)
    # shares of red, green and blue of 1, 0 and 1/3, and with an alpha channel
    answer = names["predict"](Image.new("RGBA", (50, 30), (255, 0, 85, 255)))
    exponents = np.exp([1, 0, 1 / 3])
    assert list(answer) == ["red", "green", "blue"]
    assert [*answer.values()] == pytest.approx(exponents / exponents.sum(), rel=1e-4)


def test_an_answer_of_plumber_is_unpacked():
    class Plumber(BaseHTTPRequestHandler):
        """Answers as plumber 1.2.1 does for `function(age, weight) list(risk = age / weight)`."""

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps({"risk": [asked["age"] / asked["weight"]]}).encode()
            self.send_response(200 if self.path == "/predict" else 404)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    (fragment,) = run_by("test_an_answer_of_plumber_is_unpacked")
    with HTTPServer(("127.0.0.1", 0), Plumber) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        names = {"requests": requests}
        exec(fragment.replace("localhost:8000", f"127.0.0.1:{server.server_port}"), names)
        assert names["predict"](age=30, weight=60) == 0.5
        server.shutdown()


@pytest.mark.slow
def test_behind_a_proxy(tmp_path):
    """With the text's lines an app starts; without the last of them, it fails as the table says."""
    (lines,) = run_by("test_behind_a_proxy")
    lines = lines.replace("proxy.example.org:3128", f"127.0.0.1:{free_port()}")  # nobody answers
    port = free_port()
    app = tmp_path / "app.py"
    text = find_app("hello").file.read_text(encoding="utf-8")
    app.write_text(text.replace("8080", str(port)).replace("0.0.0.0", "127.0.0.1"))
    everything, without_the_last = lines, lines.rpartition("export no_proxy")[0]
    environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}

    def start(lines):
        return subprocess.Popen(
            ["bash", "-c", f"{lines}\nexec '{sys.executable}' '{app}'"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    process = start(everything)
    assert wait_until_open(process, f"http://127.0.0.1:{port}/").ok
    process.terminate()
    process.communicate(timeout=20)
    printed = start(without_the_last).communicate(timeout=60)[0]
    shown = "httpx.ConnectError: [Errno 111] Connection refused"
    assert_in_table(printed.strip().splitlines()[-1], shown)


NGINX = """daemon off; pid nginx.pid; error_log error.log;
events {{}}
http {{
    access_log off; client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        location = /favicon.ico {{ return 204; }}
        {location}
    }}
}}
"""


@pytest.mark.slow
def test_behind_nginx_under_a_path(tmp_path, page):
    """The text's lines for nginx: the page has its style, and an answer and its progress come."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        pytest.skip("NO NGINX on this machine, to try the text's lines")
    (location,) = run_by("test_behind_nginx_under_a_path")
    assert "location /hello/ {" in location
    app_port, port = free_port(), free_port()
    location = location.replace("127.0.0.1:8080", f"127.0.0.1:{app_port}")
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(NGINX.format(port=port, location=location))
    app = tmp_path / "app.py"
    text = find_app("progress").file.read_text(encoding="utf-8")
    app.write_text(text.replace("8080", str(app_port)).replace("0.0.0.0", "127.0.0.1"))
    process = start_main(app, app_port, GRADIO_ROOT_PATH="/hello")
    nginx = subprocess.Popen([program, "-p", tmp_path, "-c", configuration])
    try:
        wait_until_open(process, f"http://127.0.0.1:{app_port}/")
        answers = []
        page.on("response", lambda answer: answers.append(answer))
        page.goto(f"http://127.0.0.1:{port}/hello/")
        page.get_by_label("name").fill("Rosalind")
        page.get_by_role("button", name="Submit").click()
        expect(page.get_by_text(re.compile(r"Greeting - [3-7]\d"))).to_be_visible()
        expect(page.get_by_label("output")).to_have_value("Hello Rosalind!")
        button = page.get_by_role("button", name="Submit")
        assert button.evaluate("b => getComputedStyle(b).borderRadius") != "0px"
        assert any("/hello/gradio_api/" in answer.url for answer in answers)
        failed = [answer.url for answer in answers if not answer.ok]
        assert [url for url in failed if not url.endswith(SWITCHED_OFF)] == []
    finally:
        for running in (nginx, process):
            running.terminate()
            running.wait(20)


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


@pytest.mark.slow
def test_messages_of_torch_without_a_graphics_card_are_those_of_the_table():
    import torch

    if torch.cuda.is_available():
        pytest.skip("A GRAPHICS CARD is in this machine")
    message = message_of(lambda: torch.zeros(1).cuda())
    builds = ["Found no NVIDIA driver on your system.", "Torch not compiled with CUDA enabled"]
    assert_in_table(message, builds[torch.version.cuda is None])


def printed_by(*command, **options):
    ended = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **options
    )
    assert ended.returncode
    return ended.stdout


def test_messages_of_a_wrong_place_are_those_of_the_table(tmp_path):
    printed = printed_by("make", "run", cwd=tmp_path, env={"PATH": os.environ["PATH"]})
    assert_in_table(printed, "make: *** No rule to make target")
    printed = printed_by(sys.executable, "-S", "-c", "import gradio")
    assert_in_table(printed, "ModuleNotFoundError: No module named 'gradio'")


@pytest.mark.skipif(not shutil.which("docker"), reason="NO DOCKER here, to ask for its message")
def test_the_message_of_a_docker_that_is_not_started_is_that_of_the_table():
    nowhere = {**os.environ, "DOCKER_HOST": "unix:///var/run/no-docker.sock"}
    printed = printed_by("docker", "ps", env=nowhere).replace("no-docker", "docker")
    shown = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
    assert_in_table(printed, f"{shown} Is the docker daemon running?")


@pytest.mark.slow
@pytest.mark.skipif(not engine_here(), reason="NO ENGINE for containers here")
def test_messages_of_a_container_are_those_of_the_table(tmp_path):
    engine = engine_here()
    image = ["--build-arg", "APP=hello", "--tag", "hello:windows", tmp_path]
    shutil.copytree(ROOT / "example_apps", tmp_path, dirs_exist_ok=True)
    script = tmp_path / "start-script.sh"
    script.write_bytes(script.read_bytes().replace(b"\n", b"\r\n"))
    assert not engine_run(engine, "build", *image, capture_output=True).returncode
    printed = printed_by(*engine, "run", "--rm", "hello:windows")
    printed = printed.replace("`: No such", ": no such")  # as Podman has it; Docker: without both
    assert_in_table(printed, "start-script.sh: no such file or directory")
    # the app of the same image, with too little memory
    command = ["--memory", "60m", "--entrypoint", "python", "hello:windows", "main.py"]
    options = shlex.split(os.environ.get("DOCKER_RUN_OPTIONS", ""))
    # Podman leaves a note in the working folder
    ended = engine_run(engine, "run", "--rm", *options, *command, cwd=tmp_path, timeout=120)
    assert_in_table(f"exit code {ended.returncode}", "exit code 137")


def test_messages_of_the_gallery_are_those_of_the_table():
    sources = [*ROOT.glob("scripts/*.py"), *ROOT.glob("resnet_image_classification/*.py")]
    source = "".join(file.read_text(encoding="utf-8") for file in sources)
    for shown, written in {
        "Port 8080 is taken, perhaps by an app in another terminal.": "is taken, perhaps by an app",
        'There is no app "resnt".': 'There is no app "{name}".',
        "image_classification_resnet18.pth is missing.": "'is missing' if missing else",
        "... is damaged, or holds another model.": "'is damaged, or holds another model'",
        "Nothing was saved. Try --url (a mirror) or --file (brought by hand): see README.": (
            "Nothing was saved. Try --url (a mirror) or --file (brought by hand): see README."
        ),
        "There is no docker and no podman here.": "docker and no podman'} here.",
        "docker is installed, but its engine does not answer.": "but its engine does not answer.",
    }.items():
        assert_in_table(shown, shown)
        assert written in source
