"""Let many users use one app at once and check that each gets the result for their own input.

Every user sends an image (or a name) over the HTTP API, again and again with a short pause; one
more keeps opening the page. Locust simulates them. A classifier runs with the settings of its
container image, a step app as with `make run`; missing trained weights are replaced by random ones.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time

import gevent
from apps import find_app
from locust import FastHttpUser, between, constant, task
from locust.env import Environment
from maintain.bench import systems
from maintain.bench.memory import image_settings
from maintain.bench.photos import make_photo

DIFFERENT = 200  # images or names; with more users than that, some send the same
SAME = 1e-6  # probabilities that are closer are the same
LONGEST_S = 300  # to wait for a result
PERCENTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("slowest", 1))


def send(client, app, own):
    """Send an image or a name as a program does; return the result, or a message instead."""
    value = own
    if isinstance(own, bytes):
        files = {"files": ("photo.jpg", own, "image/jpeg")}
        (path,) = client.post("/gradio_api/upload", files=files).json()
        value = {"path": path, "meta": {"_type": "gradio.FileData"}}
    url = f"/gradio_api/call{app['endpoint']}"
    with client.post(url, json={"data": [value, *app["more"]]}, catch_response=True) as joined:
        joined.success()  # a refusal is a response, too; its message is read here
        if joined.status_code == 429:
            return None, joined.json()["detail"]
        event = joined.json()["event_id"]
    text = client.get(f"{url}/{event}", name=f"{url}/EVENT").text
    data = json.loads(text.rpartition("data: ")[2])
    return (data[0], None) if "event: complete" in text else (None, data["error"])


def same(result, expected):
    """Tell whether two results are for the same image, but for rounding."""
    if not isinstance(result, dict):
        return result == expected
    if "path" in result:  # it contains a digest of the file
        return result["path"] == expected["path"]
    one, two = ({r["label"]: r["confidence"] for r in a["confidences"]} for a in (result, expected))
    return one.keys() == two.keys() and all(abs(one[label] - two[label]) < SAME for label in one)


class User(FastHttpUser):
    wait_time = between(0, 1)
    network_timeout = connection_timeout = LONGEST_S

    @task
    def ask(self):
        app, found = self.environment.app, self.environment.found
        if self.environment.closed:
            return
        number = sum(found.values()) % DIFFERENT
        found["sent"] += 1
        begin = time.perf_counter()
        try:
            result, message = send(self.client, app, app["own"][number])
        except Exception as error:  # whatever went wrong, this user got nothing
            found["lost"] += 1
            print(f"lost: {error!r}"[:200], flush=True)
            return
        if result is None:
            found["refused" if message else "lost"] += 1
        elif same(result, app["expected"][number]):
            found["answered"] += 1
            self.environment.took.append(time.perf_counter() - begin)
        else:
            found["wrong"] += 1


class Reader(FastHttpUser):
    """A user who opens the page, over and over."""

    wait_time = constant(1)
    fixed_count = 1

    @task
    def read(self):
        begin = time.perf_counter()
        if self.client.get("/").ok:
            self.environment.opened.append(time.perf_counter() - begin)
        else:
            self.environment.closed_pages += 1


class Asker(FastHttpUser):
    """Calls the app before the others come, so that it is known what they should get."""

    network_timeout = connection_timeout = LONGEST_S


def get_to_know(environment):
    """Note the app's function, what to send it, and the result for each when it is alone."""
    Asker.host = environment.host
    client = Asker(environment).client
    info = client.get("/gradio_api/info").json()["named_endpoints"]
    endpoint, function = next(iter(info.items()))
    first, *more = function["parameters"]
    if first["component"] not in ("Image", "Textbox"):
        sys.exit(f"`make load` sends images and texts; this app takes {first['component']}.")
    own = [f"User {number}" for number in range(DIFFERENT)]
    if first["component"] == "Image":
        own = [make_photo("small", number) for number in range(DIFFERENT)]
    app = {"endpoint": endpoint, "own": own, "more": [p["example_input"] for p in more]}
    app["expected"] = [send(client, app, one)[0] for one in own]
    results = app["expected"]
    if None in results or any(same(*two) for two in itertools.combinations(results, 2)):
        sys.exit("The app gives no results, or two users the same: nothing can be checked.")
    environment.app = app


def visit(server, users, seconds):
    """Let the users come; return what they saw, with times in seconds, and the peak in MB."""
    environment = Environment(user_classes=[User, Reader], host=server.url)
    environment.closed, environment.closed_pages = False, 0
    environment.found = dict.fromkeys(("sent", "answered", "refused", "wrong", "lost"), 0)
    environment.took, environment.opened, peak = [], [], server.memory()
    get_to_know(environment)
    print(f"{users} users for {seconds} s ...", flush=True)
    runner = environment.create_local_runner()
    runner.start(users + 1, spawn_rate=max(1, users / 5))  # all are there after 5 s
    for second in range(seconds):
        gevent.sleep(1)
        peak = max(peak, server.memory())
        if second % 10 == 9:
            print(f"{second + 1:4} s: {environment.found['answered']} results", flush=True)
    environment.closed = True  # no new calls; users who wait for a result still get it
    with gevent.Timeout(LONGEST_S, False):
        while environment.found["sent"] > sum(environment.found.values()) / 2:
            gevent.sleep(0.1)
    runner.quit()
    found = environment.found
    found["lost"] += 2 * found["sent"] - sum(found.values())  # who still waits
    return environment, max(peak, server.memory())


def start(name, place):
    """Start an app; the temporary files of a classifier go to `place`."""
    app = find_app(name)
    if app.is_step:
        return systems.step_server(name)
    folder = systems.copy_app(name, place) if app.weights else app.folder
    return systems.app_server(folder, **image_settings(folder), GRADIO_TEMP_DIR=place)


def print_times(what, took):
    took = sorted(took)
    parts = [f"{name} {took[int(share * (len(took) - 1))]:.2f} s" for name, share in PERCENTILES]
    print(f"{what}: {', '.join(parts)}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("app", help="its name, as in `make list`")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as place:
        server = start(options.app, place)
        seen, peak = visit(server, options.users, options.seconds)
        server.stop()
    print(", ".join(f"{what} {number:,}" for what, number in seen.found.items()))
    for what, took in (("result", seen.took), ("page", seen.opened)):
        if took:
            print_times(what, took)
    print(f"page did not open {seen.closed_pages} times; most memory {peak:,.0f} MB")
    failed = seen.found["wrong"] + seen.found["lost"] + seen.closed_pages
    return 1 if failed or not seen.took else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # at a usual end, gevent prints a complaint
