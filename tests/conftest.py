"""What the tests share: real servers of the apps, real checkpoints, a real browser."""

import asyncio
import concurrent.futures
import contextlib
import fcntl
import functools
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import commands
import pytest
from apps import App, find_app
from filelock import FileLock
from hypothesis import HealthCheck, settings
from maintain.browser import find_browser, save_screenshot
from random_weights import CHECKPOINTS, make_checkpoint
from server import Failed, Server, free_port
from smoke import start_app

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"

CLASSIFIERS = ["flower", "resnet", "vgg11"]
BASE_IMAGE = "python:3.11-slim"
STEPS = ["hello", "sepia", "multi-input", "examples", "progress", "themed"]
# with the files that take minutes first
LONGEST = ["test_workshop_commands", "test_reference_predictions", "test_make", "test_gallery"]
LONGEST += ["test_workshop", "test_images", "test_attacks", "test_classifiers"]
# what this run's own `make` was told is not meant for the `make` in a test
OF_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "PYTHON", "GIVEN"}
OF_MAKE |= commands.SETTINGS.keys() - {"DOCKER", "TORCH_INDEX"}
# how many seconds a test with this mark may take, unless it says otherwise
LIMITS = {"recipes": 1200, "scale": 900, "training": 3600}
# Gradio's "Use via API" asks for these two, also where they are switched off
SWITCHED_OFF = ("/monitoring/summary", "/mcp/schema")

# how many cases Hypothesis tries in each test; `make fuzz` takes "long"
common = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("short", max_examples=75, derandomize=True, database=None, **common)
settings.register_profile("long", max_examples=5_000, print_blob=True, **common)
settings.load_profile("short")


def pytest_configure():
    for name in OF_MAKE:
        os.environ.pop(name, None)
    # Gradio and its client ask 127.0.0.1; a network proxy must not handle that
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1"
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # an app that starts for the second time in a new environment need not compile for 30 s again
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(config, items):
    """Begin with the files that take longest, so that two workers end at the same time."""
    if config.getoption("screenshots"):
        items[:] = [item for item in items if "screenshot" in item.fixturenames]
    for item in items:
        for mark in LIMITS.keys() & {mark.name for mark in item.iter_markers()}:
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(LIMITS[mark]))
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else 99)


class Served(NamedTuple):
    """A running app: its address, the folder for temporary files, what it prints."""

    url: str
    temporary: Path
    log: Path

    @property
    def uploads(self):
        """The folder that only this run of the app uses."""
        return next(path for path in self.temporary.glob("gradio-*") if path.is_dir())

    def printed(self):
        return self.log.read_text(encoding="utf-8", errors="replace")


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Return a function that starts an app once for all tests and returns it as `Served`.

    Gradio looks for work a thousand times per second, so an app rests until a test asks for it.
    In the end, whatever the tests have sent, no app has printed a traceback or a warning.
    """
    servers, running, used = {}, {}, {}
    with contextlib.ExitStack() as stack:

        def serve_app(app):
            test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
            for file, server in servers.items():
                if used[file] != test:
                    server.rest()
            used[app.file] = test
            if app.file in servers:
                servers[app.file].wake()
            else:
                folder = tmp_path_factory.mktemp(app.file.stem)
                uploads = folder / "uploads"
                server = start_app(app, log=folder / "log.txt", GRADIO_TEMP_DIR=uploads)
                servers[app.file] = stack.enter_context(server).wait()
                running[app.file] = Served(server.url, uploads, server.log)
            return running[app.file]

        yield serve_app
    for served in running.values():
        assert "Traceback" not in served.printed()
        assert "warn" not in served.printed().lower()


def import_app(app):
    """Import an app's main.py with the modules beside it, as `python main.py` would."""
    return import_file(app.file, app.name)


def import_file(file, name=None):
    """Import a file of an app's folder with the modules beside it."""
    sys.path.insert(0, str(file.parent))
    for beside in ("image", "pixels", "cores", "guard", "middleware", "weights"):
        sys.modules.pop(beside, None)
    try:
        specification = importlib.util.spec_from_file_location(name or file.stem, file)
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent))
    return module


def run_main(file, python=sys.executable, **environment):
    """Run `python main.py` as in a container, and return it as a server that is started."""
    settings = {"PORT": "{PORT}", "PYTHONUNBUFFERED": "1", **environment}
    return Server([python, file], cwd="/", **settings)


@contextlib.contextmanager
def started_main(folder, temporary, port=None, errors=False, **environment):
    """Run `python main.py`, and stop it in the end; unless `errors`, it has printed no traceback.

    Yields it as `Served`, and its process.
    """
    settings = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_TEMP_DIR": temporary, **environment}
    settings |= {"port": port or free_port(), "log": temporary.with_suffix(".log")}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(run_main(folder / "main.py", **settings))
        try:
            server.wait()
        except Failed as error:  # on a busy machine, Gradio waits only 3 s for its own page
            if "ReadTimeout" not in str(error):
                raise
            server = stack.enter_context(run_main(folder / "main.py", **settings)).wait()
        yield Served(server.url, temporary, server.log), server.process
    assert errors or "Traceback" not in server.printed(), server.printed()


NGINX = """daemon off; pid nginx.pid; error_log error.log;
events {{}}
http {{
    access_log off; client_body_buffer_size 8m; client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    limit_req_zone $http_x_limited zone=limited:1m rate=2r/s;
    server {{
        listen 127.0.0.1:{port};
        location = /favicon.ico {{ return 204; }}
        {location}
    }}
}}
"""


def in_thread(function, *arguments):
    """Call what runs coroutines: while there is a browser, Playwright has a loop in this thread."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()


def run_async(coroutine):
    return in_thread(asyncio.run, coroutine)


@contextlib.contextmanager
def mounted(folder, *options):
    """Put a small disk of its own under a folder, or skip the test where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    as_root = ["sudo", "-n"] if shutil.which("sudo") and os.getuid() else []
    mount = [*as_root, "mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("NO SMALL DISK: it can be mounted by root only")
    try:
        yield
    finally:
        subprocess.run([*as_root, "umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def nginx_before(folder, port, location):
    """Serve with nginx what these lines of its settings say, on a port."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        pytest.skip("NO NGINX on this machine, to put before an app")
    (folder / "nginx.conf").write_text(NGINX.format(port=port, location=location))
    with Server([program, "-p", folder, "-c", folder / "nginx.conf"], port) as nginx:
        nginx.wait("favicon.ico")
        yield


def wait_for(condition, seconds=30):
    """Return what a condition gives as soon as that is true; fail if it takes very long."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="session")
def classifier(tmp_path_factory):
    """Return a function that copies a classifier's folder and gives it random weights."""
    copies = {}

    def copy_classifier(name):
        if name not in copies:
            original = find_app(name)
            folder = tmp_path_factory.mktemp(name) / original.folder.name
            shutil.copytree(original.folder, folder, ignore=shutil.ignore_patterns("*.pth"))
            for file in CHECKPOINTS:
                if file in original.file.read_text(encoding="utf-8"):
                    make_checkpoint(folder / "data" / file)
            copies[name] = App((name,), folder / "main.py", original.summary)
        return copies[name]

    return copy_classifier


@pytest.fixture(scope="session")
def running(serve, classifier):
    """Return a function that serves a step app, a classifier or a copy of "bare" by its name."""

    def run(name):
        if name == "bare":
            return serve(App((name,), SCRIPTS / "bare" / "main.py", ""))
        return serve(find_app(name) if name in STEPS else classifier(name))

    return run


@pytest.fixture
def make():
    """Return a function that runs `make` in the repository and returns the finished process."""

    def run_make(*arguments, **environment):
        return subprocess.run(
            ["make", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=120,
        )

    return run_make


def is_taken(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def workshop_ports():
    """Take ports 8080 and 9000, for commands as the workshop gives them: one test at a time."""
    with (Path(tempfile.gettempdir()) / "gallery-tests-ports.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests of several files run side by side
        deadline = time.monotonic() + 20  # for the program that had them last
        while taken := [port for port in (8080, 9000) if is_taken(port)]:
            if time.monotonic() > deadline:
                pytest.skip(
                    f"PORT {taken[0]} IS TAKEN on this machine; the text's commands need it"
                )
            time.sleep(0.5)
        yield


@pytest.fixture
def workshop_ports_free():
    with workshop_ports():
        yield


@functools.cache
def engine_here():
    """Return the command of a container engine that runs and has the base image, or None."""
    for name in [os.environ["DOCKER"]] if os.environ.get("DOCKER") else ["docker", "podman"]:
        command = [name, "image", "inspect", BASE_IMAGE]
        if shutil.which(name) and not subprocess.run(command, capture_output=True).returncode:
            return [name]
    return None


@pytest.fixture(scope="session")
def browser():
    """A real Chromium or Chrome without a window, whatever the machine has."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)  # a page takes over 5 s on a machine that is busy

    executable = find_browser()
    if not executable:
        pytest.skip("NO BROWSER on this machine: scripts/maintain/browser.py could not get one")
    # as root, Chromium's sandbox does not start; the second switch stops its own calls home
    arguments = ["--no-sandbox", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


def pytest_terminal_summary(terminalreporter):
    """Say what fuzzing found."""
    for report in terminalreporter.stats.get("passed", []):
        for _, value in report.user_properties:
            terminalreporter.write_line(value)


def pytest_addoption(parser):
    parser.addoption("--screenshots", action="store_true", help="save those of the recipes")


@pytest.fixture
def screenshot(request):
    """Return a function that saves a page as the screenshot of a recipe, for `make screenshots`."""

    def save(page, recipe):
        if request.config.getoption("screenshots"):
            file = ROOT / "docs" / "images" / f"recipe-{recipe}.png"
            save_screenshot(page, file, full_page=True)

    return save


@pytest.fixture
def page(browser):
    """A new page. In the end: nothing was asked of another computer, no error was logged."""
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.set_default_timeout(20_000)
    asked, errors = [], []

    def note(message):
        if message.type == "error" and not message.location["url"].endswith(SWITCHED_OFF):
            errors.append(f"{message.text}: {message.location['url']}")

    page.on("request", lambda request: asked.append(request.url))
    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    local = ("http://127.0.0.1:", "data:", "blob:http://127.0.0.1:")
    assert [url for url in asked if not url.startswith(local)] == []
    assert errors == []


@pytest.fixture(scope="session")
def httpserver_listen_address():
    return ("127.0.0.1", 0)


@pytest.fixture
def canary(httpserver):
    """A web server that no app may ask: its address, and the list of what it was asked."""
    return httpserver.url_for("").rstrip("/"), httpserver.log


@pytest.fixture(scope="session")
def python_of_recipes(tmp_path_factory):
    """The Python of an environment with the packages of all recipes for a classifier.

    It takes a minute to make, so their tests share it, in all processes of pytest-xdist. That each
    recipe names all it needs is seen by `make check`, in test_recipes.py.
    """
    from recipes_made import environment_of_recipes

    place = tmp_path_factory.getbasetemp()
    place = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place
    with FileLock(place / "all.lock"):
        if not (place / "all").exists():
            environment_of_recipes(place / "all")
    return place / "all" / "gallery" / "venv" / "bin" / "python"
