"""Protect an app on the open web: launch(..., app_kwargs=GUARD).

Only uploads are opened. Whoever calls an app can name any file or address as its input, and Gradio
6.31 opens such a file for some components, and fetches such an address for all, or passes it on as
`file=https://...`. So each request is looked at before Gradio sees it.

Uploads do not stay. They are in a folder that only this run of the app uses; the start of any app
deletes those of runs that were killed. Gradio's `delete_cache` deletes what it knows of; what it
forgets, such as half an upload, is deleted here, by the same schedule.

A call that no page makes is refused with a message, where Gradio would log a traceback, and so is
one that is too large. Users are told when the queue is full. A proxy in the environment is not
asked for this computer. If the port is taken, the app says so.
"""

import asyncio
import atexit
import contextlib
import errno
import logging
import math
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

import gradio as gr
import httpx
from fastapi import Depends, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from filelock import FileLock, Timeout
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect

EVERY, OLDER = 300, 1800  # seconds; as in delete_cache
LARGEST = {True: 25_000_000, False: 8_000_000}  # bytes of a request: an upload, any other


def own_folder():
    """Make the folder for this run's uploads, and delete those of runs that were killed.

    A run holds a lock as long as it lives, however it ends.
    """
    shared = Path(os.path.abspath(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()))
    mine = f"gradio-{os.getpid()}-"
    try:
        shared.mkdir(parents=True, exist_ok=True)
        if any(part.startswith(mine) for part in shared.parts):
            return shared  # made already, for this app or for the gallery
        for old in shared.glob("gradio-*-*.lock"):
            with contextlib.suppress(OSError, Timeout), FileLock(old, timeout=0):
                if old.with_suffix("").is_dir():
                    shutil.rmtree(old.with_suffix(""), ignore_errors=True)
                    old.unlink()
        folder = shared / (mine + secrets.token_hex(8))
        lock = FileLock(f"{folder}.lock")
        lock.acquire()
        folder.mkdir(0o700)
    except OSError as error:
        sys.exit(
            f"Uploads cannot be kept in {shared}: {error.strerror}.\n"
            "Choose a folder that can be written to: GRADIO_TEMP_DIR=/path/to/folder"
        )
    os.environ["GRADIO_TEMP_DIR"] = str(folder)

    def delete():
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)

    atexit.register(delete)
    return folder


@contextlib.asynccontextmanager
async def delete_old_files(_):
    """While the server runs, delete what came after its start and is older than the schedule."""
    kept = {*UPLOADS.rglob("*")}  # the examples of the page

    async def delete():
        while True:
            await asyncio.sleep(EVERY)
            for file in {*UPLOADS.rglob("*")} - kept:
                with contextlib.suppress(OSError):  # gone already, or a folder that is not empty
                    # not st_mtime: the copy of a result keeps that of the app's own file
                    if time.time() - file.stat().st_ctime > OLDER:
                        file.rmdir() if file.is_dir() else file.unlink()

    task = asyncio.create_task(delete())
    yield
    task.cancel()


def is_upload(path):
    """Tell whether this is a file in the folder of uploads, without touching any other place."""
    try:
        path = Path(os.path.abspath(path))  # only text: asking for \\server\file would call there
        if not path.is_relative_to(UPLOADS):
            return False
        return path.resolve().is_relative_to(UPLOADS.resolve()) and path.is_file()
    except (OSError, RuntimeError, TypeError, ValueError):  # no path at all, or a circle of links
        return False


def files_in(body):
    """Yield each {"path": ..., "url": ...} in nested JSON."""
    values = [body]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            if "path" in value or "url" in value:
                yield value
            values += value.values()
        elif isinstance(value, list):
            values += value


async def wrong_values(request, body):
    """Return what is wrong with the values of a call, for which Gradio would log a traceback."""
    state, number = request.app.state, body.get("fn_index")
    name = request.path_params.get("api_name") if number is None else None
    if not hasattr(state, "functions"):
        transport = httpx.ASGITransport(request.app)  # asks for what the page gets, too
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            response = await client.get("/config")
        if not response.is_success:  # an app with a login
            return []
        config = response.json()
        components = {component["id"]: component for component in config["components"]}
        state.functions = [
            (function["id"], function["api_name"], [components[i] for i in function["inputs"]])
            for function in config["dependencies"]
        ]
    for its_number, its_name, inputs in state.functions:
        if its_number == number or (name and its_name == name):
            values = body.get("data")
            if not isinstance(values, list):
                return []  # FastAPI refuses it
            if len(values) != len(inputs):  # a program need not send what the app keeps itself
                inputs = [component for component in inputs if component["type"] != "state"]
            if len(values) < len(inputs):
                return [gr.validate(False, "Too few values: see /gradio_api/info.")]
            found = map(wrong_value, inputs, values)
            return [gr.validate(not message, message or "") for message in found]
    raise HTTPException(404, "There is no such function: see /gradio_api/info.")


def wrong_value(component, value):
    """Return a message if Gradio would fail for a value: of a file, a slider or a number."""
    kind, settings = component["type"], component["props"]
    label = settings.get("label") or kind
    if kind in ("image", "audio", "video") and not isinstance(value, dict | None):
        return f"{label} must be a file."
    if kind in ("file", "uploadbutton") and value is not None:
        several = settings.get("file_count", "single") != "single"
        files = value if several else [value]
        if not isinstance(files, list) or not all(map(is_file_data, files)):
            what = "a list of files" if several else "a file"
            form = '{"path": ..., "meta": {"_type": "gradio.FileData"}}'
            return f"{label} must be {what}, as {form}."
    if kind == "slider" or (kind == "number" and value is not None):
        low, high = settings.get("minimum"), settings.get("maximum")
        if not isinstance(value, int | float) or not math.isfinite(value):
            return f"{label} must be a number."
        if (low is not None and value < low) or (high is not None and value > high):
            limits = [("at least", low), ("at most", high)]
            said = " and ".join(f"{word} {limit}" for word, limit in limits if limit is not None)
            return f"{label} must be {said}."
    return None


def is_file_data(value):
    """Tell whether a value has the form that Gradio takes for a file."""
    meta = value.get("meta") if isinstance(value, dict) else None
    return isinstance(meta, dict) and meta.get("_type") == "gradio.FileData" and "path" in value


def is_upload_of_files(content_type):
    """Tell whether a request has several parts; no other that contains the word is one."""
    return content_type.split(";")[0].strip().lower() == "multipart/form-data"


class RefuseTooLarge:
    """Refuse, before it is read, a request that is too large or does not say how large it is."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        respond = self.app
        if scope["type"] == "http" and scope["method"] == "POST":
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            length = headers.get(b"content-length", "")
            largest = LARGEST[is_upload_of_files(headers.get(b"content-type", ""))]
            if not length.isdigit():
                respond = JSONResponse({"detail": "Content-Length is missing."}, 411)
            elif int(length) > largest:
                message = f"Too much at once: send up to {largest // 10**6} MB."
                respond = JSONResponse({"detail": message}, 413)
        await respond(scope, receive, send)


async def only_uploads(request: Request):
    """Refuse a request that names anything else: 403, and the same words whatever is there."""
    refused = HTTPException(403, "Only files that were uploaded here can be used.")
    if any("://" in str(part) for part in request.path_params.values()):
        raise refused
    if request.method != "POST" or is_upload_of_files(request.headers.get("content-type", "")):
        return
    try:
        body = await request.json()
    except (RecursionError, ValueError):
        return  # FastAPI refuses it
    for file in files_in(body):
        path, url = file.get("path"), file.get("url")
        sent_along = path is None and str(url).startswith("data:")
        if not sent_along and not is_upload(path):
            raise refused
    if isinstance(body, dict) and ("api_name" in request.path_params or "fn_index" in body):
        found = await wrong_values(request, body)
        if not all(value["is_valid"] for value in found):
            raise HTTPException(422, found)  # as Gradio tells what a validator finds


async def say_disk_full(request, error):
    """Tell whose upload could not be written, and delete what is half written."""
    if error.errno != errno.ENOSPC:
        raise error
    for file in UPLOADS.glob("*"):
        if file.is_file():  # whole uploads are in folders
            with contextlib.suppress(OSError):  # on Windows, one that is being written
                file.unlink()
    return JSONResponse({"detail": "The app's disk is full. Please try again later."}, 507)


async def say_nothing(request, error):
    """Respond to a user who has left during an upload; without this, the log has a traceback."""
    return Response(status_code=400)


async def say_wrong_call(request, error):
    """Respond to a call on which Gradio fails; what an app's function raises doesn't come here."""
    return JSONResponse({"detail": "This call has not the right form: see /gradio_api/info."}, 400)


async def say_busy(request, error):
    """Tell users that the queue is full; for Gradio's own 503, proxies show their own page."""
    message = "Too many people are using this app right now. Please try again in a minute."
    return JSONResponse({"detail": message}, 429, {"Retry-After": "60"})


def is_worth_a_line(record):
    """Keep out of the log requests for a result that is gone, as pages make after a restart."""
    error = record.exc_info and record.exc_info[1]
    return not (isinstance(error, RuntimeError) and isinstance(error.__cause__, HTTPException))


def say_why_it_ends(kind, error, trace):
    """Print no traceback if the app is stopped while it starts, or if the port is taken."""
    if isinstance(error, KeyboardInterrupt):
        sys.exit(0)  # as when it is stopped later
    if not isinstance(error, OSError) or "empty port" not in str(error):
        return sys.__excepthook__(kind, error, trace)
    port = int(re.search(r"(\d+)-\d+", str(error))[1])
    print(f"Port {port} is taken, perhaps by an app in another terminal.", file=sys.stderr)
    print(f"Stop that one with Ctrl-C, or choose another port: PORT={port + 1}", file=sys.stderr)


UPLOADS = own_folder()
GUARD = {
    "dependencies": [Depends(only_uploads)],
    "exception_handlers": {
        503: say_busy,
        OSError: say_disk_full,
        ClientDisconnect: say_nothing,
        **dict.fromkeys((AttributeError, LookupError, TypeError, ValueError), say_wrong_call),
    },
    "middleware": [Middleware(RefuseTooLarge)],
    "lifespan": delete_old_files,
}
# Gradio asks its own server whether it is up; a proxy must not respond to that
direct = [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "localhost", "127.0.0.1"]
os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(filter(None, direct))
os.environ.pop("GRADIO_MCP_SERVER", None)  # calls by AI agents do not pass this guard
# Gradio copies its list of past events at each prediction, and sums it up for its API page
for how_many in ("GRADIO_ANALYTICS_MAX_EVENTS", "GRADIO_ANALYTICS_CACHE_FREQUENCY"):
    os.environ.setdefault(how_many, "100")  # a short list, and not at each: 2 ms per prediction
logging.getLogger("uvicorn.error").addFilter(is_worth_a_line)
sys.excepthook = say_why_it_ends
