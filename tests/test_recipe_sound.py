"""The starting point `sound`: events are where they are, whatever a file is, or it is refused.

The recordings are made by sounds_made.py, with the packages of the app.
"""

import csv
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, import_file
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect
from recipes_made import (
    MOST_MEMORY,
    made_and_served,
    make_app,
    require_ready,
    running,
    smoke_passes,
)

POINT = ROOT / "docs/starting_points/sound"
EXAMPLE = POINT / "data/example.mp3"
SPOKEN = [(1.5, 3.37), (7, 8.44), (10, 10.86)]  # as make_example.py prints it
TITLES = ["start (s)", "end (s)", "what", "probability"]
UV = Path(sys.executable).with_name("uv")


def test_it_makes_an_app_that_is_ready_for_serve(tmp_path):
    require_ready(make_app(tmp_path, source="sound"))


def test_events_are_where_probabilities_are_high_for_long_enough():
    find_events = import_file(POINT / "events.py").find_events
    values = [0.9] * 3 + [0.1] + [0.7] * 2 + [0.1] * 2 + [0.5] * 2 + [0.49] * 4 + [0.8] * 3
    found = find_events(values, 0.1, "call", 1.63, gap=0.15, shortest=0.25)
    assert found == [(0, 0.6, "call", 0.7), (1.4, 1.63, "call", 0.8)]
    assert find_events([], 0.1, "call", 0) == []


made, app = made_and_served("sound", "espeakng-loader==0.2.4")


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_smoke_passes_and_compares_with_the_reference_predictions(made):
    smoke_passes(*made)


@pytest.fixture(scope="module")
def files(made, tmp_path_factory):
    """The folder with recordings of all kinds."""
    folder = tmp_path_factory.mktemp("sounds")
    command = [made[1], ROOT / "tests/sounds_made.py", EXAMPLE, folder]
    subprocess.run(command, check=True, timeout=100)
    return folder


def send(app, file):
    """Return the text, the path of the image, the rows on the page and those of the CSV file."""
    text, image, table, file = app[1].predict(handle_file(str(file)), api_name="/predict_sound")
    with open(file, encoding="utf-8", newline="") as stream:
        titles, *rows = csv.reader(stream)
    assert titles.pop() == "version"
    assert all(row.pop().startswith("app ") for row in rows)
    assert titles == table["headers"] == TITLES
    assert [[str(cell) for cell in row] for row in table["data"]] == rows
    return text, image, table["data"]


def require_spoken(rows):
    assert [row[2] for row in rows] == ["speech"] * 3
    for row, truth in zip(rows, SPOKEN, strict=True):
        assert row[:2] == pytest.approx(truth, abs=0.12)
        assert 0.9 < row[3] <= 1


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_a_click_on_the_example_shows_three_events(app, page, screenshot):
    page.goto(app[0])
    page.get_by_text("example.mp3").last.click()
    expect(page.locator("audio")).to_have_count(1)
    page.get_by_role("button", name="Submit").click()
    read = page.get_by_label("Read", exact=True)
    expect(read).to_have_value(re.compile("\nEvents: 3.$"))
    expect(page.get_by_role("gridcell", name="speech")).to_have_count(3)
    expect(page.locator("img[src*='spectrogram.png']")).to_be_visible()
    screenshot(page, "sound")
    with page.expect_download() as download:
        page.locator("a[download='events.csv']").first.click()
    assert len(download.value.path().read_text().splitlines()) == 4
    duration = page.locator("audio").evaluate("audio => audio.duration")
    assert duration == pytest.approx(13, abs=0.1)  # it can be played


FORMS = {
    "8_bits_8_kHz.wav": ("Unsigned 8 bit PCM", 1, 8000, 4000),
    "16_bits_44_kHz_stereo.wav": ("Signed 16 bit PCM", 2, 44_100, 8000),
    "24_bits_96_kHz.wav": ("Signed 24 bit PCM", 1, 96_000, 8000),
    "32_bits_16_kHz.wav": ("Signed 32 bit PCM", 1, 16_000, None),
    "float_48_kHz.wav": ("32 bit float", 1, 48_000, 8000),
    "ulaw_8_kHz.wav": ("U-Law", 1, 8000, 4000),
    "six_channels.wav": ("Signed 16 bit PCM", 6, 16_000, None),
    "24_bits_192_kHz.flac": ("Signed 24 bit PCM", 1, 192_000, 8000),
    "stereo_44_kHz.mp3": ("MPEG Layer III", 2, 44_100, 8000),
    "flac_named.raw": ("Signed 16 bit PCM", 1, 22_050, 8000),
    "one_channel_empty.wav": ("Signed 16 bit PCM", 2, 22_050, 8000),
}


@pytest.mark.recipes
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", FORMS)
def test_the_form_of_the_file_moves_no_event_and_is_said(app, files, name):
    text, _, rows = send(app, files / name)
    require_spoken(rows)
    kind, channels, rate, limit = FORMS[name]
    several = f"{channels} channel{'s' * (channels > 1)}"
    assert f"({kind}), 13.00 s, {several}, {rate:,} Hz." in text
    assert ("Resampled" in text) == (limit is not None)
    if limit:
        assert f"Resampled to 16,000 Hz, so the model hears nothing above {limit:,} Hz." in text
    assert ("channels were mixed: the model hears their mean." in text) == (channels > 1)
    assert not re.search("too loud|silent|quiet", text)


NOTED = {
    "clipped.wav": (3, "It was recorded too loud. Clipped samples: 4,0"),
    "beyond.wav": (3, "Samples go up to 2.25, beyond full scale.\nEvents: 3."),
    "silent.wav": (0, "All samples are 0, so the recording is silent.\nNo events were found."),
    "quiet.wav": (0, "It is very quiet: no sample is above 0.15% of full scale."),
    "tones.flac": (0, "above 4,000 Hz.\nNo events were found."),
    "noise.wav": (0, "16,000 Hz.\nNo events were found."),
}


@pytest.mark.recipes
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NOTED)
def test_what_would_mislead_is_said_and_noise_and_tones_are_no_speech(app, files, name):
    text, image, rows = send(app, files / name)
    count, note = NOTED[name]
    assert len(rows) == count
    assert note in text
    assert Image.open(image).size == (1080, 480)


CUT, MORE, DAMAGED = (
    "It may be cut off, so copy it",
    "There is more in this file",
    "is damaged, or is",
)
BAD = {
    "opposite.wav": "The channels cancel each other out when they are mixed",
    "cut.wav": f"has less sound than its header states. {CUT}",
    "cut.flac": DAMAGED,
    "states_more.wav": f"has less sound than its header states. {CUT}",
    "states_less.wav": MORE,
    "states_less.flac": MORE,
    "states_nothing.mp3": MORE,
    "states_no_length.flac": "The header of this file does not state its length.",
    "states_nothing.wav": f"There is no sound in this file, or less than 0.01 s. {CUT}",
    "rate_1.wav": "states a sample rate of 1 Hz.",
    "rate_0.wav": DAMAGED,
    "empty.wav": "There is no sound in this file",
    "five_samples.wav": "There is no sound in this file",
    "thousands.wav": "Samples must be from -1 to 1, but one is 2",
    "not_a_number.wav": "Samples must be from -1 to 1, but one is nan.",
    "other.aiff": "This file is AIFF. Open it in Audacity, for example, and save it as WAV",
    "image.wav": DAMAGED,
    "video.mp4": DAMAGED,
    "video.avi": DAMAGED,
    "text.mp3": DAMAGED,
    "no_bytes.wav": DAMAGED,
    "bomb.flac": "too long: 360.0 minutes, 1 channel, 8,000 Hz. Up to 30 minutes and 100 MB.",
}


@pytest.mark.recipes
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", BAD)
def test_what_is_no_whole_recording_is_refused_with_the_reason(app, files, name):
    with pytest.raises(AppError, match=re.escape(BAD[name])) as raised:
        send(app, files / name)
    assert "/" not in str(raised.value)  # no path of the server


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_no_file_and_too_many_bytes_get_a_message(app, tmp_path):
    with pytest.raises(AppError, match=r"^Please choose a recording first\.$"):
        app[1].predict(None, api_name="/predict_sound")
    with open(tmp_path / "large.wav", "wb") as file:
        file.truncate(105_000_000)
    with pytest.raises(Exception, match="exceeds the maximum file size of 100000000 bytes"):
        send(app, tmp_path / "large.wav")


PROGRAM = """
import sys
import numpy as np, soundfile
sys.path.insert(0, sys.argv[1])
import reading, results
click = np.zeros(44_100 * 3)
click[44_100 * 2] = 0.9
soundfile.write(sys.argv[2], click, 44_100)
samples, _ = reading.read_sound(sys.argv[2], 16_000)
print(len(samples), samples.argmax())
long = np.zeros((1800, 16_000), "float32")
long[1200:1205] = np.sin(np.arange(16_000) * 2 * np.pi * 3000 / 16_000)
soundfile.write(sys.argv[2], long.ravel(), 16_000)
samples, _ = reading.read_sound(sys.argv[2], 16_000)
power = results.spectrogram(samples, 16_000)
row, column = np.unravel_index(power.argmax(), power.shape)
print(column / power.shape[1] * 1800, row / (len(power) - 1) * 8000, power.min(), power.max())
print(most_memory())
try:
    reading.read_sound(sys.argv[3], 16_000)  # not in the app: mpg123 prints a warning
except reading.gr.Error as error:
    print(error.message)
"""


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_times_and_frequencies_are_right_and_half_an_hour_fits_into_memory(made, files, tmp_path):
    command = [made[1], "-c", MOST_MEMORY + PROGRAM, made[0], tmp_path / "a.wav", files / "cut.mp3"]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=200)
    click, tone, megabytes, cut = ended.stdout.splitlines()
    assert click == "48000 32000"
    time, *rest = map(float, tone.split())
    assert time == pytest.approx(1201.5, abs=3)  # a column is 1.5 s
    assert rest == pytest.approx([3000, -80, 0], abs=0.1)
    assert int(megabytes) < 1200
    assert re.match(rf"Only 6\.\d\d s can be read of 13\.00 s, 1 channel, 22,050 Hz\. {CUT}", cut)


@pytest.mark.recipes
@pytest.mark.timeout(1200)
def test_the_model_is_that_of_its_package_and_the_script_makes_the_example(made, tmp_path):
    command = [UV, "pip", "install", "--quiet", "--no-deps", "--target", tmp_path]
    subprocess.run([*command, "silero-vad==6.2.3"], check=True, timeout=300)
    files = [
        tmp_path / "silero_vad/data/silero_vad_16k_sequence.onnx",
        POINT / "data/silero_vad.onnx",
    ]
    theirs, ours = (hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    assert theirs == ours
    folder = shutil.copytree(made[0], tmp_path / "again")
    (folder / "data/example.mp3").unlink()
    command = [made[1], folder / "make_example.py"]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=100)
    printed = [
        tuple(map(float, pair)) for pair in re.findall(r"([\d.]+) to ([\d.]+) s", ended.stdout)
    ]
    assert printed == SPOKEN
    with running(folder, made[1]) as served:
        require_spoken(send(served, folder / "data/example.mp3")[2])
