"""Hello: to be written: what the app does, in one line."""

import os
import signal

import gradio as gr
from guard import GUARD


def greet(name):
    if not name:
        raise gr.Error("Please type a name first.", print_exception=False)
    return "Hello " + name + "!"


demo = gr.Interface(
    fn=greet,
    inputs="text",
    outputs="text",
    flagging_mode="never",  # no Flag button: it would save what users type
    analytics_enabled=False,  # nothing is reported to Gradio's developers
)

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `docker stop` works like Ctrl-C
    demo.queue(max_size=200)  # so many users may wait; any others are told that it is full
    demo.launch(
        server_name="0.0.0.0",  # from outside the container, too
        server_port=int(os.environ.get("PORT", 8080)),
        app_kwargs=GUARD,
        max_file_size="20mb",
        run_history=False,  # inputs and results do not stay in the browser
        enable_monitoring=False,
        state_session_capacity=100,  # Gradio keeps state for each session, so memory would grow
    )
