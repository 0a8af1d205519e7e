"""Serve the gallery: one page that shows all apps, each of them also on a path of its own.

The apps are those that `make list` prints. Each file runs unchanged until it launches; what it
would launch is then mounted below the page, with the settings that the file gives to launch(). An
app that does not start, such as a classifier without weights, is left out, and the page says so.
"""

import contextlib
import inspect
import logging
import os
import runpy
import shutil
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

import gradio as gr
import httpx
import uvicorn
from apps import find_apps
from fastapi import FastAPI
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from gallery.page import SCREENSHOTS, make_page
from gradio.routes import INTERNAL_ROUTES
from run import (
    LOCAL,
    address_in_network,
    forget_modules,
    import_launcher,
    prepare,
    require_free_port,
)
from starlette.middleware.trustedhost import TrustedHostMiddleware

# where a proxy serves the gallery, such as /workshop; most serve it at the top
PREFIX = urlsplit(os.environ.get("GRADIO_ROOT_PATH", "")).path.rstrip("/")
# what launch() and mount_gradio_app() both take, but for what the gallery decides
SETTINGS = {*inspect.signature(gr.Blocks.launch).parameters}
SETTINGS &= {*inspect.signature(gr.mount_gradio_app).parameters}
SETTINGS -= {"server_name", "server_port", "root_path", "favicon_path", "ssr_mode"}


def run_until_launch(file):
    """Run `file` as `python FILE` does; return what it launches, and with which settings."""
    launcher, _ = import_launcher()
    launched = []
    sys.path.insert(0, str(file.parent))
    try:
        with launcher.launched_by(lambda demo, given: launched.append((demo, given))):
            runpy.run_path(str(file), run_name="__main__")
    finally:
        sys.path.remove(str(file.parent))
        forget_modules(file.parent)
    if not launched:
        raise RuntimeError("it launches nothing")
    return launched[0]


def mount(server, path, uploads, make, *arguments):
    """Serve on `path` the Gradio app that `make` returns, with a folder of uploads of its own.

    With one folder for all, an app would open, and delete, what was uploaded to another one.
    """
    launcher, _ = import_launcher()
    folder = os.environ["GRADIO_TEMP_DIR"]
    os.environ["GRADIO_TEMP_DIR"] = os.path.join(folder, uploads)
    try:
        demo, settings = make(*arguments)
        settings = launcher.protected(demo, settings)
        demo.state_session_capacity = settings["state_session_capacity"]  # mounting has no setting
        settings = {name: settings[name] for name in SETTINGS & settings.keys()}
        settings.setdefault("show_error", False)  # as in launch()
        # the root path is for proxies: Gradio would else give them addresses without the path
        place = {"root_path": PREFIX + path.rstrip("/"), "ssr_mode": False}
        gr.mount_gradio_app(server, demo, path, **place, **settings)
    finally:
        os.environ["GRADIO_TEMP_DIR"] = folder


def mount_all(server):
    """Serve every app that starts, and the page of these."""
    shown, left_out, taken = [], [], {"screenshots", *INTERNAL_ROUTES}
    for app in find_apps():
        name = next((name for name in app.names if name not in taken), f"{app.name}-2")
        try:
            mount(server, f"/{name}", name, run_until_launch, app.file)
        except (Exception, SystemExit) as error:  # the other apps go on
            print(f"{app.name} is left out: {error}", flush=True)
            cure = f"`make run APP={app.name}` fetches what it needs, or says what is wrong."
            left_out.append(f"**{app.name}** is not here: it does not start. {cure}")
            continue
        server.add_route(f"/{name}", RedirectResponse(f"{quote(name)}/"))
        shown.append((app, name))
        taken.add(name)
    server.add_route("/health", ask_each([name for _, name in shown]))
    server.mount("/screenshots", StaticFiles(directory=SCREENSHOTS, check_dir=False))
    mount(server, "/", ".page", make_page, shown, left_out)  # last: it takes all other paths


def ask_each(names):
    """Return a health check that fails if that of any app does."""

    async def health(request):
        transport = httpx.ASGITransport(request.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for name in names:
                response = await client.get(f"/{quote(name)}/health")
                if not response.is_success:
                    return JSONResponse({"detail": f"{name}: {response.json()['detail']}"}, 503)
        return JSONResponse({"detail": "The queues of all apps work."})

    return health


class Server(uvicorn.Server):
    """A web server that stops at once: open pages and functions that run are not waited for."""

    async def shutdown(self, sockets=None):
        logging.disable()  # what is cut off is no error
        await super().shutdown(sockets)
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # on Windows, the lock is open
            Path(f"{folder}.lock").unlink()
        print("Stopped.", flush=True)
        os._exit(0)


def launch(server_name, server_port):
    """Serve the gallery until Ctrl-C or `docker stop`."""
    try:
        require_free_port(server_name, server_port)
        print("Starting all apps ...", flush=True)
        prepare(server_name, server_port)  # makes the folder of uploads; each app gets one in there
        server = FastAPI(openapi_url=None)
        if (
            server_name in LOCAL
        ):  # or any web page could call the apps, under a name that leads here
            server.add_middleware(TrustedHostMiddleware, allowed_hosts=LOCAL)
        mount_all(server)
        print(f"The gallery runs. Open http://localhost:{server_port} in your browser.")
        print("Ctrl-C stops it.", flush=True)
        options = {"root_path": PREFIX, "log_level": "warning", "timeout_graceful_shutdown": 1}
        Server(uvicorn.Config(server, server_name, server_port, **options)).run()
    except KeyboardInterrupt:
        print("Stopped.")


def main(host, port):
    if host not in LOCAL:
        print(f"In your network, it will be http://{address_in_network()}:{port}")
    launch(host, port)
