"""`make smoke` tries whatever an app takes and gives, or says that it could not try it."""

import inspect
import subprocess
import sys
import textwrap

import gradio as gr
import pytest
from conftest import ROOT
from test_components import copy_bare

pytestmark = pytest.mark.slow

CHOICES = {"choices": ["a", "b"]}
OPTIONS = {"Dropdown": CHOICES, "Radio": CHOICES, "CheckboxGroup": CHOICES}
OPTIONS |= {"FileExplorer": {"root_dir": "."}, "Dialogue": {"value": []}}
# what none can send; each is said not to be tried
NOT_TRIED = {"Button", "ClearButton", "DeepLinkButton", "DuplicateButton"}
NOT_TRIED |= {"File", "UploadButton", "DownloadButton", "FileExplorer"}
FILES = ["Audio", "Video", "Gallery", "ImageEditor", "MultimodalTextbox", "Model3D"]
# they have no value, or need more packages
NO_INPUTS = {"Component", "Dataset", "LoginButton", "Navbar", "WorkflowCanvas"}


def kinds():
    """Return the names of Gradio's components, each once."""
    found = {}
    for name, kind in vars(gr).items():
        if inspect.isclass(kind) and issubclass(kind, gr.components.Component):
            found.setdefault(kind, name)
    own = {found[kind] for kind in found if kind.__module__ != "gradio.templates"}
    return sorted({kind.__name__ for kind in found if found[kind] in own} - NO_INPUTS)


def smoke(folder):
    command = [sys.executable, ROOT / "scripts" / "smoke.py", folder / "main.py"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300).stdout


def app_of(folder, page):
    """Make an app with this page, and return what `make smoke` prints about it."""
    main = copy_bare(folder / "app") / "main.py"
    before, _, after = main.read_text().partition("demo = gr.Interface(")
    own = textwrap.dedent(page)
    main.write_text(before + own + after[after.index("\n\nif __name__") :])
    return smoke(main.parent)


def test_each_kind_of_input_is_tried_or_said_not_to_be(tmp_path):
    names = kinds()
    assert {*NOT_TRIED, *FILES} <= {*names}
    page = f"""
        with gr.Blocks(analytics_enabled=False) as demo:
            out, options = gr.Textbox(), {OPTIONS}
            for name in {names}:
                part = getattr(gr, name)(**options.get(name, {{}}))
                gr.on([demo.load], lambda value: f"{{type(value).__name__}} {{value!r}}",
                      part, out, api_name=name.lower())
        """
    said = app_of(tmp_path, page)
    assert "FAIL" not in said, said
    for name in names:
        status = "skip" if name in NOT_TRIED else "ok  "
        assert f"{status}  app: /{name.lower()} answers: " in said, (name, said)
    for name in FILES:  # not an empty value
        assert f"/{name.lower()} answers: 'NoneType" not in said
    assert (
        "/downloadbutton answers: not tried: it takes a file of a kind that only you know" in said
    )


def test_the_page_s_first_example_is_sent_with_its_files(tmp_path):
    page = """
        from pathlib import Path

        from gradio import media

        def look(words, sound, table, message, number):
            if Path(sound).name != "sax.wav" or Path(table).name != "titanic.csv":
                raise gr.Error("Please send a saxophone and the Titanic.", print_exception=False)
            return f"{words} {Path(message['files'][0]).name} {number}"

        words, sound, table = gr.Textbox(), gr.Audio(type="filepath"), gr.File()
        message, number = gr.MultimodalTextbox(), gr.Number(7)
        with gr.Blocks(analytics_enabled=False) as demo:
            inputs = [each.render() for each in (words, sound, table, message)]
            out = gr.Textbox()
            row = ["hi", media.get_audio("sax.wav"), media.get_file("titanic.csv"),
                   {"text": "x", "files": [media.get_image("lion.jpg")]}]
            gr.Examples([row, row], inputs)
            gr.Button().click(look, [*inputs, number.render()], out)
        """
    said = app_of(tmp_path, page)
    assert "ok    app: /look answers: 'hi lion.jpg 7'" in said, said


def test_other_outputs_than_probabilities_of_one_label_pass(tmp_path):
    page = """
        several, number, text = gr.Label(), gr.Label(), gr.Label()
        demo = gr.Interface(
            lambda name: ({"rust": 0.9, "mildew": 0.8, "healthy": 0}, "3.7", None),
            gr.Textbox(), [several, number, text], analytics_enabled=False,
            flagging_mode="never", api_name="diseases")
        """
    said = app_of(tmp_path, page)
    assert "ok    app: /diseases answers: 3 labels, first 'rust', 0.900, '3.7'" in said, said
    wrong = app_of(tmp_path / "wrong", page.replace("0.9", "9.0"))
    assert "FAIL  app: /diseases answers: these are not probabilities" in wrong


def test_an_error_in_predict_is_shown_as_it_happened(tmp_path):
    page = """
        def predict(name):
            return {"a": 1}[name] / 0

        demo = gr.Interface(predict, "text", "text", examples=["a"], analytics_enabled=False)
        """
    said = app_of(tmp_path, page)
    line = 1 + (tmp_path / "app" / "main.py").read_text().splitlines().index("def predict(name):")
    place = f"main.py, line {line + 1}, in predict"
    assert f"FAIL  app: /predict answers: ZeroDivisionError: division by zero ({place})" in said
    assert f"FAIL  app: /predict with an empty form: KeyError: '' ({place})" in said


def test_a_made_up_file_may_be_refused_and_an_example_may_not(tmp_path):
    page = """
        from gradio.media import get_image

        def find(image):
            raise gr.Error("There is no face in this image.", print_exception=False)

        demo = gr.Interface(find, gr.Image(), "text", analytics_enabled=False)
        """
    said = app_of(tmp_path, page)
    reason = "it refused what we made up: There is no face in this image. Add gr.Examples"
    assert f"skip  app: /find answers: not tried: {reason}" in said
    with_example = page.replace('"text", ', '"text", examples=[get_image("lion.jpg")], ')
    said = app_of(tmp_path / "shown", with_example)
    assert "FAIL  app: /find answers: the first example on the page, [" in said
