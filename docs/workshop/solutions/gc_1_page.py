"""GC content: how much of a DNA sequence is G or C."""

import gradio as gr


def gc_content(sequence):
    sequence = sequence.upper()
    if not sequence or set(sequence) - set("ACGT"):
        raise gr.Error("Please type a sequence of A, C, G and T.", print_exception=False)
    return round(100 * (sequence.count("G") + sequence.count("C")) / len(sequence), 2)


demo = gr.Interface(
    fn=gc_content,
    inputs=gr.Textbox(label="Sequence"),
    outputs=gr.Number(label="GC, %"),
    flagging_mode="never",
    analytics_enabled=False,
)

if __name__ == "__main__":
    demo.launch(server_name="0.0.0.0", server_port=8080)
