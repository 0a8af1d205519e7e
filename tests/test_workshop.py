"""The workshop's text: what it lists, links to and lets readers type is as it says."""

import contextlib
import json
import os
import re
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import commands
import gradio as gr
import numpy as np
import pytest
import requests
from apps import find_app, find_apps
from conftest import (
    CLASSIFIERS,
    ROOT,
    SWITCHED_OFF,
    nginx_before,
)
from explain import settings_of
from gradio_client import Client, handle_file
from maintain.workshop import outdated, updated
from PIL import Image
from playwright.sync_api import expect
from server import Server, free_port
from workshop_blocks import (
    BLOCKS,
    CHAPTERS,
    DOCS,
    MARKER,
    PAGES,
    REASONS,
    REFERENCE,
    SAVED,
    apply_change,
    assert_prints,
    marked,
    run_by,
    saved,
)


def run(*command, **options):
    """Run a command, and return the finished process."""
    options = {"capture_output": True, "text": True, "timeout": 120} | options
    return subprocess.run([*map(str, command)], **options)


def names_in(folder):
    """Return the paths of a folder's files, as git sees them."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=folder).stdout
    return {path for path in listed.splitlines() if (folder / path).exists()}


FILES = names_in(ROOT)
TEXTS = [ROOT / name for name in sorted(FILES) if name.endswith(".md")]
TROUBLE = DOCS / "reference" / "trouble.md"
ADDRESS = "http://localhost:8080"
MODELS = [find_app(name).folder for name in CLASSIFIERS]
COMMANDS = commands.FOR_YOUR_APP | commands.FOR_THIS_REPOSITORY


# --- the text ------------------------------------------------------------------------------------


def test_listings_are_the_files():
    assert [file.name for file in outdated()] == [], "run make workshop"


def test_a_listing_that_differs_is_found_and_rewritten():
    chapter = next(c for c in PAGES if "<!-- file: " in c.read_text(encoding="utf-8"))
    text = chapter.read_text(encoding="utf-8")
    changed = re.sub(r"(<!-- file: .*\n```\w*\n)", r"\1# something else\n", text)
    assert changed != text
    assert updated(changed) == text


def test_a_part_occurs_in_its_file():
    for block in BLOCKS:
        if block.marker.startswith("part of: "):
            file = ROOT / block.marker.removeprefix("part of: ")
            assert block.text in file.read_text(encoding="utf-8"), block.place


def test_every_block_says_what_is_done_with_it():
    for block in BLOCKS:
        in_shell = block.language in ("bash", "sh", "powershell")
        known = r"(run|not run|file|part of)\b" if in_shell else MARKER
        assert re.match(known, block.marker), block.place
        if block.marker.startswith("not run"):
            assert block.marker.removeprefix("not run: ").startswith(REASONS), block.place


def test_a_block_that_is_run_by_a_test_names_one():
    tests = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("*.py"))
    for block in BLOCKS:
        if block.marker.startswith("run by: "):
            assert f"\ndef {block.marker.removeprefix('run by: ')}(" in tests, block.place


def test_a_tree_names_what_is_in_its_folder():
    for block in BLOCKS:
        if block.marker.startswith("tree: "):
            listed = re.findall(r"(?m)^[├└]── (\S+)", block.text)
            names = names_in(ROOT / block.marker.removeprefix("tree: "))
            assert sorted(listed) == sorted({name.split("/")[0] for name in names}), block.place


@pytest.mark.parametrize("folder", [ROOT / "scripts", *MODELS], ids=lambda folder: folder.name)
def test_the_readme_of_a_folder_names_its_files_and_no_others(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    cells = re.findall(r"(?m)^\| (`[^|]*`) \|", text)
    rows = {name for cell in cells for name in re.findall("`(.*?)`", cell)}
    names = names_in(folder) - {"README.md"}
    assert {name for name in names if not {name, f"{name.split('/')[0]}/"} & rows} == set()
    assert rows <= names | {f"{name.split('/')[0]}/" for name in names}


def without_blocks(file):
    return re.sub(r"(?ms)^```.*?^```$", "", file.read_text(encoding="utf-8"))


def anchors(file):
    """Return the anchors that GitHub gives to the headings of a file."""
    found = []
    for heading in re.findall(r"(?m)^#{1,6} +(.*?) *#*$", without_blocks(file)):
        heading = re.sub(r"!?\[(.*?)\]\(.*?\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")
        found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return found


def test_links_anchors_and_images_resolve():
    for file in TEXTS:
        text = re.sub(r"`[^`\n]*`", "", without_blocks(file))
        links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
        for link in links:
            if not re.match(r"[a-z]+:", link):
                path, _, anchor = link.partition("#")
                target = (file.parent / path).resolve() if path else file
                assert target.exists(), (file, link)
                assert target.is_relative_to(ROOT), (file, link)
                assert not anchor or anchor in anchors(target), (file, link)


def code(file):
    """Return the lines of code in a text: those of the blocks, and each `span`."""
    blocks = re.findall(r"(?ms)^```\w*\n(.*?)^```$", file.read_text(encoding="utf-8"))
    lines = [line for block in blocks for line in re.sub(r"\\\n *", "", block).splitlines()]
    return lines + re.findall(r"`([^`]+)`", without_blocks(file))


def test_commands_and_their_settings_exist():
    command = r"(?:^|\s{2})(?:make|python3? scripts|\.\\make) ([a-z][a-z-]*)"
    for file in TEXTS:
        for line in code(file):
            if (found := re.search(command, line)) and found[1] != "help":
                settings = settings_of(COMMANDS[found[1]])
                assert {*re.findall(r"\b([A-Z_]+)=", line)} <= settings.keys(), (file, line)


def test_files_that_are_named_exist():
    """Or a block of a text makes them, or its reader has them."""
    files = {Path(name).name for name in FILES} | {Path(path).name for path in SAVED.values()}
    files |= {app.weights.name for app in find_apps() if app.weights}  # fetched, not kept
    files |= {"best.pth", "weights.pth", "fine_tuned_resnet18.pth", "leaf_model_vgg19.pth"}
    files |= {"labels.txt", "classes.txt", "app.py", "call.py", "call.mjs", "train.sh"}
    files |= {"layout_app.py", "quick_app.py", "model.keras"}
    files |= {"picture.py"}  # in older copies, before it was called image.py
    for file in TEXTS:
        for line in code(file):
            named = re.findall(r"([\w-]+\.(?:py|md|sh|txt|pth|cff|diff|mjs|keras))\b", line)
            assert {*named} <= files, (file, line)


def test_the_start_page_names_every_page_in_its_order():
    text = (DOCS / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"(?m)^\| \[.*?\]\((.*?)\) \|", text)
    assert [DOCS / page for page in named] == [*CHAPTERS, *REFERENCE]


# --- calls, prompts and changed apps -------------------------------------------------------------


@pytest.fixture
def launch(monkeypatch):
    """Return a function that runs an app's file in this process; give its address and its demo."""
    original, demos = gr.Blocks.launch, []
    monkeypatch.setenv("PORT", str(free_port()))  # an app may run on 8080

    def launch_here(demo, *args, **kwargs):
        here = {"server_name": "127.0.0.1", "server_port": None, "prevent_thread_lock": True}
        demos.append(demo)
        return original(demo, *args, **{**kwargs, **here, "quiet": True})

    monkeypatch.setattr(gr.Blocks, "launch", launch_here)
    monkeypatch.syspath_prepend(ROOT / "resnet_image_classification")  # what is beside the apps

    def launch_file(file):
        runpy.run_path(str(file), run_name="__main__")
        return demos[-1].local_url

    yield launch_file
    for demo in demos:
        demo.close(verbose=False)


def check_app(url, case, folder):
    """Call an app as its marker says and compare; by default, with an image of a cat."""
    with contextlib.closing(Client(url, verbose=False, download_files=folder)) as client:
        endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
        assert len(endpoints) == 1
        image = handle_file(str(ROOT / "resnet_image_classification" / "data" / "cat.jpg"))
        result = client.predict(*case.get("ask", [image]), api_name=next(iter(endpoints)))
        if "labels" in case:
            assert len(result["confidences"]) == case["labels"]
        elif "size" in case:
            with Image.open(result) as opened:
                assert list(opened.size) == case["size"]
        else:
            assert (list(result) if isinstance(result, tuple) else result) == case["answer"]
    config = requests.get(url + "config", timeout=10).text
    assert case.get("config", "") in config


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", [p for p in marked("app: ", "change: ", "saved as: ") if "{" in p.values[0].marker]
)
def test_an_app_in_the_text_works(block, launch, classifier, tmp_path, monkeypatch):
    """A whole one, one that a reader saves, or one that is changed."""
    _, name, case = re.match(r"(app|change|saved as): ([\w./-]+ )?({.*)", block.marker).groups()
    name, case, folder = (name or "").strip(), json.loads(case), tmp_path
    if block.saved:
        text = saved(block.saved, up_to=block)
    elif name:
        text = apply_change(find_app(name).file.read_text(encoding="utf-8"), block.text)
    else:
        text = block.text
    if (of := case.get("folder", name)) in CLASSIFIERS:
        folder = classifier(of).folder
        monkeypatch.chdir(folder)
    (folder / "changed.py").write_text(text, encoding="utf-8")
    check_app(launch(folder / "changed.py"), case, tmp_path)


def test_the_path_stays_short():
    """An afternoon has room for so many blocks of code, and for so many words."""
    words = {"0-preparation": 500, "0-prediction-function": 500, "1-interface": 2000}
    words |= {"2-container": 1000, "3-hosting": 700, "4-your-own-app": 1000}
    for chapter in CHAPTERS:
        prose = re.sub(r"(?m)^[|<!].*$", "", without_blocks(chapter))
        assert len(prose.split()) <= words[chapter.stem], chapter
    assert sum(ROOT / block.chapter in CHAPTERS for block in BLOCKS) <= 70


def test_the_solutions_are_the_stages_of_the_app_that_grows():
    grown = [saved(block.saved, up_to=block) for block in BLOCKS if block.saved == SAVED["gc"]]
    files = sorted((DOCS / "workshop" / "solutions").glob("*.py"))
    assert [file.read_text(encoding="utf-8") for file in files] == grown


# what readers type at the prompt in each folder, block by block
PROMPTS = {}
for each in BLOCKS:
    if each.language == "pycon" and each.marker.startswith("run: folder="):
        PROMPTS.setdefault(each.option("folder"), []).append(each.text)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROMPTS)
def test_a_python_prompt_prints_as_in_the_text(classifier, tmp_path, name):
    folder = ROOT / name if name == "example_apps" else classifier(find_app(name).name).folder
    session = tmp_path / "session.txt"
    session.write_text("\n".join(PROMPTS[name]), encoding="utf-8")
    command = [sys.executable, "-m", "doctest", "-o", "ELLIPSIS", session]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = run(*command, cwd=folder, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("block", marked("run: app="))
def test_calls_give_what_the_text_shows(block, serve, launch, tmp_path):
    name = block.option("app")
    if name in SAVED:
        file = tmp_path / "app.py"
        file.write_text(saved(SAVED[name]), encoding="utf-8")
        url = launch(file).rstrip("/")
    else:
        url = serve(find_app(name)).url.rstrip("/")
    command = {"python": [sys.executable, "-"], "bash": ["bash", "-e"]}[block.language]
    ended = run(*command, cwd=ROOT, input=block.text.replace(ADDRESS, url))
    assert ended.returncode == 0, ended.stderr
    assert_prints(ended.stdout.replace(url, ADDRESS), block.output)


WITH_ADDRESS = """
import { Client, handle_file } from "@gradio/client";
const app = await Client.connect("URL");
const image = handle_file("https://example.com/a.png");
try {
  await app.predict("/sepia", { image });
} catch (error) {
  console.log(JSON.stringify(error.message));
}
process.exit();
"""


@pytest.mark.slow
def test_javascript_calls_give_what_the_text_shows(serve, tmp_path):
    install, program = run_by("test_javascript_calls_give_what_the_text_shows")
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("NO NODE on this machine, to run the text's JavaScript")
    if run(*shlex.split(install), "--no-fund", cwd=tmp_path).returncode:
        pytest.skip("NO PACKAGE @gradio/client: npm could not get it")
    url = serve(find_app("hello")).url.rstrip("/")
    (tmp_path / "call.mjs").write_text(program.replace(ADDRESS, url), encoding="utf-8")
    ended = run("node", "call.mjs", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    (shown,) = [block.output for block in BLOCKS if block.text == program]
    assert_prints(ended.stdout, shown)
    # what "Use via API" shows for an image: the refusal says what to do
    url = serve(find_app("sepia")).url
    (tmp_path / "address.mjs").write_text(WITH_ADDRESS.replace("URL", url), encoding="utf-8")
    assert "Please download the file first" in run("node", "address.mjs", cwd=tmp_path).stdout


# --- models of other kinds, proxies --------------------------------------------------------------


@pytest.mark.slow
def test_a_keras_model_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    (tmp_path / "data").mkdir()
    layers = [keras.layers.Input((224, 224, 3)), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([*layers, keras.layers.Softmax()])
    model.save(tmp_path / "data" / "model.keras")
    (fragment,) = run_by("test_a_keras_model_answers")
    monkeypatch.syspath_prepend(ROOT / "example_apps")
    names = runpy.run_path(str(ROOT / "example_apps" / "image.py"))
    names |= {"np": np, "keras": keras, "Path": Path, "__file__": str(tmp_path / "main.py")}
    exec(fragment, names)
    # shares of red, green and blue of 1, 0 and 1/3
    Image.new("RGB", (50, 30), (255, 0, 85)).save(tmp_path / "colour.png")
    prediction = names["predict"]({"path": str(tmp_path / "colour.png")})
    exponents = np.exp([1, 0, 1 / 3])
    assert list(prediction) == ["red", "green", "blue"]
    assert [*prediction.values()] == pytest.approx(exponents / exponents.sum(), rel=1e-4)


def test_an_answer_of_plumber_is_unpacked(monkeypatch):
    response = requests.Response()  # as plumber 1.2.1 gives it for a function of R
    response.status_code, response._content = 200, b'{"risk": [0.5]}'
    monkeypatch.setattr(requests, "post", lambda url, json: response)
    (fragment,) = run_by("test_an_answer_of_plumber_is_unpacked")
    names = {"requests": requests}
    exec(fragment, names)
    assert names["predict"](age=30, weight=60) == 0.5


def copy_app(name, folder, port):
    """Copy a step app that listens on another port, on this computer only."""
    text = find_app(name).file.read_text(encoding="utf-8")
    app = folder / "app.py"
    app.write_text(text.replace("8080", str(port)).replace("0.0.0.0", "127.0.0.1"))
    return app


@pytest.mark.long
def test_behind_a_proxy(tmp_path):
    """With the text's lines an app starts; without the last of them, it fails as the table says."""
    (lines,) = run_by("test_behind_a_proxy")
    lines = lines.replace("proxy.example.org:3128", f"127.0.0.1:{free_port()}")  # nobody responds
    environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    port = free_port()
    start = f"exec '{sys.executable}' '{copy_app('hello', tmp_path, port)}'"
    script = f"unset {' '.join({*os.environ} - {*environment})} true\n{lines}\n{start}"
    with Server(["bash", "-c", script], port) as server:
        server.wait()
    without_the_last = f"{lines.rpartition('export no_proxy')[0]}\n{start}"
    printed = run("bash", "-c", without_the_last, env=environment).stderr
    shown = "httpx.ConnectError: [Errno 111] Connection refused"
    assert_in_table(printed.strip().splitlines()[-1], shown)


@pytest.mark.long
def test_behind_nginx_under_a_path(tmp_path, page):
    """The text's lines for nginx: the page has its style, and a result and its progress come."""
    (location,) = run_by("test_behind_nginx_under_a_path")
    assert "location /hello/ {" in location
    app_port, port = free_port(), free_port()
    location = location.replace("127.0.0.1:8080", f"127.0.0.1:{app_port}")
    app = [sys.executable, copy_app("progress", tmp_path, app_port)]
    with (
        Server(app, app_port, GRADIO_ROOT_PATH="/hello") as server,
        nginx_before(tmp_path, port, location),
    ):
        server.wait()
        responses = []
        page.on("response", lambda response: responses.append(response))
        page.goto(f"http://127.0.0.1:{port}/hello/")
        page.get_by_label("name").fill("Rosalind")
        page.get_by_role("button", name="Submit").click()
        expect(page.get_by_text(re.compile(r"Greeting - [3-7]\d"))).to_be_visible()
        expect(page.get_by_label("output")).to_have_value("Hello Rosalind!")
        button = page.get_by_role("button", name="Submit")
        assert button.evaluate("b => getComputedStyle(b).borderRadius") != "0px"
        assert any("/hello/gradio_api/" in response.url for response in responses)
        failed = [response.url for response in responses if not response.ok]
        assert [url for url in failed if not url.endswith(SWITCHED_OFF)] == []


@pytest.mark.slow
def test_stop_ends_a_function_between_two_pieces(launch, tmp_path, page):
    (tmp_path / "app.py").write_text(run_by("test_stop_ends_a_function_between_two_pieces")[0])
    page.goto(launch(tmp_path / "app.py"))
    page.get_by_label("images").fill("60")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("output")).to_have_value("2 of 60 images")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Submit")).to_be_visible()
    stopped = page.get_by_label("output").input_value()
    page.wait_for_timeout(2000)
    assert page.get_by_label("output").input_value() == stopped


@pytest.mark.slow
def test_comments_are_kept_without_the_input(launch, tmp_path, page, monkeypatch):
    file = tmp_path / "comments.csv"
    monkeypatch.setenv("COMMENTS", str(file))
    monkeypatch.syspath_prepend(ROOT / "scripts" / "shared")
    (tmp_path / "app.py").write_text(run_by("test_comments_are_kept_without_the_input")[0])
    url = launch(tmp_path / "app.py")
    page.goto(url)
    page.get_by_role("button", name="Send comment").click()
    expect(page.get_by_text("Please press Submit and write a comment first.")).to_be_visible()
    page.get_by_label("Sequence").fill("GATTACA")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("Prediction")).to_have_value("not coding")
    page.get_by_label("What is wrong?").fill("=1+1, it codes")
    page.get_by_role("button", name="Send comment").click()
    expect(page.get_by_text("Thank you. Your comment was kept")).to_be_visible()
    row = f'"{date.today()}","not coding","\'=1+1, it codes"\r\n'
    assert file.read_bytes().decode() == row
    file.write_bytes(b"x" * 1_000_001)
    page.get_by_role("button", name="Send comment").click()
    expect(page.get_by_text("No more comments can be kept.")).to_be_visible()
    assert file.stat().st_size == 1_000_001


@pytest.mark.slow
def test_predictions_are_counted_by_day(launch, tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text(run_by("test_predictions_are_counted_by_day")[0])
    monkeypatch.setenv("COUNTS", str(tmp_path / "counts.csv"))
    with contextlib.closing(Client(launch(tmp_path / "app.py"), verbose=False)) as client:
        for _ in range(3):
            assert client.predict("Ada", api_name="/predict") == "Hello Ada!"
        assert (tmp_path / "counts.csv").read_text() == f"{date.today()}\n" * 3
        (tmp_path / "counts.csv").unlink()
        (tmp_path / "counts.csv").mkdir()
        assert client.predict("Ada", api_name="/predict") == "Hello Ada!"


# --- the messages of "When something goes wrong" -------------------------------------------------


def message_of(function):
    """Return how the error of a function reads on the terminal."""
    with pytest.raises((Exception, SystemExit)) as error:
        function()
    return f"{error.type.__name__}: {error.value}"


def assert_in_table(message, shown):
    """Assert that a message is the one that the table shows."""
    assert f"`{shown}`" in TROUBLE.read_text(encoding="utf-8")
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
    if torch.cuda.is_available():
        pytest.skip("A GRAPHICS CARD is in this machine, so that two messages do not appear")
    builds = ["Found no NVIDIA driver on your system.", "Torch not compiled with CUDA enabled"]
    shown = builds[torch.version.cuda is None]
    assert_in_table(message_of(lambda: torch.zeros(1).cuda()), shown)
    # a file as if from a computer with a graphics card
    monkeypatch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
    torch.save(five, file)
    shown = "Attempting to deserialize object on a CUDA device but"
    shown += " torch.cuda.is_available() is False."
    assert_in_table(message_of(lambda: torch.load(file)), shown)


# what such messages of other programs begin with
OF_OTHERS = ("OSError", "Uploads", "The parameters", "Weights", "Missing", "Attempting", "Found")
OF_OTHERS += ("Queue", "Value")


def test_messages_of_the_gallery_are_those_of_the_table():
    """Each sentence in it is in one of our programs, but for what the program fills in.

    Those about images are below.
    """
    files = [*ROOT.glob("resnet_image_classification/*.py"), *ROOT.glob("scripts/**/*.py")]
    code = "".join(re.sub(r'"\s*f?"', "", file.read_text(encoding="utf-8")) for file in files)
    text = re.sub("(?s)\n## Images.*?\n## ", "", TROUBLE.read_text(encoding="utf-8"))
    shown = re.findall(r"`([A-Z][^`]*\.)`", text)
    for message in (text for text in shown if not text.startswith(OF_OTHERS)):
        for part in re.split(r'\S*\.\.\.|"\w+"|\w*\d[\d:]*|docker and no podman', message):
            assert part.strip() in code, message


def test_messages_about_images_are_those_of_the_table(monkeypatch):
    section = TROUBLE.read_text(encoding="utf-8").partition("## Images")[2].partition("\n## ")[0]
    rows = section.partition("|---|---|")[2]
    shown = [text.partition("...")[0] for text in re.findall(r"`(.+?)`", rows)]
    file = ROOT / "example_apps" / "pixels.py"
    said = re.findall(r'refuse\(\s*f?"(.*)"', file.read_text(encoding="utf-8"))
    # with its constants, up to what differs from image to image
    constants = runpy.run_path(str(file))
    said = [re.split(r"{(?![A-Z])", text)[0].format(**constants) for text in said]
    monkeypatch.syspath_prepend(file.parent)
    limits = runpy.run_path(str(file.with_name("image.py")))
    said += [limits["TOO_MUCH"], limits["TOO_SLOW"]]
    assert [text for text in said if not text.startswith(tuple(shown))] == []
    assert [text for text in shown if not any(s.startswith(text) for s in said)] == []
