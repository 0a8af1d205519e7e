"""The model of an app as replicas under Ray Serve: several processes, on one or many machines.

Each replica loads the model as the app does, and runs what comes meanwhile in one batch.
"""

import asyncio

import numpy as np
import torch
from apps import find_app
from ray import serve
from scale import form

BATCH = 8  # images that a replica looks at together; more brought nothing on a CPU


def load(file):
    """Return the model of the app in `file`; raises RuntimeError with the app's own message."""
    app = find_app(file)
    try:
        return form.run(form.up_to_model(form.read(app)), app, "replica").model
    except SystemExit as error:
        raise RuntimeError(f"{error}") from None


def problem(file):
    """Return why the model of an app cannot be loaded, in a message, or None."""
    try:
        load(file)
    except RuntimeError as error:
        return str(error)


@serve.deployment(
    name="model",
    max_ongoing_requests=2 * BATCH,  # one batch is running, the next one waits
    ray_actor_options={"num_cpus": 1},  # Ray then gives PyTorch one thread
    max_constructor_retry_count=2,  # what fails twice at the start is said, not tried on
    health_check_period_s=2,
    health_check_timeout_s=10,
)
class Model:
    def __init__(self, file):
        self.model = load(file)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=0.002)
    async def __call__(self, calls):
        # in a thread: meanwhile, the next batch gathers
        return await asyncio.to_thread(self.predict, calls)

    def predict(self, calls):
        """Return for each call, an array of images, the array of what the model says of them."""
        predictions = [None] * len(calls)
        for shape in {call.shape[1:] for call in calls}:  # those of one size go together
            places = [i for i, call in enumerate(calls) if call.shape[1:] == shape]
            batch = torch.tensor(np.concatenate([calls[i] for i in places]))
            with torch.inference_mode():
                found = self.model(batch).numpy()
            ends = np.cumsum([len(calls[i]) for i in places])
            for i, prediction in zip(places, np.split(found, ends[:-1]), strict=True):
                predictions[i] = prediction
        return predictions


def build(settings):
    """Return the Serve application of an app; for `serve.run`, and for a RayService's import_path.

    `settings`: {"app": path of its main.py, "replicas": how many there are at most}. Two replicas
    are always there, if that many are allowed: while one is gone, the other responds.
    """
    most = int(settings["replicas"])
    least = min(2, most)
    scaling = {"min_replicas": least, "initial_replicas": least, "max_replicas": most}
    # a replica with half a batch waiting is busy: more replicas come after 10 s
    scaling |= {"target_ongoing_requests": BATCH / 2, "upscale_delay_s": 10}
    return Model.options(autoscaling_config=scaling).bind(str(settings["app"]))
