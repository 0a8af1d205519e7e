"""The recipe `agents`: a copy of resnet as a tool for AI agents, called as these call it.

What an agent sends is opened and deleted; what it names is opened only if it was uploaded; nothing
is fetched. The calls come from the MCP SDK's own client, and as bare JSON.
"""

import base64
import importlib
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote

import gradio as gr
import pytest
import requests
from conftest import nginx_before, start_main, wait_until_open
from gradio.media import get_image
from gradio_client import handle_file
from playwright.sync_api import expect
from recipes_made import (
    TRAINED,
    environment,
    make_app,
    require_ready,
    running,
    use_trained_network,
)
from smoke import free_port
from workshop_blocks import run_by

LION = Path(get_image("lion.jpg"))
BUSY = "Too many agents are using this app right now. Please try again in a minute."
ONLY = "Only a data URI, or a file that was uploaded here, can be used."
# the SDK's client: lists the tools, then calls one as often as it is told, all at once
AGENT = """
import asyncio, json, sys, mcp
from mcp.client.streamable_http import streamable_http_client
async def main():
    async with streamable_http_client(sys.argv[1]) as (read, write, *_):
        async with mcp.ClientSession(read, write) as session:
            await session.initialize()
            tools = [tool.model_dump() for tool in (await session.list_tools()).tools]
            calls = [session.call_tool("classify", each) for each in json.load(sys.stdin)]
            answers = [answer.model_dump() for answer in await asyncio.gather(*calls)]
            print(json.dumps([tools, answers]))
asyncio.run(main())
"""


def data_uri(file):
    return f"data:image/jpeg;base64,{base64.b64encode(file.read_bytes()).decode()}"


# ---- In `make test`, without the packages that the recipe adds ----


@pytest.fixture
def agents(tmp_path, monkeypatch):
    """The module of a fresh copy, with uploads below tmp_path."""
    folder = make_app(tmp_path, "agents")
    require_ready(folder)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.syspath_prepend(folder)
    for name in ("agents", "guard", "picture"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module("agents")
    for name in ("agents", "guard", "picture"):
        sys.modules.pop(name, None)


def test_what_an_agent_sends_is_deleted_and_what_it_names_must_be_an_upload(agents, tmp_path):
    seen = []

    def predict(picture):
        seen.append(Path(picture["path"]).read_bytes())
        return {"lion": 0.9}

    assert agents.look_at(predict, data_uri(LION)) == {"lion": 0.9}
    assert [*agents.UPLOADS.rglob("*")] == []
    upload = agents.UPLOADS / "a" / "my lion.jpg"
    upload.parent.mkdir()
    upload.write_bytes(LION.read_bytes())
    for named in (upload, f"http://localhost:8080/gradio_api/file={quote(str(upload))}"):
        assert agents.look_at(predict, str(named)) == {"lion": 0.9}
    assert seen == [LION.read_bytes()] * 3
    (link := upload.with_name("link.jpg")).symlink_to(LION)
    for refused in (str(LION), f"{upload.parent}/../../../x.jpg", str(link), "", None, 5, {}, "\0"):
        with pytest.raises(gr.Error, match=r"uploaded here|must be text"):
            agents.look_at(predict, refused)
    with pytest.raises(gr.Error, match="no data URI"):
        agents.look_at(predict, "data:image/jpeg;base64,a")
    assert len(seen) == 3


# ---- Whole: `make test-recipes` ----


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A copy with the trained network, and the Python of its own environment."""
    folder = make_app(tmp_path_factory.mktemp("agents"), "agents")
    use_trained_network(folder)
    return folder, environment(folder, *TRAINED)


@pytest.fixture(scope="module")
def app(made):
    with running(*made) as (url, client):  # in the end: no traceback, no warning was printed
        yield url, client


def ask(made, url, *pictures):
    """Call the tool with the client of the MCP SDK; return the tools and the answers."""
    ended = subprocess.run(
        [made[1], "-c", AGENT, f"{url}gradio_api/mcp/"],
        input=json.dumps([{"picture": picture} for picture in pictures]),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    tools, answers = json.loads(ended.stdout)
    return tools, [(answer["isError"], answer["content"][0]["text"]) for answer in answers]


def call(name, arguments, method="tools/call"):
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def send(url, body, query=""):
    """Send what no client would; return the answer as it is."""
    body = body if isinstance(body, str) else json.dumps(body)
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    return requests.post(f"{url}gradio_api/mcp/{query}", body, headers=headers, timeout=30)


def post(url, arguments, tool="classify", query=""):
    """Call a tool with bare JSON; return whether it failed, and the text."""
    answer = send(url, call(tool, arguments), query)
    assert answer.status_code == 200, answer.text
    (line,) = [row for row in answer.text.splitlines() if row.startswith("data: ")]
    result = json.loads(line.removeprefix("data: "))["result"]
    return result["isError"], result["content"][0]["text"]


def upload(url, file):
    with file.open("rb") as stream:
        return requests.post(f"{url}gradio_api/upload", files={"files": stream}, timeout=20).json()[
            0
        ]


def require_lion(answer):
    failed, text = answer
    assert not failed, text
    probabilities = json.loads(text)
    assert len(probabilities) == 5
    assert next(iter(probabilities)) == "lion"
    assert probabilities["lion"] > 0.8


def files_of(folder):
    return {path for path in (folder / "uploads").rglob("*") if path.suffix != ".lock"}


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_an_agent_finds_one_tool_that_says_what_it_is_for_and_asks_it(made, app):
    url, client = app
    before = files_of(made[0])
    tools, answers = ask(made, url, data_uri(LION), "data:image/png;base64,AAAA", "/etc/passwd")
    (tool,) = tools
    assert tool["name"] == "classify"
    assert "1,000 everyday things" in tool["description"]
    assert "five most likely names" in tool["description"]
    assert tool["inputSchema"]["required"] == ["picture"]
    assert tool["inputSchema"]["properties"]["picture"]["type"] == "string"
    assert "data URI" in tool["inputSchema"]["properties"]["picture"]["description"]
    require_lion(answers[0])
    assert [failed for failed, _ in answers] == [False, True, True]
    assert "This file cannot be read as a picture." in answers[1][1]
    assert ONLY in answers[2][1]
    assert files_of(made[0]) == before  # nothing that it sent was kept
    path = upload(url, LION)
    _, answers = ask(made, url, path, f"{url}gradio_api/file={quote(path)}")
    [require_lion(answer) for answer in answers]
    # the page and programs are served as before
    assert client.predict(handle_file(LION), api_name="/predict")["label"] == "lion"


@pytest.fixture
def canary():
    """A web server on this machine, and the list of paths that it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(LION.read_bytes())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.recipes
def test_no_form_of_a_call_opens_or_fetches_anything_else(made, app, canary, tmp_path):
    url, (address, asked) = app[0], canary
    trap = tmp_path / "trap.jpg"
    os.mkfifo(trap)  # whoever opens it waits for ever
    other = made[0] / "uploads" / "gradio-1-0123456789abcdef" / "a"  # of another run
    other.mkdir(parents=True)
    (other / "lion.jpg").write_bytes(LION.read_bytes())
    named = [LION, trap, made[0] / "data" / "bee.jpg", other / "lion.jpg", "data/bee.jpg"]
    named = [str(name) for name in named]
    named += [f"file://{LION}", f"{url}gradio_api/file={LION}", f"{url}gradio_api/file={address}"]
    named += [f"{address}/a.jpg", f"{address}/gradio_api/file={address}/b.jpg", "//127.0.0.1/c"]
    mark = {"meta": {"_type": "gradio.FileData"}}
    forms = [*named]
    for name in named:
        forms += [{"path": name}, {"path": name, **mark}, {"url": name, **mark}, [name]]
        forms += [{"path": name, "url": name, "is_stream": True, **mark}]
    for form in forms:
        for tool, query in (("classify", ""), ("classify", "?tools=none"), ("predict", "")):
            failed, text = post(url, {"picture": form}, tool, query)
            assert failed, text
            assert "lion" not in text.replace("lion.jpg", "")
            if isinstance(form, str) and (tool, query) == ("classify", ""):
                assert ONLY in text
    for name in named:  # MCP has other methods; Gradio's for prompts calls the tool, too
        answer = send(url, call("classify", {"picture": name}, "prompts/get"))
        assert '"error"' in answer.text
        uri = {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": name}}
        assert '"error"' in send(url, uri).text
    for body in ("[" * 100_000, "{", "[]", call("classify", data_uri(LION)), call(5, {})):
        assert '"error"' in send(url, body).text  # and the log does not tell: see the fixture
    assert asked == []


@pytest.mark.recipes
def test_a_call_that_is_too_large_is_refused_in_a_sentence_and_a_large_file_can_be_uploaded(
    app, tmp_path
):
    url, _ = app
    large = tmp_path / "large.jpg"
    large.write_bytes(LION.read_bytes() + bytes(10_000_000))
    answer = send(url, call("classify", {"picture": data_uri(large)}))
    assert answer.status_code == 413
    assert answer.json() == {"detail": "Too much at once: send up to 8 MB."}
    require_lion(post(url, {"picture": upload(url, large)}))
    large.write_bytes(LION.read_bytes() + bytes(5_500_000))
    require_lion(post(url, {"picture": data_uri(large)}))


@pytest.mark.recipes
def test_a_crowd_of_agents_is_answered_or_told_and_the_page_goes_on(made, app):
    url, client = app
    with ThreadPoolExecutor(60) as crowd:
        answers = [*crowd.map(lambda _: post(url, {"picture": data_uri(LION)}), range(60))]
    answered = [answer for answer in answers if not answer[0]]
    assert len(answered) >= 20
    [require_lion(answer) for answer in answered]
    refused = {text for failed, text in answers if failed}
    assert refused <= {f"'{BUSY}'"}, refused
    assert client.predict(handle_file(LION), api_name="/predict")["label"] == "lion"


@pytest.mark.recipes
def test_an_agent_reaches_the_tool_behind_nginx_under_a_path(made, tmp_path):
    (location,) = run_by("test_behind_nginx_under_a_path")
    app_port, port = free_port(), free_port()
    location = location.replace("127.0.0.1:8080", f"127.0.0.1:{app_port}")
    environment = {"GRADIO_ROOT_PATH": "/hello", "GRADIO_TEMP_DIR": str(tmp_path / "uploads")}
    process = start_main(made[0] / "main.py", app_port, python=made[1], **environment)
    try:
        wait_until_open(process, f"http://127.0.0.1:{app_port}/")
        with nginx_before(tmp_path, port, location):
            url = f"http://127.0.0.1:{port}/hello/"
            path = upload(url, LION)
            _, answers = ask(made, url, data_uri(LION), path, f"{url}gradio_api/file={quote(path)}")
            [require_lion(answer) for answer in answers]
    finally:
        process.terminate()
        printed = process.communicate(timeout=20)[0]
    assert "Traceback" not in printed


@pytest.mark.recipes
def test_the_page_shows_the_tool_and_one_word_switches_it_off(made, app, page, picture):
    page.goto(f"{app[0]}?view=api")
    page.get_by_text("MCP", exact=True).first.click()
    expect(page.get_by_text("classify").first).to_be_visible()
    picture(page, "agents")
    main = made[0] / "main.py"
    text = main.read_text()
    try:
        main.write_text(text.replace("mcp_server=True", "mcp_server=False"))
        with running(*made) as (url, client):
            assert send(url, call("classify", {"picture": data_uri(LION)})).status_code in (
                404,
                405,
            )
            assert client.predict(handle_file(LION), api_name="/predict")["label"] == "lion"
    finally:
        main.write_text(text)
