"""Make the page of the gallery: a tile for each app. `serve.py` serves it."""

from html import escape
from pathlib import Path
from urllib.parse import quote

import gradio as gr
from apps import ROOT

HERE = Path(__file__).parent
SCREENSHOTS = ROOT / "docs" / "images"
TITLE = "Machine learning demo apps"
INTRODUCTION = (
    "Small apps to try, to read and to copy, each in one file. **Open** shows an app on its own, "
    "at an address that you can share."
)


def add_tile(app, name):
    """Add an app: its screenshot, name and lesson, the app itself, and its source."""
    address, file = f"{quote(name)}/", f"{name}.png"
    shown = (SCREENSHOTS / file).exists()
    image = f'<img src="screenshots/{quote(file)}" alt="">' if shown else ""
    step, _, lesson = app.summary.rpartition(f", {app.name}: ")
    step, lesson = step or app.folder.name, lesson[:1].upper() + lesson[1:]
    with gr.Column(min_width=0, elem_classes="tile"):
        gr.HTML(
            f'<a class="screenshot" href="{address}" tabindex="-1" aria-hidden="true">{image}</a>'
            f'<div class="text"><small>{escape(step)}</small><h2>{escape(name)}</h2>'
            f"<p>{escape(lesson)}</p></div>",
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
    """Return the page and the settings to serve it with.

    `shown` are pairs of an app and the name in its address; `left_out` are lines about others.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"# {TITLE}\n{INTRODUCTION}")
        with gr.Row(elem_id="apps"):
            for app, name in shown:
                add_tile(app, name)
        if left_out:
            gr.Markdown("\n".join(f"- {line}" for line in left_out))
    font = gr.themes.LocalFont("Source Sans Pro", weights=(400, 700))
    return page, {
        "theme": gr.themes.Default(primary_hue="teal", font=[font, "sans-serif"]),
        "css_paths": HERE / "page.css",
        "head": f"<script>{(HERE / 'page.js').read_text(encoding='utf-8')}</script>",
        "footer_links": ["gradio", "settings"],
        "run_history": False,
    }
