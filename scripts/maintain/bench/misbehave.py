"""Call an app as no page does, again and again, while others use it: see `make load`."""

import asyncio
import contextlib
import itertools
import secrets

import aiohttp

JSON = {"Content-Type": "application/json"}
FORM = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'


def calls(url):
    """Yield calls of the kinds that once ended, froze or filled an app: an address and options."""
    api = f"{url}gradio_api/"
    for number in itertools.count():
        new = secrets.token_hex(8)
        kinds = [
            ("queue/join", {"json": {"data": ["x"], "fn_index": 0, "session_hash": ""}}),
            ("queue/join", {"json": {"data": ["x"], "fn_index": 1, "session_hash": new}}),
            ("queue/join", {"json": {"data": [], "fn_index": number, "session_hash": new}}),
            ("call/predict", {"json": {"data": [{"path": "/etc/passwd"}]}}),
            ("call/predict", {"json": {"data": [None]}}),  # whose result is never read
            ("run/predict", {"json": {"data": ["x" * 3_000_000]}}),
            ("call/predict", {"data": b'{"data": ' + b"[" * 5_000, "headers": JSON}),
            ("upload", {"data": PART, "headers": {"Content-Type": f"{FORM}; charset=punycode"}}),
            (f"upload?upload_id={new * 900}", {"data": PART, "headers": {"Content-Type": FORM}}),
            ("upload", {"data": PART + bytes(100_000), "headers": {"Content-Type": FORM}}),
            ("process_recording", {"data": PART, "headers": {"Content-Type": FORM}}),
            ("cancel", {"json": {"session_hash": new, "fn_index": 0, "event_id": new}}),
        ]
        path, options = kinds[number % len(kinds)]
        yield api + path, options


async def misbehave(session, url, found):
    """Make such calls until it is cancelled, and count them as `misbehaved`."""
    for address, options in calls(url):
        found["misbehaved"] += 1
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError):
            async with session.post(address, **options, timeout=aiohttp.ClientTimeout(10)):
                pass  # and leave
        await asyncio.sleep(0.05)
