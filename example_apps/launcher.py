"""Launch a step app in another way than its last line says: protected, on another port, ...

The steps launch themselves by a line that a reader understands at once. So this is the one place
that comes between an app and Gradio: for containers, `make run`, `make scale` and the gallery.
"""

import contextlib
import inspect
import runpy
from pathlib import Path

import gradio as gr
from guard import prepare_uploads, settings


@contextlib.contextmanager
def launched_by(launch):
    """Meanwhile, `demo.launch(theme=...)` calls launch(demo, {"theme": ...})."""
    original = gr.Blocks.launch

    def hand_over(*args, **kwargs):
        gr.Blocks.launch = original  # so `launch` can call it
        given = inspect.signature(original).bind(*args, **kwargs).arguments
        return launch(given.pop("self"), given)

    gr.Blocks.launch = hand_over
    try:
        yield
    finally:
        gr.Blocks.launch = original


def protected(demo, given, **changes):
    """Return an app's settings for launch() with those of guard.py, unless it has these itself."""
    if "app_kwargs" not in given:
        if demo.api_open:  # no model runs beside the queue; what else the app says of it stays
            size, limit = demo._queue.max_size or 200, demo._queue.default_concurrency_limit
            demo.queue(max_size=size, default_concurrency_limit=limit, api_open=False)
        given = {k: v for k, v in given.items() if k not in ("server_name", "server_port")}
        return settings(demo, **{**given, **changes})
    return {**given, **changes}


if __name__ == "__main__":
    prepare_uploads()
    with launched_by(lambda demo, given: demo.launch(**protected(demo, given))):
        runpy.run_path(str(Path(__file__).with_name("app.py")), run_name="__main__")
