"""Try apps as a user would: start each on a free port, call it, check its answers, stop it.

Where a classifier's trained weights are missing, it is tried with made-up ones in a temporary
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

import known_answers
from apps import find_app, find_apps
from made_up_weights import with_made_up_weights

START_S, ANSWER_S, STOP_S = 120, 60, 15
RUN_APP = Path(__file__).with_name("run.py")

# what a step app is asked, and what it must answer
GREETING = (["Ada", True, 50], ("Good morning Ada. It is 50 degrees today", 10))
QUESTIONS = {
    "hello_app.py": (["Ada"], "Hello Ada!"),
    "hello2_app.py": GREETING,
    "hello3_app.py": GREETING,
    "hello4_app.py": (["Ada"], "Hello Ada!"),
    "progress_app.py": (["Ada"], "Hello Ada!"),
}


class Failed(Exception):
    """A check that the app did not pass; the message says what it did instead."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_picture(folder):
    """Write a JPEG picture of 320 x 240 pixels, red to the left and blue to the right."""
    from PIL import Image

    gradient = Image.linear_gradient("L").rotate(90).resize((320, 240))
    picture = Image.merge(
        "RGB", (gradient, gradient.point(lambda v: v // 2), gradient.point(lambda v: 255 - v))
    )
    file = Path(folder) / "picture.jpg"
    picture.save(file, quality=90)
    return file


def example_value(parameter, folder):
    """Return something sensible to send for one parameter, as the app's own API describes it."""
    from gradio_client import handle_file

    if parameter["component"] == "Image":
        return handle_file(str(make_picture(folder)))
    return "Ada" if parameter["component"] == "Textbox" else parameter["example_input"]


def check_label(answer):
    """Check the answer of a gr.Label: probabilities, the largest first."""
    confidences = [row["confidence"] for row in answer["confidences"]]
    if not confidences or confidences != sorted(confidences, reverse=True):
        raise Failed(f"the probabilities are not in order: {confidences}")
    if min(confidences) < 0 or sum(confidences) > 1.001:
        raise Failed(f"these are no probabilities: {confidences}")
    return f"{len(confidences)} labels, first {answer['label']!r}, {confidences[0]:.3f}"


def check_answer(app, client, endpoint, parameters, folder):
    """Ask the app one thing and return what it answered, in words; raise Failed if it is wrong."""
    question, expected = QUESTIONS.get(app.file.name, (None, None))
    question = question or [example_value(parameter, folder) for parameter in parameters]
    answer = client.predict(*question, api_name=endpoint)
    if expected and answer != expected:
        raise Failed(f"{question} gave {answer!r} and not {expected!r}")
    if isinstance(answer, str) and Path(answer).is_file():
        return f"a file, {Path(answer).name}, {Path(answer).stat().st_size:,} bytes"
    if isinstance(answer, dict) and "confidences" in answer:
        return check_label(answer)
    if answer in (None, ""):
        raise Failed("the app answered nothing")
    return repr(answer)[:70]


def empty_form(config, endpoint):
    """Return what the page sends if somebody presses Submit at once."""
    components = {component["id"]: component for component in config["components"]}
    function = next(f for f in config["dependencies"] if f"/{f['api_name']}" == endpoint)
    inputs = [components[number] for number in function["inputs"]]
    values = [component["props"].get("value") for component in inputs]
    texts = [component["type"] == "textbox" for component in inputs]
    return ["" if text and not value else value for text, value in zip(texts, values, strict=True)]


def check_empty_form(client, endpoint):
    """Send the form as it opens: an answer, or a sentence for the person at the screen."""
    from gradio_client.exceptions import AppError

    try:
        answer = client.predict(*empty_form(client.config, endpoint), api_name=endpoint)
    except AppError as error:
        sentence = str(error)
        if " " not in sentence or "upstream Gradio app has raised" in sentence:
            raise Failed(f"no sentence that helps, but: {sentence}") from None
        return sentence
    return repr(answer)[:70]


def check_closed(url, endpoint):
    """Name a file and an address that were not uploaded: the app must refuse them at the door."""
    import httpx

    for path in ("/etc/hosts", "https://example.invalid/picture.png"):
        data = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
        answer = httpx.post(f"{url}gradio_api/call{endpoint}", json=data, trust_env=False)
        if answer.status_code != 403:
            raise Failed("it takes a file that was not uploaded: see guard.py of any app")
    return "only uploads are opened"


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
    from gradio_client import Client

    url = url.rstrip("/") + "/"
    passed = report(app, "its page opens", check_page, url)
    options = {"verbose": False, "analytics_enabled": False, "download_files": folder}
    client = Client(url, **options, httpx_kwargs={"timeout": ANSWER_S, "trust_env": False})
    try:
        endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
        for endpoint, description in endpoints.items():
            asked = (client, endpoint, description["parameters"], folder)
            passed &= report(app, f"{endpoint} answers", check_answer, app, *asked)
            empty = (check_empty_form, client, endpoint)
            passed &= report(app, f"{endpoint} with an empty form", *empty)
            passed &= report(app, f"{endpoint} is closed", check_closed, url, endpoint)
        if known_answers.expected_file(app).exists():
            asked = (known_answers.compare_unless_made_up, app, client)
            passed &= report(app, "known answers", *asked)
    finally:
        client.close()
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
        process.send_signal(signal.SIGINT)
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
            raise Failed(f"it ended by itself: {log.read().decode(errors='replace').strip()}")
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
            with started(with_made_up_weights(app, folder), port, log) as process:
                print(f"ok    {app.name}: starts ({time.monotonic() - start:.1f} s)", flush=True)
                passed = check_over_http(app, f"http://127.0.0.1:{port}/", folder)
        except Failed as error:
            print(f"FAIL  {app.name}: starts: {error}", flush=True)
            return False
        return report(app, "stops by Ctrl-C", check_stopped, process, log) and passed


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
