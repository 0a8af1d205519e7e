"""Serve the gallery: one page that shows all apps, each of them also on a path of its own.

The apps are those that `make list` prints. Each file runs unchanged until it launches; what it
would launch is then mounted below the page, with the settings that the file gives to launch(). An
app that does not start, such as a classifier without weights, is left out, and the page says so.
"""

import argparse
import contextlib
import inspect
import logging
import os
import runpy
import shutil
import signal
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

import gradio as gr
import uvicorn
from apps import find_apps
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from gallery.page import SCREENSHOTS, make_page
from gradio.routes import INTERNAL_ROUTES
from run import address_in_network, guard, parse_port, require_free_port

# where a proxy serves the gallery, such as /workshop; most serve it at the top
PREFIX = urlsplit(os.environ.get("GRADIO_ROOT_PATH", "")).path.rstrip("/")
# what launch() and mount_gradio_app() both take, but for what the gallery decides
SETTINGS = {*inspect.signature(gr.Blocks.launch).parameters}
SETTINGS &= {*inspect.signature(gr.mount_gradio_app).parameters}
SETTINGS -= {"server_name", "server_port", "root_path", "favicon_path", "ssr_mode"}


def run_until_launch(file):
    """Run `file` as `python FILE` does; return what it launches, and with which settings."""
    launch, launched = gr.Blocks.launch, []

    def note(demo, *args, **kwargs):
        call = inspect.signature(launch).bind(demo, *args, **kwargs)
        call.apply_defaults()
        launched.append((demo, {name: call.arguments[name] for name in SETTINGS}))
        return None, "", ""

    gr.Blocks.launch = note
    sys.path.insert(0, str(file.parent))
    try:
        runpy.run_path(str(file), run_name="__main__")
    finally:
        gr.Blocks.launch = launch
        for name, module in list(sys.modules.items()):  # the next app may have one so called
            if str(getattr(module, "__file__", "")).startswith(f"{file.parent}{os.sep}"):
                del sys.modules[name]
    if not launched:
        raise RuntimeError("it launches nothing")
    return launched[0]


def mount(server, path, uploads, make, *arguments):
    """Serve on `path` the Gradio app that `make` returns, with a folder of uploads of its own.

    With one folder for all, an app would open, and delete, what was uploaded to another one.
    """
    folder = os.environ["GRADIO_TEMP_DIR"]
    os.environ["GRADIO_TEMP_DIR"] = os.path.join(folder, uploads)
    try:
        demo, settings = make(*arguments)
        # a mounted app opens any file that a caller names, and fetches any address: not so here
        settings["app_kwargs"] = guard() | (settings.get("app_kwargs") or {})
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
    server.mount("/screenshots", StaticFiles(directory=SCREENSHOTS, check_dir=False))
    mount(server, "/", ".page", make_page, shown, left_out)  # last: it takes all other paths


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
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    for stop in (signal.SIGINT, signal.SIGTERM):  # also when started in the background
        signal.signal(stop, signal.default_int_handler)
    try:
        require_free_port(server_name, server_port)
        print("Starting all apps ...", flush=True)
        guard()  # makes the folder of uploads; each app gets one in there
        server = FastAPI(openapi_url=None)
        mount_all(server)
        print(f"The gallery runs. Open http://localhost:{server_port} in your browser.")
        print("Ctrl-C stops it.", flush=True)
        options = {"root_path": PREFIX, "log_level": "warning", "timeout_graceful_shutdown": 1}
        Server(uvicorn.Config(server, server_name, server_port, **options)).run()
    except KeyboardInterrupt:
        print("Stopped.")


def main(argv=None):
    parser = argparse.ArgumentParser(description="Serve the gallery: one page with all apps.")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 shares it with the network")
    parser.add_argument("--port", default=os.environ.get("PORT", "8080"), type=parse_port)
    arguments = parser.parse_args(argv)
    if arguments.host not in ("127.0.0.1", "localhost"):
        print(f"In your network, it will be http://{address_in_network()}:{arguments.port}")
    launch(arguments.host, arguments.port)


if __name__ == "__main__":
    main()
