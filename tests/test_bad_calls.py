"""Calls that no page makes: each is refused, by a 4xx or a sentence, and the app goes on.

That no app has printed a traceback is checked in the end, by the fixture `serve`.
"""

import json
from pathlib import Path

import pictures
import pytest
import requests
from apps import find_app
from conftest import STEPS
from playwright.sync_api import expect

EACH = [*STEPS, "resnet"]
FUNCTIONS = {"sepia": "sepia", "resnet": "predict"}
DEEP = json.loads("[" * 900 + "]" * 900)
MARKUP = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


@pytest.fixture
def running(serve, classifier):
    return lambda name: serve(find_app(name) if name in STEPS else classifier(name))


def ask(served, name, body, route="call"):
    """Send a body to an app's function; return the status and all that it answered."""
    url = f"{served.url}gradio_api/{route}/{FUNCTIONS.get(name, 'greet')}"
    content = body if isinstance(body, bytes) else json.dumps(body)
    headers = {"Content-Type": "application/json"}
    answer = requests.post(url, data=content, headers=headers, timeout=30)
    if route == "call" and answer.ok:
        event = answer.json()["event_id"]
        return answer.status_code, requests.get(f"{url}/{event}", timeout=30).text
    return answer.status_code, answer.text


def is_refused(status, answer):
    return 400 <= status < 500 or "event: error" in answer or '"error"' in answer


WRONG_DATA = {
    "no argument": [],
    "too many": ["Ada", True, 50, "more", None],
    "a list": [["Ada"], ["x"], ["y"]],
    "an object": [{"a": 1}, {"b": 2}, {"c": 3}],
    "a number": [7, 7, 7],
    "nothing": [None, None, None],
    "deep": [DEEP, DEEP, DEEP],
    "out of range": ["Ada", True, 1e9],
    "not a number": ["Ada", True, float("nan")],
}


@pytest.mark.parametrize("kind", WRONG_DATA)
@pytest.mark.parametrize("name", EACH)
def test_wrong_arguments_are_refused_or_answered(running, name, kind):
    served = running(name)
    for route in ("call", "run"):
        status, answer = ask(served, name, {"data": WRONG_DATA[kind]}, route)
        assert status < 500 or '"error"' in answer, (route, answer)
        assert "Traceback" not in answer
    assert requests.get(served.url, timeout=10).ok


BODIES = {
    "no JSON": b"{",
    "no object": b"7",
    "no data": b"{}",
    "data of another type": b'{"data": 7}',
    "deep": b"[" * 100_000,
    "10 MB": b'{"data": ["' + b"x" * 10_000_000 + b'"]}',
    "bytes that are no text": b"\xff\xfe\xfd",
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("name", ["hello", "sepia", "resnet"])
def test_a_body_that_is_none_is_refused(running, name, kind):
    served = running(name)
    for route in ("call", "run"):
        status, answer = ask(served, name, BODIES[kind], route)
        assert 400 <= status < 500, (route, answer)
    assert requests.get(served.url, timeout=10).ok


@pytest.mark.parametrize("name", ["hello", "sepia"])
def test_an_event_of_somebody_else_is_not_told(running, name):
    served = running(name)
    url = f"{served.url}gradio_api/call/{FUNCTIONS.get(name, 'greet')}"
    for event in ("0" * 32, "../../config", "%2e%2e", "x" * 3000):
        answer = requests.get(f"{url}/{event}", timeout=10)
        assert "event: complete" not in answer.text
    answer = requests.get(served.url + "gradio_api/queue/data?session_hash=other", timeout=20)
    assert "process_completed" not in answer.text


@pytest.mark.parametrize(
    "upload_name", ["../../up.png", "/etc/cron.d/up.png", MARKUP + ".png", "n" * 300, "..", ""]
)
def test_the_name_of_an_upload_leads_nowhere(running, tmp_path, upload_name):
    served = running("sepia")
    pictures.drawing().save(tmp_path / "a.png")
    files = {"files": (upload_name, (tmp_path / "a.png").read_bytes())}
    answer = requests.post(served.url + "gradio_api/upload", files=files, timeout=10)
    if answer.ok:
        (path,) = answer.json()
        assert served.uploads in Path(path).resolve().parents
        status, text = ask(served, "sepia", {"data": [{"path": path}]})
        assert (status, "event: complete" in text) == (200, True)
    else:
        assert 400 <= answer.status_code < 500


def test_markup_stays_text_on_the_page(running, page):
    page.goto(running("hello").url)
    page.get_by_label("name").fill(MARKUP)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("output")).to_have_value(f"Hello {MARKUP}!")
    assert page.title() != "broken"
