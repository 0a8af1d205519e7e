"""Many users at once: each gets the prediction for what they sent, or is told to come back.

`make load` does the same for as long and with as many as one likes.
"""

import asyncio
import io
import itertools
import shutil
import threading
import time

import aiohttp
import pytest
from calls import BUSY
from conftest import Served, nginx_before, run_async, run_main
from maintain.bench import users
from maintain.bench.load import same
from maintain.bench.photos import make_photo
from PIL import Image
from playwright.sync_api import expect
from server import free_port

pytestmark = pytest.mark.slow
LONG = 300  # an image of this width takes 20 s


async def ask(session, url, image):
    """Return the prediction, or the message."""
    try:
        return await users.ask(session, url, "/predict", image)
    except users.Refused as refused:
        return str(refused)


def ask_all(url, own, at_once):
    """Let a user come with each image, and return what each got."""

    async def come():
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:
            return await asyncio.gather(*(ask(session, url, image) for image in own))

    return run_async(come())


@pytest.mark.long
def test_each_of_60_users_gets_the_prediction_for_their_own_image(serve, classifier):
    url = serve(classifier("resnet")).url
    own = [make_photo("small", seed) for seed in range(60)]
    alone = ask_all(url, own, at_once=1)
    together = ask_all(url, own, at_once=60)
    assert all(map(same, alone, together))
    assert not any(same(*two) for two in itertools.combinations(alone, 2))


@pytest.fixture(scope="module")
def busy(classifier, tmp_path_factory):
    """resnet with a queue of 2 and slow predictions, and nginx as on Serve before it."""
    folder = tmp_path_factory.mktemp("busy")
    copy = shutil.copytree(classifier("resnet").folder, folder / "app")
    text = (copy / "main.py").read_text(encoding="utf-8")
    line = "    pixels = read_image(image, enough=1024)\n"
    slow = f"{line}    __import__('time').sleep(20 if pixels.width == {LONG} else 3)\n"
    for old, new in ((line, slow), ("max_size=200", "max_size=2")):
        assert old in text
        text = text.replace(old, new)
    (copy / "main.py").write_text(text, encoding="utf-8")
    port, outside = free_port(), free_port()
    # as on Serve, but for the time: the proxy has pages of its own, and cuts idle connections
    location = f"""location / {{ proxy_pass http://127.0.0.1:{port}; proxy_intercept_errors on;
      error_page 502 503 = @page; proxy_read_timeout 17s; proxy_buffering off; }}
      location @page {{ return 503 "<html>This app is not available</html>"; }}"""
    uploads = folder / "uploads"
    with (
        run_main(copy / "main.py", port=port, GRADIO_TEMP_DIR=uploads) as app,
        nginx_before(folder, outside, location),
    ):
        app.wait()
        yield Served(f"http://127.0.0.1:{outside}/", uploads, None)


def test_who_finds_the_queue_full_is_told_so_behind_a_proxy_too(busy):
    found = ask_all(busy.url, [make_photo("small", 0)] * 20, at_once=20)
    refused = [each for each in found if isinstance(each, str)]
    assert {*refused} == {BUSY}
    # four are served and two wait; of many who come in one moment, some find it fuller than it is
    assert 2 <= len(found) - len(refused) <= 10


def test_the_message_is_on_the_page(busy, browser, tmp_path):
    page = browser.new_page()  # not the fixture: the refusal is an error in the console
    (tmp_path / "photo.jpg").write_bytes(make_photo("small", 1))
    page.goto(busy.url)
    page.locator("input[type=file]").first.set_input_files(tmp_path / "photo.jpg")
    expect(page.locator("img").first).to_be_visible()
    done = threading.Event()

    async def keep_coming(session):
        while not done.is_set():
            await ask(session, busy.url, make_photo("small", 0))
            await asyncio.sleep(0.2)

    async def crowd():
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(keep_coming(session) for _ in range(12)))

    thread = threading.Thread(target=asyncio.run, args=(crowd(),))
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not page.get_by_text(BUSY).count():
            assert time.monotonic() < deadline
            page.get_by_role("button", name="Submit").click()
            page.wait_for_timeout(500)
    finally:
        done.set()
        thread.join()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_test_id("label-output-value")).to_be_visible()
    page.close()


@pytest.mark.long
def test_a_long_wait_survives_a_proxy_that_cuts_idle_connections(busy):
    """The proxy here cuts after 17 s, Serve's after 60 s; Gradio says every 15 s that it lives."""
    long = io.BytesIO()
    Image.new("RGB", (LONG, 100), "red").save(long, "JPEG")
    (prediction,) = ask_all(busy.url, [long.getvalue()], at_once=1)
    assert len(prediction["confidences"]) == 5
