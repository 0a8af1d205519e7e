"""Make the page of the gallery: a tile for each app. `serve.py` serves it."""

from html import escape
from pathlib import Path
from urllib.parse import quote

import gradio as gr
from apps import ROOT

TITLE = "Machine learning demo apps"
INTRODUCTION = (
    "Small apps to try, to read and to copy, each in one file. **Open** shows an app by itself, at "
    "an address that you can share."
)
PICTURES = ROOT / "docs" / "images"
LOOK = Path(__file__).parent / "image"


def add_tile(app, name):
    """Add an app: its picture, name and lesson, the app itself, and its source."""
    address, picture = f"{quote(name)}/", PICTURES / f"{name}.png"
    step, found, lesson = app.summary.partition(f", {app.name}: ")
    if not found:
        step, lesson = app.folder.name, app.summary
    image = f'<img src="pictures/{quote(picture.name)}" alt="">' if picture.exists() else ""
    with gr.Column(elem_classes="tile"):
        gr.HTML(
            f'<a class="picture" href="{address}" tabindex="-1" aria-hidden="true">{image}</a>'
            f'<div class="text"><p class="step">{escape(step)}</p><h2>{escape(name)}</h2>'
            f"<p>{escape(lesson[:1].upper() + lesson[1:])}</p></div>",
            elem_classes="about",
        )
        gr.Button("Open", link=address, variant="primary", size="md")
        # what is in an accordion is loaded when it opens
        with gr.Accordion("Try it here", open=False):
            gr.HTML(f'<iframe src="{address}" title="{escape(name)}" onload="fit(this)"></iframe>')
        with gr.Accordion("Source", open=False):
            source, file = app.file.read_text(encoding="utf-8"), app.file.relative_to(ROOT)
            gr.Code(source, language="python", label=str(file), interactive=False)


def make_page(shown, left_out):
    """Return the page of `shown`, pairs of app and name, and the settings to serve it with.

    `left_out` are lines of Markdown about the other apps.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"# {TITLE}\n{INTRODUCTION}", elem_classes="intro")
        with gr.Row(elem_id="apps"):
            for app, name in shown:
                add_tile(app, name)
        if left_out:
            gr.Markdown("\n".join(f"- {line}" for line in left_out))
    font = gr.themes.LocalFont("Source Sans Pro", weights=(400, 700))
    return page, {
        "theme": gr.themes.Default(primary_hue="teal", font=[font, "sans-serif"]),
        "css_paths": LOOK / "page.css",
        "head": f"<script>{(LOOK / 'page.js').read_text(encoding='utf-8')}</script>",
        "footer_links": ["gradio", "settings"],
        "run_history": False,
    }
