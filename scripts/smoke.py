"""Try apps as a user would: start each on a free port, call it, check its responses, stop it.

Where a classifier's trained weights are missing, it is tried with random ones in a temporary
folder: its labels mean nothing then, and the output says so.
"""

import argparse
import contextlib
import re
import sys
import tempfile
import time
from pathlib import Path

import reference_predictions
from apps import find_app, find_apps
from questions import (
    NotTried,
    check_closed,
    check_empty_form,
    check_prediction,
    functions,
    open_client,
)
from random_weights import with_random_weights
from server import WINDOWS, Failed, Server, opener

RUN_APP = Path(__file__).with_name("run.py")


def report(app, check, function, *arguments, printed=str):
    """Print one line for a check, and return whether it passed; `printed()` is the app's log."""
    start, before = time.monotonic(), len(printed())
    try:
        detail = function(*arguments)
    except NotTried as reason:
        print(f"skip  {app.name}: {check}: not tried: {reason}", flush=True)
        return True
    except Exception as error:  # whatever goes wrong in an app, the other checks go on
        cause = fault_in(printed()[before:])
        print(f"FAIL  {app.name}: {check}: {cause or error}", flush=True)
        return False
    seconds = time.monotonic() - start
    print(f"ok    {app.name}: {check}: {detail or 'yes'} ({seconds:.1f} s)", flush=True)
    return True


def fault_in(log):
    """Return the error at the end of the last traceback in a log, and where in the app it was."""
    traceback = log.rpartition("Traceback (most recent call last):\n")[2]
    own = r'  File "(?!.*(?:site|dist)-packages)(?:.*[\\/])?(.+)", line (\d+), in (.+)\n'
    lines = re.findall(own, traceback)
    error = re.search(r"(?m)^\w[\w.]*(?:: .*)?$", traceback)
    if not error or traceback == log:
        return ""
    return error[0] + (" ({}, line {}, in {})".format(*lines[-1]) if lines else "")


def check_page(url):
    with opener.open(url, timeout=10) as page:
        text = page.read().decode()
    if "gradio" not in text:
        raise Failed("this is not the page of a Gradio app")


def check_over_http(app, url, folder, printed=str):
    """Run the checks that need nothing but the app's address; return whether all passed.

    `printed()` returns what the app has printed, as far as that is known.
    """
    url = url.rstrip("/") + "/"
    passed = report(app, "its page opens", check_page, url)
    with contextlib.closing(open_client(url, folder)) as client:
        for endpoint, description in functions(client).items():
            asked = (check_prediction, app, client, endpoint, description, folder)
            passed &= report(app, f"{endpoint} answers", *asked, printed=printed)
            empty = (check_empty_form, client, endpoint)
            passed &= report(app, f"{endpoint} with an empty form", *empty, printed=printed)
            passed &= report(app, f"{endpoint} is closed", check_closed, url, endpoint)
        if reference_predictions.expected_file(app).exists():
            asked = (reference_predictions.compare_unless_random, app, client)
            passed &= report(app, "reference predictions", *asked)
    return passed


def start_app(app, log=None, **environment):
    """Start an app as `make run` does, or `python main.py` in a repository of its own."""
    command = [sys.executable, RUN_APP, app.file, "{PORT}"]
    if not RUN_APP.exists():
        command = [sys.executable, app.file]
        environment |= {"PORT": "{PORT}", "GRADIO_SERVER_NAME": "127.0.0.1"}
    return Server(command, log=log, **environment)


def smoke(app):
    """Try one app; return whether it passed every check."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        app = with_random_weights(app, folder)
        with start_app(app) as server:
            try:
                server.wait()
            except Failed as error:
                print(f"FAIL  {app.name}: starts: {error}", flush=True)
                return False
            print(f"ok    {app.name}: starts ({time.monotonic() - begin:.1f} s)", flush=True)
            passed = check_over_http(app, server.url, folder, server.printed)
        return (WINDOWS or report(app, "stops by Ctrl-C", check_stopped, server)) and passed


def check_stopped(server):
    if server.process.returncode or "Traceback" in server.printed():
        status, end = server.process.returncode, server.printed()[-500:]
        raise Failed(f"status {status}, and it printed: {end}")


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
