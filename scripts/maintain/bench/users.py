"""Use a server as many users at once would, and print how long each result took, as JSON.

Each user has their own image, uploads it again for each call and waits for the result before
sending it again, over the HTTP API that any program uses. It is a process of its
own, so that it takes no time from the server's Python.
"""

import argparse
import asyncio
import json
import time

import aiohttp
from maintain.bench.photos import SIZES, make_photo


async def ask_gradio(session, url, image):
    """Upload an image, ask for its labels, wait for them: as gradio_client does."""
    api = f"{url}/gradio_api"
    form = aiohttp.FormData()
    form.add_field("files", image, filename="photo.jpg", content_type="image/jpeg")
    async with session.post(f"{api}/upload", data=form) as response:
        (path,) = await response.json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    await call(session, f"{api}/call/predict", file)


async def call(session, url, value):
    async with session.post(url, json={"data": [value]}) as response:
        event = (await response.json())["event_id"]
    async with session.get(f"{url}/{event}") as response:
        text = await response.text()
    if "event: complete" not in text:
        raise RuntimeError(text)


async def ask_hello(session, url, image):
    await call(session, f"{url}/gradio_api/call/greet", "Ada")


async def ask_litserve(session, url, image):
    form = aiohttp.FormData()
    form.add_field("request", image, filename="photo.jpg", content_type="image/jpeg")
    async with session.post(f"{url}/predict", data=form) as response:
        if len(await response.json()) != 5:
            raise RuntimeError(await response.text())


ASK = {"gradio": ask_gradio, "hello": ask_hello, "litserve": ask_litserve}


async def visit(server, url, kind, users, seconds, at_least, warm):
    """Return the seconds that each result took, and how long all of it took."""
    images = [make_photo(kind, seed) for seed in range(users)]
    took, ask = [], ASK[server]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for _ in range(warm):  # all at once: the threads for so many must have started, too
            await asyncio.gather(*(ask(session, url, image) for image in images))
        start = time.perf_counter()

        async def stay(image):
            calls = 0
            while time.perf_counter() - start < seconds or calls < at_least:
                sent = time.perf_counter()
                await ask(session, url, image)
                took.append(time.perf_counter() - sent)
                calls += 1

        await asyncio.gather(*map(stay, images))
        return took, time.perf_counter() - start


def main(argv=None):
    parser = argparse.ArgumentParser(description="Use a server, and print how long it took.")
    parser.add_argument("server", choices=ASK)
    parser.add_argument("url")
    parser.add_argument("--image", choices=SIZES, default="small")
    parser.add_argument("--users", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--at-least", type=int, default=1, help="calls of each user")
    parser.add_argument("--warm", type=int, default=1, help="calls of each that do not count")
    o = parser.parse_args(argv)
    seen = visit(o.server, o.url.rstrip("/"), o.image, o.users, o.seconds, o.at_least, o.warm)
    took, elapsed = asyncio.run(seen)
    print(json.dumps({"answers": len(took), "seconds": elapsed, "took": sorted(took)}))


if __name__ == "__main__":
    main()
