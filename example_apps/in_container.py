"""Start a step app in its container: as it stands, but protected on the open web by guard.py.

The first apps of the workshop do without these lines. Besides what guard.py does, at most 200
users wait, a file has at most 20 MB, and what Gradio remembers of sessions is bounded.
"""

import functools
import runpy
import signal
from pathlib import Path

import gradio as gr
from guard import GUARD

signal.signal(signal.SIGTERM, signal.default_int_handler)  # `docker stop` works like Ctrl-C
settings = {"app_kwargs": GUARD, "max_file_size": "20mb", "state_session_capacity": 100}
gr.Blocks.launch = functools.partialmethod(gr.Blocks.launch, **settings)
gr.Blocks.queue = functools.partialmethod(gr.Blocks.queue, max_size=200)
runpy.run_path(Path(__file__).with_name("app.py"), run_name="__main__")
