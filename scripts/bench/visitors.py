"""Visit a server as many people at once would, and print how long each answer took, as JSON.

Each visitor has a picture of its own, uploads it again for each answer, and waits for the answer
before sending it again, over the HTTP API that any program uses. A process of its own, so that it
takes no time from the server's Python.
"""

import argparse
import asyncio
import json
import time

import aiohttp
from bench.photos import SIZES, make_picture


async def ask_gradio(session, url, picture):
    """Upload a picture, ask for its labels, wait for them: as gradio_client does."""
    api = f"{url}/gradio_api"
    form = aiohttp.FormData()
    form.add_field("files", picture, filename="photo.jpg", content_type="image/jpeg")
    async with session.post(f"{api}/upload", data=form) as answer:
        (path,) = await answer.json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    await call(session, f"{api}/call/predict", file)


async def call(session, url, value):
    async with session.post(url, json={"data": [value]}) as answer:
        event = (await answer.json())["event_id"]
    async with session.get(f"{url}/{event}") as answer:
        text = await answer.text()
    if "event: complete" not in text:
        raise RuntimeError(text)


async def ask_hello(session, url, picture):
    await call(session, f"{url}/gradio_api/call/greet", "Ada")


async def ask_litserve(session, url, picture):
    form = aiohttp.FormData()
    form.add_field("request", picture, filename="photo.jpg", content_type="image/jpeg")
    async with session.post(f"{url}/predict", data=form) as answer:
        if len(await answer.json()) != 5:
            raise RuntimeError(await answer.text())


ASK = {"gradio": ask_gradio, "hello": ask_hello, "litserve": ask_litserve}


async def visit(server, url, kind, visitors, seconds, at_least, warm):
    """Return the seconds that each answer took, and how long all of it took."""
    pictures = [make_picture(kind, seed) for seed in range(visitors)]
    took, ask = [], ASK[server]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for _ in range(warm):  # all at once: the threads for so many must have started, too
            await asyncio.gather(*(ask(session, url, picture) for picture in pictures))
        start = time.perf_counter()

        async def stay(picture):
            answers = 0
            while time.perf_counter() - start < seconds or answers < at_least:
                sent = time.perf_counter()
                await ask(session, url, picture)
                took.append(time.perf_counter() - sent)
                answers += 1

        await asyncio.gather(*map(stay, pictures))
        return took, time.perf_counter() - start


def main(argv=None):
    parser = argparse.ArgumentParser(description="Visit a server, and print how long it took.")
    parser.add_argument("server", choices=ASK)
    parser.add_argument("url")
    parser.add_argument("--picture", choices=SIZES, default="small")
    parser.add_argument("--visitors", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--at-least", type=int, default=1, help="answers for each visitor")
    parser.add_argument("--warm", type=int, default=1, help="answers for each that do not count")
    o = parser.parse_args(argv)
    seen = visit(o.server, o.url.rstrip("/"), o.picture, o.visitors, o.seconds, o.at_least, o.warm)
    took, elapsed = asyncio.run(seen)
    print(json.dumps({"answers": len(took), "seconds": elapsed, "took": sorted(took)}))


if __name__ == "__main__":
    main()
