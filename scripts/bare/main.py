"""Hello: to be written: what the app does, in one line."""

import gradio as gr
from guard import prepare_uploads, settings


def greet(name):
    if not name:
        raise gr.Error("Please type a name first.", print_exception=False)
    return "Hello " + name + "!"


prepare_uploads()  # in a folder of this run, where they are deleted on time
demo = gr.Interface(
    fn=greet,
    inputs="text",
    outputs="text",
    flagging_mode="never",  # no Flag button: it would save what users type
    analytics_enabled=False,  # nothing is reported to Gradio's developers
)

if __name__ == "__main__":
    demo.queue(max_size=200, api_open=False)  # 200 users may wait; more are told that it is full
    demo.launch(**settings(demo))
