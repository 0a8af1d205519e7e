"""The step apps, each through its real server, as the workshop's readers call them."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings

import gradio as gr
import numpy as np
import pytest
import requests
import sample_images
from apps import find_app
from calls import ask, call, send, upload
from conftest import ROOT, STEPS, is_open, long, run_main
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError, ValidationError
from PIL import Image
from smoke import start_app

GREETERS = {"hello": "/greet", "progress": "/greet", "themed": "/greet"}


@pytest.fixture
def client(serve, request, tmp_path):
    client = Client(serve(find_app(request.param)).url, verbose=False, download_files=tmp_path)
    yield client
    client.close()


@pytest.fixture(scope="module")
def good_images(tmp_path_factory):
    return sample_images.save_all(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("client", GREETERS, indirect=True)
def test_a_name_is_greeted(client):
    assert client.predict("Ada", api_name="/greet") == "Hello Ada!"
    assert client.predict("Åsa 🌱", api_name="/greet") == "Hello Åsa 🌱!"


@pytest.mark.parametrize("client", GREETERS, indirect=True)
@pytest.mark.parametrize("nothing", ["", None])
def test_no_name_gives_a_message(client, nothing):
    with pytest.raises(AppError, match=r"^Please type a name first\.$"):
        client.predict(nothing, api_name="/greet")


@pytest.mark.parametrize("client", ["multi-input", "examples"], indirect=True)
def test_three_inputs_give_a_greeting_and_celsius(client):
    result = client.predict("Ada", True, 50, api_name="/greet")
    assert result == ("Good morning Ada. It is 50 degrees today", 10)
    result = client.predict("Ada", False, 0, api_name="/greet")
    assert result == ("Good evening Ada. It is 0 degrees today", -17.78)
    result = client.predict("Ada", None, 100, api_name="/greet")
    assert result == ("Good evening Ada. It is 100 degrees today", 37.78)


@pytest.mark.parametrize("client", ["multi-input", "examples"], indirect=True)
@pytest.mark.parametrize("nothing", ["", None])
def test_three_inputs_without_a_name_give_a_message(client, nothing):
    with pytest.raises(AppError, match=r"^Please type a name first\.$"):
        client.predict(nothing, True, 50, api_name="/greet")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["multi-input", "examples"])
def test_a_value_outside_the_slider_gives_a_message(name):
    """Only a program can send one. Gradio tells the log about it as well, so not in `serve`."""
    with start_app(find_app(name)) as server:
        client = Client(server.wait().url, verbose=False)
        for temperature, message in (
            (-1, "Value -1 is less than minimum value 0."),
            (100.5, "Value 100.5 is greater than maximum value 100."),
        ):
            with pytest.raises(AppError, match=f"^{re.escape(message)}$"):
                client.predict("Ada", True, temperature, api_name="/greet")
        client.close()


@pytest.mark.slow
def test_progress_is_reported_in_steps(serve):
    client = Client(serve(find_app("progress")).url, verbose=False)
    job = client.submit("Ada", api_name="/greet")
    seen = set()
    while not job.done():
        for unit in job.status().progress_data or []:
            if unit.length:
                seen.add((unit.index, unit.length, unit.unit, unit.desc))
        time.sleep(0.05)
    assert job.result() == "Hello Ada!"
    assert {step[1:] for step in seen} == {(20, "steps", "Greeting")}
    assert len(seen) > 5
    client.close()


def sepia(client, file):
    return Image.open(client.predict(handle_file(str(file)), api_name="/sepia"))


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


@pytest.mark.parametrize("client", ["sepia"], indirect=True)
@pytest.mark.parametrize("name", ["black.png", "black16.png"])
def test_black_image_gives_black_image(client, good_images, name):
    assert np.asarray(sepia(client, good_images[name])).max() == 0


@pytest.mark.parametrize("client", ["sepia"], indirect=True)
@pytest.mark.parametrize("name", ["grey16.png", "grey16.tif", "grey12.tif", "float.tif"])
def test_a_microscope_image_keeps_its_shades(client, good_images, name):
    red = np.asarray(sepia(client, good_images[name]))[0, :, 0].astype(int)
    ramp = np.linspace(0, 255, red.size)
    assert np.abs(red - ramp).max() <= 3


@pytest.mark.parametrize("client", ["sepia"], indirect=True)
def test_transparent_becomes_white(client, good_images):
    brightest = np.asarray(sepia(client, good_images["transparent.png"]))[..., 0]
    assert (brightest == 255).all()


@pytest.mark.parametrize("client", ["sepia"], indirect=True)
def test_a_scientific_image_is_read_to_the_shade(client, tmp_path):
    ramp = np.linspace(0, 255, sample_images.WIDTH)
    for name, refusal in sample_images.save_scientific(tmp_path).items():
        if refusal is None and "colours" not in name and "planar" not in name:
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


@pytest.mark.parametrize("name", ["hello", "sepia"])
@pytest.mark.long
def test_in_its_image_a_step_app_has_the_limits_of_the_others(tmp_path, name):
    """The files as the Dockerfile names them; `make docker-smoke` tries the image itself."""
    copy = shutil.copytree(ROOT / "example_apps", tmp_path / "app")
    shutil.move(copy / find_app(name).file.name, copy / "app.py")
    shutil.move(copy / "launcher.py", copy / "main.py")
    with run_main(copy / "main.py", GRADIO_SERVER_NAME="127.0.0.1") as server:
        url = server.wait().url
        assert send(url, bytes(21_000_000)).status_code == 413
        assert requests.get(url + "monitoring/summary", timeout=20).status_code == 404
        refused = requests.post(f"{url}gradio_api/run/{name}", json={"data": ["a"]}, timeout=20)
        assert refused.status_code == 400  # nothing runs beside the queue


def test_what_use_via_api_shows_for_an_image_says_what_to_do(serve):
    """It shows an address, which the app does not open."""
    client = Client(serve(find_app("sepia")).url, verbose=False)
    with pytest.raises(ValidationError, match="Please download the file first and send that"):
        client.predict(handle_file("https://example.com/bus.png"), api_name="/sepia")
    client.close()


def test_curl_gets_a_result_in_two_calls(serve):
    assert ask(serve(find_app("hello")).url, "greet", "Ada") == ["Hello Ada!"]


def test_curl_gets_the_message_too(serve):
    stream = call(serve(find_app("hello")).url, "greet", None)
    assert "event: error" in stream
    assert "Please type a name first." in stream


def test_curl_uploads_an_image(serve, good_images):
    url = serve(find_app("sepia")).url
    (result,) = ask(url, "sepia", upload(url, good_images["rgb.png"]))
    image = Image.open(requests.get(result["url"], stream=True, timeout=10).raw)
    assert image.size == (sample_images.WIDTH, sample_images.HEIGHT)


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


@pytest.mark.parametrize("name", STEPS)
def test_there_is_no_flag_button(serve, name):
    config = requests.get(serve(find_app(name)).url + "config", timeout=10).json()
    buttons = [c["props"]["value"] for c in config["components"] if c["type"] == "button"]
    assert {*filter(None, buttons)} <= {"Clear", "Submit"}


def end_group(process):
    """Stop a program and the programs that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def started_as_in_the_text(tmp_path, workshop_ports_free):
    """Start a command as the workshop's text says it; it listens on port 8080 of all addresses."""
    processes = []

    def start(command, folder):
        environment = {**os.environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}
        del environment["GRADIO_ANALYTICS_ENABLED"]
        log = (tmp_path / "log.txt").open("w")
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        processes.append(process)
        deadline = time.monotonic() + 60
        while not is_open(8080):
            assert process.poll() is None, (tmp_path / "log.txt").read_text()
            assert time.monotonic() < deadline, "the app did not start in 60 s"
            time.sleep(0.2)
        return tmp_path / "log.txt"

    yield start
    for process in processes:
        end_group(process)
    deadline = time.monotonic() + 10
    while is_open(8080) and time.monotonic() < deadline:
        time.sleep(0.1)


ANYWHERE = "/"
FOLDER = ROOT / "example_apps"
COMMANDS = [pytest.param("python example_apps/hello_app.py", ROOT, id="python")]
COMMANDS += [
    pytest.param(command, folder, id=command, marks=pytest.mark.slow)
    for command, folder in [
        *[(f"python example_apps/{find_app(name).file.name}", ROOT) for name in STEPS[1:]],
        ("gradio example_apps/hello_app.py", ROOT),
        ("python hello_app.py", FOLDER),
    ]
]
COMMANDS += [
    long(command, folder)
    for command, folder in [
        *[(f"gradio example_apps/{find_app(name).file.name}", ROOT) for name in STEPS[1:]],
        ("gradio hello_app.py", FOLDER),
        (f"python {FOLDER}/hello_app.py", ANYWHERE),
    ]
]


# `gradio FILE` loads the file in two threads at once. FastAPI silences this warning about its own
# code, but silencing holds for all threads or none, so that now and then it gets through.
RELOADER = r".*UnsupportedFieldAttributeWarning: .*\n  warnings\.warn\(\n"


@pytest.mark.slow
@pytest.mark.parametrize(("command", "folder"), COMMANDS)
def test_the_text_s_command_serves_port_8080_without_a_warning(
    started_as_in_the_text, command, folder
):
    log = started_as_in_the_text(command.split(), folder)
    config = requests.get("http://localhost:8080/config", timeout=20).json()
    assert config["dependencies"][0]["api_name"] in ("greet", "sepia")
    printed = log.read_text()
    if command.startswith("gradio"):
        printed = re.sub(RELOADER, "", printed)
    assert "warn" not in printed.lower()
    assert "Traceback" not in printed
