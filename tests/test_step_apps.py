"""The step apps, each through its real server, as the workshop's readers call them."""

import importlib.util
import os
import re
import shutil
import sys
import warnings

import gradio as gr
import numpy as np
import pytest
import requests
import sample_images
from apps import find_app
from calls import call, send
from conftest import ROOT, STEPS, run_main
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError, ValidationError
from PIL import Image
from server import Server


@pytest.fixture
def client(serve, request, tmp_path):
    client = Client(serve(find_app(request.param)).url, verbose=False, download_files=tmp_path)
    yield client
    client.close()


@pytest.fixture(scope="module")
def good_images(tmp_path_factory):
    return sample_images.save_all(tmp_path_factory.mktemp("images"))


@pytest.mark.slow
@pytest.mark.parametrize("client", ["hello", "progress", "themed"], indirect=True)
def test_a_name_is_greeted_and_no_name_gets_a_message(client):
    assert client.predict("Åsa 🌱", api_name="/greet") == "Hello Åsa 🌱!"
    for nothing in ("", None):
        with pytest.raises(AppError, match=r"^Please type a name first\.$"):
            client.predict(nothing, api_name="/greet")


@pytest.mark.slow
@pytest.mark.parametrize("client", ["multi-input", "examples"], indirect=True)
def test_three_inputs_give_a_greeting_and_celsius_or_a_message(client):
    result = client.predict("Ada", True, 50, api_name="/greet")
    assert result == ("Good morning Ada. It is 50 degrees today", 10)
    result = client.predict("Ada", False, 0, api_name="/greet")
    assert result == ("Good evening Ada. It is 0 degrees today", -17.78)
    result = client.predict("Ada", None, 100, api_name="/greet")
    assert result == ("Good evening Ada. It is 100 degrees today", 37.78)
    with pytest.raises(AppError, match=r"^Please type a name first\.$"):
        client.predict("", True, 50, api_name="/greet")


def sepia(client, file):
    return Image.open(client.predict(handle_file(str(file)), api_name="/sepia"))


@pytest.mark.slow
@pytest.mark.parametrize("client", ["sepia"], indirect=True)
def test_sepia_of_any_image_has_its_size(client, good_images):
    for name, file in good_images.items():
        size = Image.open(file).size
        expected = size[::-1] if name == "sideways.jpg" else size
        assert sepia(client, file).size == expected, name


@pytest.mark.parametrize("client", ["sepia"], indirect=True)
def test_sepia_is_brown_and_lossless(client, good_images):
    image = np.asarray(sepia(client, good_images["rgb.png"])).astype(int)
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    assert (red >= green).all()
    assert (green >= blue).all()
    assert red.max() == 255
    # the image has four colours; a lossy format would have made more
    assert len(np.unique(image.reshape(-1, 3), axis=0)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("client", ["sepia"], indirect=True)
def test_a_scientific_image_is_read_to_the_shade_or_refused_with_what_it_holds(client, tmp_path):
    ramp = np.linspace(0, 255, sample_images.WIDTH)
    for name, refusal in sample_images.save_scientific(tmp_path).items():
        if refusal:
            with pytest.raises(AppError, match=refusal) as error:
                sepia(client, tmp_path / name)
            assert len(str(error.value)) < 120, name
        elif "colours" not in name and "planar" not in name:
            red = np.asarray(sepia(client, tmp_path / name))[0, :, 0].astype(int)
            assert np.abs(red - ramp).max() <= 3, name


@pytest.mark.parametrize("client", ["sepia"], indirect=True)
def test_sepia_without_an_image_gives_a_message(client, tmp_path):
    with pytest.raises(AppError, match=r"^Please choose an image first\.$"):
        client.predict(None, api_name="/sepia")
    for name, file in sample_images.save_bad_ones(tmp_path).items():
        with pytest.raises(AppError, match="cannot be read as an image") as error:
            sepia(client, file)
        assert str(tmp_path) not in str(error.value), name


@pytest.mark.long
def test_in_its_image_a_step_app_has_the_limits_of_the_others(tmp_path):
    """The files as the Dockerfile names them; `make docker-smoke` tries the image itself."""
    copy = shutil.copytree(ROOT / "example_apps", tmp_path / "app")
    shutil.move(copy / "sepia_app.py", copy / "app.py")
    shutil.move(copy / "launcher.py", copy / "main.py")
    with run_main(copy / "main.py", GRADIO_SERVER_NAME="127.0.0.1") as server:
        url = server.wait().url
        assert send(url, bytes(21_000_000)).status_code == 413
        assert requests.get(url + "monitoring/summary", timeout=20).status_code == 404
        refused = requests.post(f"{url}gradio_api/run/sepia", json={"data": ["a"]}, timeout=20)
        assert refused.status_code == 400  # nothing runs beside the queue
        assert "was never uploaded" in call(url, "sepia", {"path": "/etc/passwd"})


def test_what_use_via_api_shows_for_an_image_says_what_to_do(serve):
    """It shows an address, which the app does not open."""
    client = Client(serve(find_app("sepia")).url, verbose=False)
    with pytest.raises(ValidationError, match="Please download the file first and send that"):
        client.predict(handle_file("https://example.com/bus.png"), api_name="/sepia")
    client.close()


@pytest.mark.parametrize("name", STEPS)
def test_importing_starts_nothing_and_gives_demo(name, monkeypatch):
    monkeypatch.delenv("GRADIO_ANALYTICS_ENABLED")  # as in a terminal
    monkeypatch.syspath_prepend(find_app(name).folder)
    specification = importlib.util.spec_from_file_location("step", find_app(name).file)
    module = importlib.util.module_from_spec(specification)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", DeprecationWarning)
        specification.loader.exec_module(module)
    assert isinstance(module.demo, gr.Blocks)
    assert not module.demo.is_running
    assert module.demo.analytics_enabled is False, "it would report its use to Gradio's developers"
    components = module.demo.get_config_file()["components"]
    buttons = {part["props"]["value"] for part in components if part["type"] == "button"}
    assert {*filter(None, buttons)} <= {"Clear", "Submit"}  # none to flag a result


# `gradio FILE` loads the file in two threads at once. FastAPI silences this warning about its own
# code, but silencing holds for all threads or none, so that now and then it gets through.
RELOADER = r".*UnsupportedFieldAttributeWarning: .*\n  warnings\.warn\(\n"


@pytest.mark.slow
@pytest.mark.parametrize("program", ["python", "gradio"])
def test_the_text_s_command_serves_port_8080_without_a_warning(
    workshop_ports_free, monkeypatch, program
):
    monkeypatch.delenv("GRADIO_ANALYTICS_ENABLED")
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin:{os.environ['PATH']}")
    with Server([program, "example_apps/hello_app.py"], 8080, cwd=ROOT) as server:
        config = requests.get(server.wait().url + "config", timeout=20).json()
        printed = re.sub(RELOADER, "", server.printed())
    assert config["dependencies"][0]["api_name"] == "greet"
    assert "warn" not in printed.lower()
    assert "Traceback" not in printed
