"""Step 1.6, themed: a title, a description, a reference and a theme around the same app."""

import gradio as gr


def greet(name):
    if not name:
        raise gr.Error("Please type a name first.", print_exception=False)
    return "Hello " + name + "!"


demo = gr.Interface(
    fn=greet,
    inputs="text",
    outputs="text",
    title="A friendly greeter",
    description="Type your name and press **Submit**. This text is *Markdown*.",
    article="How to cite: *your article*, with its [DOI](https://www.doi.org/).",
    flagging_mode="never",
    analytics_enabled=False,
)

if __name__ == "__main__":
    demo.launch(server_name="0.0.0.0", server_port=8080, theme=gr.themes.Soft())
