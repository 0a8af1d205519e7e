"""Step 1.5, progress: a bar that shows how far a slow function has come."""

import time

import gradio as gr


def greet(name, progress=gr.Progress()):
    if not name:
        raise gr.Error("Please type a name first.", print_exception=False)
    progress(0, desc="Getting ready")
    time.sleep(0.5)
    for _ in progress.tqdm(range(20), desc="Greeting", unit="steps"):
        time.sleep(0.2)  # your slow work, one piece at a time
    return "Hello " + name + "!"


demo = gr.Interface(
    fn=greet,
    inputs="text",
    outputs="text",
    flagging_mode="never",
    analytics_enabled=False,
)

if __name__ == "__main__":
    demo.launch(server_name="0.0.0.0", server_port=8080)
