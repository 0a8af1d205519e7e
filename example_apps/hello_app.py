"""Step 1.1, hello: the three parts of every app: a function, an interface, a launch."""

import gradio as gr


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
    demo.launch(server_name="0.0.0.0", server_port=8080)
