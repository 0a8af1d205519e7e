"""Let many users use one app at once and check that each gets the result for their own input.

Every user sends an image (or a name), again and again with a short pause; one more keeps opening
the page. Others can misbehave meanwhile, which must cost these nothing. A classifier runs as in its
container, a step app as by `make run`; random weights replace missing ones.
"""

import asyncio
import itertools
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter

from apps import find_app
from install import venv_python
from maintain.bench import systems, users
from maintain.bench.misbehave import misbehave
from maintain.bench.photos import make_photo
from smoke import RUN_APP

DIFFERENT = 200  # images or names; with more users than that, some send the same
SAME = 1e-6  # probabilities that are closer are the same
LONGEST_S = 300  # to wait for a result
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "slowest": 1}


def same(one, two):
    """Tell whether two results are for the same image, but for rounding."""
    if not isinstance(one, dict) or not isinstance(two, dict):
        return one == two
    if "path" in one:  # it contains a digest of the file
        return one["path"] == two["path"]
    one, two = ({row["label"]: row["confidence"] for row in r["confidences"]} for r in (one, two))
    return one.keys() == two.keys() and all(abs(one[label] - two[label]) < SAME for label in one)


def processor_time(server):
    """Return the processor time, in seconds, that an app's processes have used."""
    command = ["ps", "-e", "-o", "pgid=", "-o", "time="]
    listed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    used = [time.split(":")[::-1] for group, time in rows if int(group) == server.process.pid]
    return sum(60**place * float(part) for parts in used for place, part in enumerate(parts))


async def get_to_know(session, url):
    """Return a function that asks for one of DIFFERENT results, and what they are."""
    async with session.get(f"{url}gradio_api/info") as response:
        functions = (await response.json())["named_endpoints"]
    name, function = next(iter(functions.items()))
    first, *more = function["parameters"]
    if first["component"] not in ("Image", "Textbox"):
        sys.exit(f"`make load` sends images and texts; this app takes {first['component']}.")
    more = [parameter["example_input"] for parameter in more]

    def ask(number):
        photo = first["component"] == "Image"
        own = make_photo("small", number) if photo else f"User {number}"
        return users.ask(session, url, name, own, *more)

    alone = [await ask(number) for number in range(DIFFERENT)]
    if any(same(*two) for two in itertools.combinations(alone, 2)):
        sys.exit("The app gives two users the same: nothing can be checked.")
    return ask, alone


async def use(server, count, seconds, others):
    """Let the users come; return what they saw, how long they waited, and what the app used."""
    found, waited, opened = Counter(), [], []
    async with users.connect() as session:
        ask, alone = await get_to_know(session, server.url)
        print(f"{count} users for {seconds} s ...", flush=True)
        end, memory, used = time.monotonic() + seconds, [server.memory()], processor_time(server)

        async def user(number):
            await asyncio.sleep(random.uniform(0, 5))
            while time.monotonic() < end:
                number, begin = (number + count) % DIFFERENT, time.monotonic()
                found["sent"] += 1
                try:
                    result = await asyncio.wait_for(ask(number), LONGEST_S)
                    found["right" if same(result, alone[number]) else "wrong"] += 1
                    waited.append(time.monotonic() - begin)
                except users.Refused:
                    found["refused"] += 1
                except Exception as error:  # whatever went wrong, this user got nothing
                    found["lost"] += 1
                    print(f"lost: {error!r}"[:200], flush=True)
                await asyncio.sleep(random.uniform(0, 1))

        async def reader():
            while time.monotonic() < end:
                begin = time.monotonic()
                async with session.get(server.url) as response:
                    found["page did not open"] += not response.ok
                opened.append(time.monotonic() - begin)
                memory.append(server.memory())
                await asyncio.sleep(1)

        bad = [asyncio.create_task(misbehave(session, server.url, found)) for _ in range(others)]
        await asyncio.gather(reader(), *map(user, range(count)))
        for each in bad:
            each.cancel()
        used = (processor_time(server) - used) / max(1, found["right"])
    return found, {"result": waited, "page": opened}, used, max(memory)


def start(name, place):
    """Start an app; a classifier with random weights if there are no others."""
    app = find_app(name)
    if app.is_step:
        return systems.Measured("hello", [venv_python(), RUN_APP, name, "{PORT}"])
    return systems.app_server(systems.copy_app(name, place) if app.weights else app.folder)


def main(name, count, seconds, others=0):
    with tempfile.TemporaryDirectory() as place, start(name, place) as server:
        found, times, used, memory = asyncio.run(use(server.wait(), count, seconds, others))
    print(", ".join(f"{what} {number:,}" for what, number in found.items()))
    for what, took in times.items():
        took, last = sorted(took), len(took) - 1
        shown = [f"{p} {took[int(s * last)]:.2f} s" for p, s in PERCENTILES.items() if took]
        print(f"{what}: {', '.join(shown) or 'never'}")
    print(f"processor time of a result {used:.3f} s, most memory {memory:,.0f} MB")
    return int(not found["right"] or found["sent"] > found["right"] + found["refused"])
