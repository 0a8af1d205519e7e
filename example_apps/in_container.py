"""Start a step app in its container: as it stands, but closed to all that was not uploaded.

Gradio 6.31 fetches any address that a caller sends, even for a text field. The first apps of the
workshop do without these lines; on the open web, an app needs them: see guard.py.
"""

import functools
import runpy
import signal
from pathlib import Path

import gradio as gr
from guard import GUARD

signal.signal(signal.SIGTERM, signal.default_int_handler)  # `docker stop` works like Ctrl-C
gr.Blocks.launch = functools.partialmethod(gr.Blocks.launch, app_kwargs=GUARD)
runpy.run_path(Path(__file__).with_name("app.py"), run_name="__main__")
