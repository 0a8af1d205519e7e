"""`make smoke` tries whatever an app takes and gives, or says that it could not try it."""

import inspect
import re
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


@pytest.mark.long
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


PAGE = """
    from pathlib import Path

    from gradio import media

    def look(words, sound, table, message, number):
        if Path(sound).name != "sax.wav" or Path(table).name != "titanic.csv":
            raise gr.Error("Please send a saxophone and the Titanic.", print_exception=False)
        return f"{words} {Path(message['files'][0]).name} {number}"

    def fail(name):
        return {"a": 1}[name] / 0

    def find(image):
        raise gr.Error("There is no face in this image.", print_exception=False)

    with gr.Blocks(analytics_enabled=False) as demo:
        out, several, number, text = gr.Textbox(), gr.Label(), gr.Label(), gr.Label()
        inputs = [gr.Textbox(), gr.Audio(type="filepath"), gr.File(), gr.MultimodalTextbox()]
        row = ["hi", media.get_audio("sax.wav"), media.get_file("titanic.csv"),
               {"text": "x", "files": [media.get_image("lion.jpg")]}]
        gr.Examples([row, row], inputs)
        gr.Button().click(look, [*inputs, gr.Number(7)], out)
        name, image, shown = gr.Textbox(), gr.Image(), gr.Image()
        gr.Examples(["a"], name)
        gr.Button().click(fail, name, out)
        gr.Button().click(find, image, out)
        gr.Examples([media.get_image("lion.jpg")], shown)
        gr.Button().click(find, shown, out, api_name="find_shown")
        gr.Button().click(
            lambda name: ({"rust": 0.9, "mildew": 0.8, "healthy": 0}, "3.7", None),
            gr.Textbox(), [several, number, text], api_name="diseases")
        gr.Button().click(lambda name: {"rust": 9.0}, gr.Textbox(), several, api_name="wrong")
    """


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What `make smoke` says of an app with all these functions."""
    return app_of(tmp_path_factory.mktemp("page"), PAGE)


def test_the_page_s_first_example_is_sent_with_its_files(said):
    assert "ok    app: /look answers: 'hi lion.jpg 7'" in said, said


def test_other_outputs_than_probabilities_of_one_label_pass(said):
    assert "ok    app: /diseases answers: 3 labels, first 'rust', 0.900, '3.7'" in said, said
    assert "FAIL  app: /wrong answers: these are not probabilities" in said


def test_an_error_in_a_function_is_shown_as_it_happened(said):
    place = r"\(main\.py, line \d+, in fail\)"
    assert re.search(
        rf"FAIL  app: /fail answers: ZeroDivisionError: division by zero {place}", said
    )
    assert re.search(rf"FAIL  app: /fail with an empty form: KeyError: '' {place}", said)


def test_a_made_up_file_may_be_refused_and_an_example_may_not(said):
    reason = "it refused what we made up: There is no face in this image. Add gr.Examples"
    assert f"skip  app: /find answers: not tried: {reason}" in said
    assert "FAIL  app: /find_shown answers: the first example on the page, [" in said
