"""Protect an app on the open web. Two calls do it, and importing this file does nothing:

    prepare_uploads()                 # above the page
    demo.launch(**settings(demo))     # settings(demo, max_file_size=50_000_000) changes one of them

Uploads are kept in a folder of this run alone and deleted on time; Gradio keeps them for good, in a
folder that every app on the computer shares. middleware.py checks each request.
"""

import asyncio
import atexit
import contextlib
import errno
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

import gradio as gr
from filelock import FileLock, Timeout
from middleware import Guard, delete_half, forgetting, say_busy
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from version import version

SWEEP_S, KEEP_S = 10, 1800  # every 10 s, delete uploads and results older than 1,800 s,
MAX_KEPT, MAX_OPEN = 2e9, 65_536  # and the oldest of more than 2 GB; files that may be open
LOCAL = ["localhost", "127.0.0.1"]
# Gradio's page can't read the pages by which a proxy says that the app is away
AWAY = """<script>
const ask = window.fetch;
window.fetch = async (...request) => {
  const response = await ask(...request);
  if (![502, 503, 504].includes(response.status)) return response;
  const detail = "The app cannot be reached right now. Please try again in a minute.";
  return Response.json({detail}, {status: 502});
};
</script>"""


def prepare_uploads():
    """Make the folder for uploads, and delete those of runs that were killed.

    Components look for the folder when they are built, so call this above the page. A run holds a
    lock for as long as it lives. Ends the program if the folder can't be made.
    """
    shared = Path(os.path.abspath(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()))
    if is_ours(shared):
        return
    try:
        shared.mkdir(parents=True, exist_ok=True)
        for old in shared.glob("gradio-*-*.lock"):
            with contextlib.suppress(OSError, Timeout), FileLock(old, timeout=0):
                if old.with_suffix("").is_dir():
                    shutil.rmtree(old.with_suffix(""), ignore_errors=True)
                    old.unlink()
        folder = shared / f"gradio-{os.getpid()}-{secrets.token_hex(8)}"
        lock = FileLock(f"{folder}.lock")
        lock.acquire()
        folder.mkdir(0o700)
    except OSError as error:
        sys.exit(
            f"Uploads cannot be kept in {shared}: {error.strerror}.\n"
            "Choose a folder that can be written to: GRADIO_TEMP_DIR=/path/to/folder"
        )
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    # for speed only: Gradio copies its list of past events at each prediction, and sums it up
    for name in ("GRADIO_ANALYTICS_MAX_EVENTS", "GRADIO_ANALYTICS_CACHE_FREQUENCY"):
        os.environ.setdefault(name, "100")

    def delete():
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)

    atexit.register(delete)


def is_ours(folder):
    """Tell whether this program has made the folder, for this app or for the gallery."""
    return any(part.startswith(f"gradio-{os.getpid()}-") for part in Path(folder).parts)


@contextlib.asynccontextmanager
async def sweeping(folder):
    """Delete old uploads for as long as the server runs, but not the examples of the page."""
    kept = {*folder.rglob("*")}

    async def repeat():
        while True:
            await asyncio.sleep(SWEEP_S)
            with contextlib.suppress(OSError):
                await asyncio.to_thread(sweep, folder, kept)

    task = asyncio.create_task(repeat())
    yield
    task.cancel()


def sweep(folder, kept):
    """Delete what is older than KEEP_S, or the oldest of what is more than MAX_KEPT bytes."""
    files = []
    for file in {*folder.rglob("*")} - kept:
        with contextlib.suppress(OSError):  # gone already
            # not st_mtime: the copy of an output keeps that of the app's own file
            files.append((file.stat().st_ctime, file.stat().st_size + 20_000, file))
    total = 0
    for changed, size, file in sorted(files, reverse=True):
        total += size
        if total > MAX_KEPT or time.time() - changed > KEEP_S:
            with contextlib.suppress(OSError):  # gone already, or a folder that is not empty
                if file.is_dir():
                    file.rmdir()
                elif file.parent == folder:  # a whole upload is in a folder of its own
                    delete_half(file)
                else:
                    file.unlink()


def settings(demo, routes=(), **changes):
    """Return settings for demo.launch(), and get the app ready for them; `changes` override them.

    `routes`: what callers may ask for beyond what the page does, each as the beginning of a path,
    such as "/gradio_api/mcp". The page gets the app's version at its foot. Ends the program if the
    port or the root path is not possible, or if the port is taken.
    """
    uploads = Path(os.environ.get("GRADIO_TEMP_DIR", ""))
    if not is_ours(uploads):
        raise RuntimeError("Call prepare_uploads() above the page.")
    root = os.environ.get("GRADIO_ROOT_PATH", "")
    if root and not root.startswith(("/", "http://", "https://")):
        sys.exit(f"GRADIO_ROOT_PATH={root} is not a path. Begin it with a slash: /{root}")
    host = changes.get("server_name") or os.environ.get("GRADIO_SERVER_NAME") or "0.0.0.0"
    port = changes.get("server_port") or find_port()
    if not demo.dev_mode:  # `gradio main.py` calls this at each change, while it has the port
        require_free(host, port)
    allow_open_files()
    if not any(each["api_name"] == "alive" for each in demo.config["dependencies"]):
        with demo:
            # the health check asks this, through the queue
            gr.api(alive, api_visibility="undocumented", concurrency_limit=None)
            if version():
                gr.Markdown(version(), elem_id="version")  # at the foot of the page
    # Gradio asks its own server whether it is up; a proxy must not answer that
    direct = [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), *LOCAL]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(filter(None, direct))
    middleware = [Middleware(Guard, uploads=uploads, routes=tuple(routes))]
    if host in LOCAL:  # or any web page could call the app, under a name that leads here
        middleware.insert(0, Middleware(TrustedHostMiddleware, allowed_hosts=LOCAL))

    @contextlib.asynccontextmanager
    async def lifespan(app):
        # before Gradio's own, of which one fails without a Host
        app.user_middleware.sort(key=lambda each: each not in middleware)
        app.middleware_stack = app.build_middleware_stack()
        async with sweeping(uploads), forgetting(app.get_blocks()):
            yield

    return {
        "server_name": host,  # 0.0.0.0: from outside a container, too
        "server_port": port,
        "head": AWAY,
        "max_file_size": 20_000_000,  # bytes
        "mcp_server": False,
        "run_history": False,  # inputs and predictions do not stay in the browser
        "enable_monitoring": False,
        "state_session_capacity": 100,  # Gradio keeps state for each session, and memory would grow
        "app_kwargs": {
            "middleware": middleware,
            "lifespan": lifespan,
            "exception_handlers": {503: say_busy},
        },
        **changes,
    }


def alive() -> bool:
    """Tell that the queue works."""
    return True


def allow_open_files():
    """Let this program open as many files as it may. A connection is one, and a shell gives 1,024.

    Beyond that limit, Python can't open the page any more and fills its log with errors.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # not on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = MAX_OPEN if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def find_port():
    port = os.environ.get("PORT") or "8080"
    if not port.isdigit() or not 0 < int(port) < 65536:
        sys.exit(f"PORT={port} is not a port. Choose a number from 1024 to 65535: PORT=8080")
    return int(port)


def require_free(host, port):
    with socket.socket() as probe:
        if os.name != "nt":  # as the server does: a port that was closed a moment ago is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EACCES and os.name != "nt":
                sys.exit(f"Only an administrator may use port {port}. Choose another: PORT=8080")
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                other = port + 1 if port < 65535 else port - 1
                sys.exit(
                    f"Port {port} is taken, perhaps by an app in another terminal.\n"
                    f"Stop that one with Ctrl-C, or choose another port: PORT={other}"
                )
