"""Step 1.4, examples: rows to click, so that no user starts from an empty form."""

import gradio as gr


def greet(name, is_morning, temperature_F):
    if not name:
        raise gr.Error("Please type a name first.", print_exception=False)
    salutation = "Good morning" if is_morning else "Good evening"
    celsius = (temperature_F - 32) * 5 / 9
    return f"{salutation} {name}. It is {temperature_F} degrees today", round(celsius, 2)


demo = gr.Interface(
    fn=greet,
    inputs=["text", "checkbox", gr.Slider(0, 100)],
    outputs=["text", "number"],
    examples=[["Rosalind", True, 55], ["Carl", False, 70]],
    flagging_mode="never",
    analytics_enabled=False,
)

if __name__ == "__main__":
    demo.launch(server_name="0.0.0.0", server_port=8080)
