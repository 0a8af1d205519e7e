"""Use a server as many users at once would.

Each user has an image (or a name), sends it, waits for the result and sends it again, over the HTTP
API that any program uses. `python -m maintain.bench.users` does so in a process of its own, so that
it takes no time from the server's Python, and prints how long each result took, as JSON.
"""

import argparse
import asyncio
import json
import time

import aiohttp
from maintain.bench.photos import SIZES, make_photo

FILE = {"_type": "gradio.FileData"}


def connect():
    """Return a session for any number of users, within `async with`."""
    # uvicorn closes a connection that nobody used for 5 s; a call must not meet that moment
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    return aiohttp.ClientSession(connector=connector)


class Refused(Exception):
    """The app gave a message instead of a result."""


async def upload(session, url, image):
    form = aiohttp.FormData()
    form.add_field("files", image, filename="photo.jpg", content_type="image/jpeg")
    async with session.post(f"{url}gradio_api/upload", data=form) as response:
        (path,) = await response.json()
    return {"path": path, "meta": FILE}


async def ask(session, url, function, own, *more):
    """Send an image or a name, as gradio_client does, and return the result; may raise Refused."""
    value = await upload(session, url, own) if isinstance(own, bytes) else own
    url = f"{url}gradio_api/call{function}"
    async with session.post(url, json={"data": [value, *more]}) as response:
        answer = await response.json()
    if "event_id" not in answer:
        raise Refused(answer["detail"])
    async with session.get(f"{url}/{answer['event_id']}") as response:
        text = await response.text()
    data = json.loads(text.rpartition("data: ")[2])
    if "event: complete" not in text:
        raise Refused(data["error"]) if data["error"] else RuntimeError("an error, no message")
    return data[0]


async def ask_classifier(session, url, image):
    await ask(session, url, "/predict", image)


async def ask_hello(session, url, image):
    await ask(session, url, "/greet", "Ada")


async def ask_litserve(session, url, image):
    form = aiohttp.FormData()
    form.add_field("request", image, filename="photo.jpg", content_type="image/jpeg")
    async with session.post(f"{url}predict", data=form) as response:
        if len(await response.json()) != 5:
            raise Refused(await response.text())


ASK = {"classifier": ask_classifier, "hello": ask_hello, "litserve": ask_litserve}


async def visit(server, url, image, users, seconds, warm):
    """Return the seconds that each result took, and how long all of it took."""
    images = [make_photo(image, seed) for seed in range(users)]
    took, ask = [], ASK[server]
    async with connect() as session:
        for _ in range(warm):  # all at once: the threads for so many must have started, too
            await asyncio.gather(*(ask(session, url, image) for image in images))
        start = time.perf_counter()

        async def stay(image):
            while (sent := time.perf_counter()) - start < seconds:
                await ask(session, url, image)
                took.append(time.perf_counter() - sent)

        await asyncio.gather(*map(stay, images))
        return took, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description="Use a server, and print how long it took.")
    parser.add_argument("server", choices=ASK)
    parser.add_argument("url")
    parser.add_argument("--image", choices=SIZES, default="small")
    parser.add_argument("--users", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--warm", type=int, default=1, help="calls of each that do not count")
    took, elapsed = asyncio.run(visit(**vars(parser.parse_args())))
    print(json.dumps({"answers": len(took), "seconds": elapsed, "took": sorted(took)}))


if __name__ == "__main__":
    main()
