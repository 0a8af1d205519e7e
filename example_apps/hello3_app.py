"""Step 1.4, examples: rows to click, so that nobody starts from an empty form."""

import gradio as gr


def greet(name, is_morning, temperature_F):
    if not name:
        raise gr.Error("Please type a name first.", print_exception=False)
    if not isinstance(temperature_F, (int, float)) or not 0 <= temperature_F <= 100:
        raise gr.Error("Please choose a temperature from 0 to 100 °F.", print_exception=False)
    salutation = "Good morning" if is_morning else "Good evening"
    greeting = f"{salutation} {name}. It is {temperature_F} degrees today"
    celsius = (temperature_F - 32) * 5 / 9
    return greeting, round(celsius, 2)


demo = gr.Interface(
    fn=greet,
    inputs=["text", "checkbox", gr.Slider(0, 100)],
    outputs=["text", "number"],
    examples=[["Rosalind", True, 55], ["Carl", False, 70]],
    flagging_mode="never",
    analytics_enabled=False,
)
demo.fns[0].preprocess = False  # greet() checks the values itself, and answers in words

if __name__ == "__main__":
    demo.launch(server_name="0.0.0.0", server_port=8080)
