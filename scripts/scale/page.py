"""Serve an app's own page from one process, and its model from replicas under Ray Serve.

The app's main.py runs as it stands, but for three things. Its `model` is a stand-in that asks the
replicas. More images are under way at a time, so that all replicas have work. And the server's name
and port are those of `make scale`.
"""

import logging
import os
import re
import sys
import threading
import time

import gradio as gr
import torch
from apps import find_app
from run import prepare, require_free_port, serve
from scale import cluster, form

TRIES = 3  # a node that leaves may take two replicas; an image that ends each is not asked forever
WAIT_S = 20  # for a prediction, before looking whether there are replicas at all
LOOK_S = 3  # between two looks at the weights
GONE = "The model is being restarted. Please try again in a minute."


def running(name):
    """Return how many replicas respond."""
    from ray import serve

    application = serve.status().applications.get(name)
    states = application.deployments["model"].replica_states if application else {}
    return states.get("RUNNING", 0)


class StandIn:
    """Takes the place of an app's `model` in the page's process: asks the replicas."""

    def __init__(self, name, handle):
        self.name, self.handle = name, handle

    def __call__(self, batch):
        """Return what the model says of images, or raise gr.Error with a message."""
        from ray.exceptions import ObjectLostError, RayActorError, WorkerCrashedError

        for _ in range(TRIES):
            try:
                return torch.tensor(self.ask(batch.numpy()))
            except (ObjectLostError, RayActorError, WorkerCrashedError):
                continue  # its replica, or the whole node, is gone: another one is asked
        raise gr.Error(GONE, print_exception=False)

    def ask(self, images):
        response = self.handle.remote(images)
        while True:
            try:
                return response.result(timeout_s=WAIT_S)
            except TimeoutError:
                if not running(self.name):
                    response.cancel()
                    raise gr.Error(GONE, print_exception=False) from None


def reason(name):
    """Return why the replicas of an app do not start, in the words that their model raised."""
    from ray import serve

    status = serve.status().applications[name]
    messages = [status.message, *(d.message for d in status.deployments.values())]
    found = re.findall(r"RuntimeError: (.*?)(?=\n\S*Error|\n\n|\Z)", "\n".join(messages), re.DOTALL)
    return found[-1].strip() if found else "\n".join(messages)


def deploy(app, replicas):
    """Start the replicas, or replace them one by one; return a handle to ask them by.

    Raises RuntimeError if they do not start.
    """
    from ray import serve
    from scale.replicas import build

    settings = {"app": app.file, "replicas": replicas}
    return serve.run(build(settings), name=app.name, route_prefix=None)


def weights_now(app):
    """Return what tells one state of data/ from another; None while a file there is exchanged."""
    try:
        found = [(file, file.stat()) for file in sorted((app.folder / "data").glob("*.*"))]
    except FileNotFoundError:
        return None
    return [(file, state.st_mtime_ns, state.st_size) for file, state in found]


def follow_weights(app, replicas):
    """Give the replicas what is new in data/, one after the other, whenever that has changed."""
    import ray
    from scale.replicas import problem

    # in a process of its own, which ends: that the model can be loaded is tried before
    look = ray.remote(num_cpus=0, max_calls=1)(problem)
    known = before = weights_now(app)
    while True:
        time.sleep(LOOK_S)
        now = weights_now(app)
        if now not in (known, None) and now == before:  # whole: nothing is writing to it any more
            known = now
            if found := ray.get(look.remote(str(app.file))):
                print(
                    f"The new weights cannot be used; the replicas keep theirs.\n{found}",
                    flush=True,
                )
                continue
            print("New weights: the replicas load them one after another ...", flush=True)
            try:
                deploy(app, replicas)
                print("All replicas have the new weights.", flush=True)
            except RuntimeError:
                print(f"Not all replicas could load them: {reason(app.name)}", flush=True)
        before = now


def start_page(tree, app, handle, replicas, host, port):
    """Run the app's file, with the stand-in, and with enough images under way."""
    from scale.replicas import BATCH

    busy = max(4, BATCH * replicas)
    queue = {"max_size": 200, "status_update_rate": 1, "api_open": False}
    queue["default_concurrency_limit"] = busy
    prepare(host, port)
    with serve(host, port, app.name, queue, max_threads=max(40, busy)):
        form.run(form.without_model(tree), app, "__main__", model=StandIn(app.name, handle))


def connect(app, replicas, deployed):
    """Return a handle to ask the replicas by; start them first, unless they are there already."""
    from ray import serve

    for name in ("ray.serve", "asyncio"):  # what goes wrong is said here; Ray asks again on its own
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # the page asks the replicas directly: no other port is open
    serve.start(proxy_location="Disabled")
    if deployed:
        return serve.get_app_handle(app.name)
    try:
        handle = deploy(app, replicas)
    except RuntimeError:
        sys.exit(reason(app.name))
    threading.Thread(target=follow_weights, args=(app, replicas), daemon=True).start()
    return handle


def main(name, replicas, host, port, deployed=False):
    """Serve an app with so many replicas at most; `deployed` if Kubernetes has started them."""
    app = find_app(name)
    try:
        tree = form.read(app)
    except form.OtherForm as error:
        sys.exit(str(error))
    require_free_port(host, port)
    cores, on_cluster = os.cpu_count() or 1, bool(os.environ.get("RAY_ADDRESS"))
    if not on_cluster and replicas > cores:
        print(f"This computer has {cores} cores: more than {cores} replicas don't help here.")
    print(f"Starting {min(2, replicas)} of up to {replicas} replicas of {app.name} ...", flush=True)
    try:
        with cluster.joined(max(cores, replicas)) as ray:
            handle = connect(app, replicas, deployed)
            try:
                start_page(tree, app, handle, replicas, host, port)
            finally:
                if on_cluster and not deployed:
                    ray.serve.delete(app.name)
    except KeyboardInterrupt:
        print("Stopped.")
