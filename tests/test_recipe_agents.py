"""The recipe `agents`: a copy of resnet as a tool for AI agents, called as these call it.

What an agent sends is opened and deleted; what it names is opened only if it was uploaded; nothing
is fetched. The calls come from the MCP SDK's own client, and as bare JSON.
"""

import asyncio
import base64
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlsplit

import gradio as gr
import pytest
import requests
from calls import FILE, upload
from conftest import import_file, nginx_before, run_async
from gradio.media import get_image
from gradio_client import handle_file
from playwright.sync_api import expect
from recipes_made import make_app, running, use_trained_network
from server import Server, free_port
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
            calls = [session.call_tool("classify", {"image": p}) for p in json.load(sys.stdin)]
            results = [result.model_dump() for result in await asyncio.gather(*calls)]
            print(json.dumps([tools, results]))
asyncio.run(main())
"""


def data_uri(file):
    return f"data:image/jpeg;base64,{base64.b64encode(file.read_bytes()).decode()}"


# ---- In `make test`, without the packages that the recipe adds ----


def test_what_an_agent_sends_is_deleted_and_what_it_names_must_be_an_upload(tmp_path):
    folder = make_app(tmp_path, "agents")
    agents, seen, uploads = import_file(folder / "agents.py"), [], tmp_path / "uploads"
    uploads.mkdir()

    def predict(image):
        seen.append(Path(image["path"]).read_bytes())
        return {"lion": 0.9}

    assert agents.look_at(predict, data_uri(LION), uploads) == {"lion": 0.9}
    assert [*uploads.rglob("*")] == []
    upload = uploads / "a" / "my lion.jpg"
    upload.parent.mkdir()
    upload.write_bytes(LION.read_bytes())
    for named in (upload, f"http://localhost:8080/gradio_api/file={quote(str(upload))}"):
        assert agents.look_at(predict, str(named), uploads) == {"lion": 0.9}
    assert seen == [LION.read_bytes()] * 3
    (link := upload.with_name("link.jpg")).symlink_to(LION)
    for refused in (str(LION), f"{upload.parent}/../../../x.jpg", str(link), "", None, 5, {}, "\0"):
        with pytest.raises(gr.Error, match=r"uploaded here|must be text"):
            agents.look_at(predict, refused, uploads)
    with pytest.raises(gr.Error, match="not a data URI"):
        agents.look_at(predict, "data:image/jpeg;base64,a", uploads)
    assert len(seen) == 3

    async def crowd():  # two at a time, 18 wait, and the others are told
        calls = [agents.respond(predict, data_uri(LION), uploads) for _ in range(25)]
        return await asyncio.gather(*calls, return_exceptions=True)

    results = run_async(crowd())
    assert results[:20] == ['{"lion": 0.9}'] * 20
    assert [error.message for error in results[20:]] == [BUSY] * 5


# ---- Whole: `make test-recipes` ----


@pytest.fixture(scope="module")
def made(tmp_path_factory, python_of_recipes):
    """A copy with the trained network, and a Python with its packages."""
    folder = make_app(tmp_path_factory.mktemp("agents"), "agents")
    use_trained_network(folder)
    return folder, python_of_recipes


@pytest.fixture(scope="module")
def app(made):
    with running(*made) as (url, client):  # in the end: no traceback, no warning was printed
        yield url, client


def ask(made, url, *images):
    """Call the tool with the client of the SDK; return the tools, and (failed, text) of each."""
    command = [made[1], "-c", AGENT, f"{url}gradio_api/mcp/"]
    options = {"capture_output": True, "text": True, "timeout": 120}
    ended = subprocess.run(command, input=json.dumps(images), **options)
    assert ended.returncode == 0, ended.stderr
    tools, results = json.loads(ended.stdout)
    return tools, [(result["isError"], result["content"][0]["text"]) for result in results]


def send(url, arguments, tool="classify", query="", method="tools/call", headers=(), **more):
    """Send what no client would; return the response as it is."""
    params = {"name": tool, "arguments": arguments, **more}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers = {"Accept": "application/json, text/event-stream", **dict(headers)}
    where = f"{url}gradio_api/mcp/{query}"
    return requests.post(where, json=body, headers=headers, timeout=30)


def post(*call):
    """Call the tool with bare JSON; return whether it failed, and the text."""
    response = send(*call)
    assert response.status_code == 200, response.text
    if response.text.startswith("{"):
        return True, response.json()["error"]["message"]
    (line,) = [row for row in response.text.splitlines() if row.startswith("data: ")]
    result = json.loads(line.removeprefix("data: "))["result"]
    return result["isError"], result["content"][0]["text"]


def require_lion(result):
    failed, text = result
    assert not failed, text
    probabilities = json.loads(text)
    assert len(probabilities) == 5
    assert probabilities["lion"] == max(probabilities.values()) > 0.8


@pytest.mark.recipes
def test_an_agent_finds_one_tool_that_says_what_it_is_for_and_asks_it(made, app):
    url, client = app
    before = {*(made[0] / "uploads").rglob("*")}
    tools, results = ask(made, url, data_uri(LION), "data:image/png;base64,AAAA", "/etc/passwd")
    (tool,) = tools
    assert tool["name"] == "classify"
    for words in ("1,000 everyday things", "say so then", "the most likely labels"):
        assert words in tool["description"]
    assert tool["inputSchema"]["required"] == ["image"]
    assert tool["inputSchema"]["properties"]["image"]["type"] == "string"
    assert "data URI" in tool["inputSchema"]["properties"]["image"]["description"]
    require_lion(results[0])
    assert [failed for failed, _ in results] == [False, True, True]
    assert "This file cannot be read as an image." in results[1][1]
    assert ONLY in results[2][1]
    assert {*(made[0] / "uploads").rglob("*")} == before  # nothing that it sent was kept
    path = upload(url, LION, LION.name)["path"]
    for result in ask(made, url, path, f"{url}gradio_api/file={quote(path)}")[1]:
        require_lion(result)
    # the page and programs are served as before
    assert client.predict(handle_file(LION), api_name="/predict")["label"] == "lion"


@pytest.mark.recipes
def test_no_form_of_a_call_opens_or_fetches_anything_else(made, app, canary, tmp_path):
    url, (address, asked) = app[0], canary
    os.mkfifo(trap := tmp_path / "trap.jpg")  # whoever opens it waits for ever
    other = made[0] / "uploads" / "gradio-1-0123456789abcdef" / "a" / "lion.jpg"  # of another run
    other.parent.mkdir(parents=True)
    other.write_bytes(LION.read_bytes())
    named = [*map(str, (LION, trap, other, made[0] / "data" / "bee.jpg")), "data/bee.jpg"]
    named += [f"file://{LION}", f"{url}gradio_api/file={LION}", f"{url}gradio_api/file={address}"]
    named += [f"{address}/a.jpg", f"{address}/gradio_api/file={address}/b.jpg", "//127.0.0.1/c"]
    for name in named:
        failed, text = post(url, {"image": name})
        assert failed
        assert ONLY in text
        forms = [name, [name], {"path": name}, {"path": name, **FILE}, {"url": name, **FILE}]
        forms += [{"path": name, "url": name, "is_stream": True, **FILE}]
        for form in forms:
            for tool, query in (("classify", ""), ("classify", "?tools=none"), ("predict", "")):
                failed, text = post(url, {"image": form}, tool, query)
                assert failed, text
                assert '"lion":' not in text
        # MCP has other methods; Gradio's for prompts calls the tool, too
        for method in ("prompts/get", "resources/read"):
            assert '"error"' in send(url, {"image": name}, method=method, uri=name).text
    # and the log does not tell what strangers send: see the fixture
    assert '"error"' in send(url, data_uri(LION)).text
    deep, headers = "[" * 100_000, {"Accept": "application/json, text/event-stream"}
    headers["Content-Type"] = "application/json"
    for body in (
        deep,
        "[]",
        "{}",
        '{"method": "tools/call", "params": 5}',
        "\ud800".encode("utf-8", "replace"),
    ):
        where = f"{url}gradio_api/mcp/"
        assert requests.post(where, body, headers=headers, timeout=30).status_code == 400
    assert asked == []


@pytest.mark.recipes
def test_other_ways_into_mcp_are_closed(app):
    url, stream = f"{app[0]}gradio_api/mcp", {"Accept": "text/event-stream"}
    assert requests.get(url, timeout=9).ok  # a page that says what it is
    assert [tool["name"] for tool in requests.get(f"{url}/schema", timeout=9).json()] == [
        "classify"
    ]
    # a stream that says nothing would stay open, and 300 of them cost a third of a core
    assert requests.get(url, headers=stream, timeout=9).status_code == 405
    for path in ("/sse", "/messages/?session_id=1", "/http/x"):
        assert requests.get(url + path, headers=stream, timeout=9).status_code in (404, 405)
        assert requests.post(url + path, json={}, timeout=9).status_code in (400, 405)
    assert requests.delete(url, timeout=9).status_code in (400, 405)


@pytest.mark.recipes
def test_beside_the_gallery_no_header_makes_the_server_ask_another_one(made, canary, tmp_path):
    address, asked = canary
    folder, scripts = made[0], made[0].parent / "scripts"
    code = f"import sys; sys.path[0] = {str(scripts)!r}; from gallery import serve; "
    code += "serve.main('127.0.0.1', int(sys.argv[1]))"
    command = [made[1], "-c", code, "{PORT}"]
    places = {"GRADIO_TEMP_DIR": tmp_path, "HOME": tmp_path}
    with Server(command, cwd=folder.parent, **places) as gallery:
        url = f"{gallery.wait().url}{folder.name}/"
        require_lion(post(url, {"image": data_uri(LION)}))
        headers = {"X-Forwarded-Host": urlsplit(address).netloc, "X-Forwarded-Proto": "http"}
        for method in ("prompts/get", "resources/read", "tools/call"):
            said = send(url, {"image": "x"}, method=method, uri="x", headers=headers)
            assert "rror" in said.text
        assert asked == []
    assert "Traceback" not in gallery.printed()


@pytest.mark.recipes
def test_up_to_3_mb_can_be_sent_along_and_more_be_uploaded(app, tmp_path):
    url, photo = app[0], tmp_path / "photo.jpg"
    for size, status in ((3_000_000, 200), (5_000_000, 413), (10_000_000, 413)):
        photo.write_bytes(LION.read_bytes().ljust(size, b"\0"))
        response = send(url, {"image": data_uri(photo)})
        assert response.status_code == status
        assert any(words in response.text for words in ("lion", "too large"))
        require_lion(post(url, {"image": upload(url, photo)["path"]}))


@pytest.mark.recipes
def test_a_crowd_of_agents_is_served_or_told_and_the_page_goes_on(app):
    url, client = app
    with ThreadPoolExecutor(60) as crowd:
        results = [*crowd.map(lambda _: post(url, {"image": data_uri(LION)}), range(60))]
    served = [result for result in results if not result[0]]
    assert len(served) >= 20
    [require_lion(result) for result in served]
    assert {text.strip("'") for failed, text in results if failed} <= {BUSY}
    assert client.predict(handle_file(LION), api_name="/predict")["label"] == "lion"


@pytest.mark.recipes
def test_an_agent_reaches_the_tool_behind_nginx_under_a_path(made, tmp_path, monkeypatch):
    (location,) = run_by("test_behind_nginx_under_a_path")
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/hello")
    with running(*made) as (inside, _):
        port = free_port()
        with nginx_before(tmp_path, port, location.replace("http://127.0.0.1:8080/", inside)):
            url = f"http://127.0.0.1:{port}/hello/"
            path = upload(url, LION, LION.name)["path"]
            for result in ask(made, url, data_uri(LION), f"{url}gradio_api/file={quote(path)}")[1]:
                require_lion(result)


@pytest.mark.recipes
def test_the_page_shows_the_tool_and_one_word_switches_it_off(made, app, page, screenshot):
    page.goto(app[0])
    page.get_by_role("button", name="Use via API or MCP").click()
    tool = page.get_by_role("button", name=re.compile("^ *classify .* say so then"))
    expect(tool).to_be_visible()
    screenshot(page, "agents")
    main = made[0] / "main.py"
    text = main.read_text()
    main.write_text(text.replace("settings(demo)", "settings(demo, mcp_server=False)"))
    with running(*made) as (url, client):
        main.write_text(text)
        assert send(url, {"image": data_uri(LION)}).status_code == 400
        assert client.predict(handle_file(LION), api_name="/predict")["label"] == "lion"
