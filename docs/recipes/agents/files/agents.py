"""Make an app a tool for AI agents, which call it by MCP, the Model Context Protocol.

    from agents import settings               # replaces that of guard.py
    agents.add_to_page(predict, DESCRIPTION)  # at the end of the page

Gradio can take files from agents, too, but keeps them where nothing deletes them, and opens what
middleware.py would refuse. So the tool takes text only, and this module decides what is opened:
what the agent sent along, which is deleted after the response, or an upload.
"""

import asyncio
import base64
import json
import logging
import os
import tempfile
from pathlib import Path
from urllib.parse import unquote

import gradio as gr
import guard
import orjson
from image import refuse
from middleware import Refused, is_upload, limited, replay
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse

MCP, TOOL = "/gradio_api/mcp", "classify"
MAX_MESSAGE = 4_500_000  # bytes: a photo of 3 MB as a data URI
METHODS = {"initialize", "ping", "tools/list", "tools/call"}
METHODS |= {"resources/list", "resources/templates/list", "prompts/list"}  # all of them empty
AT_ONCE = asyncio.Semaphore(2)  # so many calls of agents run at the same time
IN_ALL = asyncio.Semaphore(20)  # with those that wait


# what agents read
ABOUT = """{description}

This is the model of a page, and you can ask it, too. It gives one of its labels to any image, even
of something of which it knows nothing: say so then. A photo of more than 3 MB must be uploaded
first: POST it as `files` to /gradio_api/upload of this app, which responds with its path.

Args:
    image: the photo as a data URI (data:image/jpeg;base64,...), or the path of an upload
Returns:
    JSON: the most likely labels, each with its probability, from 0 to 1
"""


def add_to_page(predict, description="Say what an image most likely shows."):
    """Add the tool `classify`, which calls predict({"path": file}), to the page's functions."""
    uploads = Path(os.environ["GRADIO_TEMP_DIR"])

    async def classify(image: str) -> str:
        return await respond(predict, image, uploads)

    classify.__doc__ = ABOUT.format(description=description)
    gr.api(classify, queue=False)  # the semaphores limit how many calls run at the same time
    # the MCP SDK would write into the log what agents send
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(lambda record: "mcp" not in Path(record.pathname).parts)


def settings(demo, routes=(), mcp_server=True, **changes):
    """Return settings for demo.launch() as guard.py does, for an app that agents can call."""
    if not mcp_server:
        return guard.settings(demo, routes, **changes)
    protected = guard.settings(demo, [*routes, MCP], mcp_server=True, **changes)
    protected["app_kwargs"]["middleware"].append(Middleware(OneTool))
    return protected


class OneTool:
    """ASGI middleware: by MCP, agents get the one tool, and nothing else.

    Gradio would offer each function of the page as a tool, with whatever files it opens. And some
    of its other methods ask the host that a header names.
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] == "http" and path.startswith(MCP):
            scope, receive, response = await look(Request(scope, receive), path.rstrip("/"))
            if response:
                return await response(scope, receive, send)
        await self.app(scope, receive, send)


async def look(request, path):
    """Return a request to the one tool, and a response if it is not passed on; or raise Refused."""
    scope, receive, response = request.scope, request.receive, None
    if request.method == "POST" and path == MCP:
        chunks = Request({"type": "http"}, limited(request, MAX_MESSAGE)).stream()
        body = b"".join([chunk async for chunk in chunks])
        try:
            message = orjson.loads(body)
            method, tool = str(message["method"]), (message.get("params") or {}).get("name", TOOL)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise Refused(400, "This is not a message of MCP.") from None
        known = method in METHODS or method.startswith("notifications/")
        if not known or not str(tool).endswith(TOOL):  # Spaces put their own name before it
            error = {"code": -32601, "message": "There is no such method or tool."}
            error = {"jsonrpc": "2.0", "id": message.get("id"), "error": error}
            response = JSONResponse(error)
        scope, receive = replay(request, body)
        names = (b"x-forwarded-host", b"x-forwarded-proto")
        scope["headers"] = [each for each in scope["headers"] if each[0] not in names]
    elif path not in (MCP, f"{MCP}/schema"):
        raise Refused(404 if request.method == "GET" else 400, "There is nothing here.")
    elif request.method != "GET" or "text/event-stream" in request.headers.get("accept", ""):
        raise Refused(405, "Send a message of MCP to this address, by POST.")
    return {**scope, "query_string": f"tools={TOOL}".encode()}, receive, response


async def respond(predict, image, uploads):
    """Return predict({"path": file}) as JSON.

    `image` is a data URI, or the path or the address of an upload.
    Raises gr.Error with a message for the agent.
    """
    if IN_ALL.locked():
        refuse("Too many agents are using this app right now. Please try again in a minute.")
    async with IN_ALL, AT_ONCE:
        result = await asyncio.to_thread(look_at, predict, image, uploads)
    return json.dumps(result, ensure_ascii=False)


def look_at(predict, image, uploads):
    """Open what an agent sent, and nothing else."""
    if not isinstance(image, str):
        refuse("The image must be text: a data URI, or the path of an upload.")
    if not image.startswith("data:"):
        path = unquote(image.rpartition("/gradio_api/file=")[2])
        if not is_upload(path, uploads):
            refuse("Only a data URI, or a file that was uploaded here, can be used.")
        return predict({"path": path})
    with tempfile.TemporaryDirectory(dir=uploads, ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "image"
        try:
            file.write_bytes(base64.b64decode(image.partition(",")[2]))
        except ValueError:
            refuse(
                "This is not a data URI: it must begin with data:image/jpeg;base64, or the like."
            )
        return predict({"path": str(file)})
