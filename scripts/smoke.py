"""Try apps as a user would: start each on a free port, call it, check its responses, stop it.

Where a classifier's trained weights are missing, it is tried with random ones in a temporary
folder: its labels mean nothing then, and the output says so.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import reference_predictions
from apps import find_app, find_apps
from questions import Failed, check_closed, check_empty_form, check_prediction
from random_weights import with_random_weights

START_S, STOP_S = 120, 15
RUN_APP = Path(__file__).with_name("run.py")
WINDOWS = os.name == "nt"  # where one program cannot press Ctrl-C in another


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def report(app, check, function, *arguments):
    """Print one line for a check, and return whether it passed."""
    start = time.monotonic()
    try:
        detail = function(*arguments)
    except Exception as error:  # whatever goes wrong in an app, the other checks go on
        print(f"FAIL  {app.name}: {check}: {error}", flush=True)
        return False
    seconds = time.monotonic() - start
    print(f"ok    {app.name}: {check}: {detail or 'yes'} ({seconds:.1f} s)", flush=True)
    return True


def check_page(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as page:
        text = page.read().decode()
    if "gradio" not in text:
        raise Failed("this is not the page of a Gradio app")


def check_over_http(app, url, folder):
    """Run the checks that need nothing but the app's address; return whether all passed."""
    url = url.rstrip("/") + "/"
    passed = report(app, "its page opens", check_page, url)
    with contextlib.closing(reference_predictions.open_client(url, folder)) as client:
        for endpoint, description in reference_predictions.functions(client).items():
            asked = (client, endpoint, description["parameters"], folder)
            passed &= report(app, f"{endpoint} answers", check_prediction, app, *asked)
            empty = (check_empty_form, client, endpoint)
            passed &= report(app, f"{endpoint} with an empty form", *empty)
            passed &= report(app, f"{endpoint} is closed", check_closed, url, endpoint)
        if reference_predictions.expected_file(app).exists():
            asked = (reference_predictions.compare_unless_random, app, client)
            passed &= report(app, "reference predictions", *asked)
    return passed


@contextlib.contextmanager
def started(app, port, log, environment=None):
    """Start the app as `make run` does, wait until its page opens, and stop it in the end."""
    command = [sys.executable, str(RUN_APP), str(app.file), "--port", str(port)]
    process = subprocess.Popen(
        command,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=tempfile.gettempdir(),
        env={**os.environ, **(environment or {})},
    )
    try:
        wait_until_open(process, port, log)
        yield process
    finally:
        process.terminate() if WINDOWS else process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_open(process, port, log):
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log.seek(0)
            raise Failed(f"it ended on its own: {log.read().decode(errors='replace').strip()}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.2)
    raise Failed(f"it did not start in {START_S} s")


def smoke(app):
    """Try one app; return whether it passed every check."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        try:
            port = free_port()
            start = time.monotonic()
            app = with_random_weights(app, folder)
            with started(app, port, log) as process:
                print(f"ok    {app.name}: starts ({time.monotonic() - start:.1f} s)", flush=True)
                passed = check_over_http(app, f"http://127.0.0.1:{port}/", folder)
        except Failed as error:
            print(f"FAIL  {app.name}: starts: {error}", flush=True)
            return False
        return (WINDOWS or report(app, "stops by Ctrl-C", check_stopped, process, log)) and passed


def check_stopped(process, log):
    log.seek(0)
    output = log.read().decode(errors="replace")
    if process.returncode or "Traceback" in output:
        raise Failed(f"status {process.returncode}, and it printed: {output[-500:]}")


def main(argv=None):
    parser = argparse.ArgumentParser(description="Try apps as a user would.")
    parser.add_argument("app", help="its name, as in `make list`, or all")
    parser.add_argument("--url", help="where the app runs already: only call it there")
    options = parser.parse_args(argv)
    name = options.app
    if options.url:
        with tempfile.TemporaryDirectory() as folder:
            sys.exit(not check_over_http(find_app(name), options.url, folder))
    apps = find_apps() if name == "all" else [find_app(name)]
    failed = [app.name for app in apps if not smoke(app)]
    if failed:
        sys.exit(f"Failed: {', '.join(failed)} ({len(failed)} of {len(apps)} apps)")
    print(f"All is well: {len(apps)} of {len(apps)} apps")


if __name__ == "__main__":
    main()
