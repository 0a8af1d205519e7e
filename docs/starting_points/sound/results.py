"""Show the events in a recording: in words, in a spectrogram, as a table, as a CSV file."""

import math
import tempfile
from pathlib import Path

import numpy as np
import safe_csv
from matplotlib.figure import Figure
from version import with_version

TITLES = ["start (s)", "end (s)", "what", "probability"]
COLUMNS, DECIBELS = 1200, 80  # of the spectrogram: how many at most, and what is shown


def show(samples, rate, notes, events, uploads):
    """Return a text, the path of an image, the rows of a table, and the path of a CSV file."""
    folder = Path(tempfile.mkdtemp(dir=uploads))
    image, table = folder / "spectrogram.png", folder / "events.csv"
    draw(samples, rate, events, image)
    safe_csv.write(table, with_version([TITLES, *events]))
    found = f"Events: {len(events):,}." if events else "No events were found."
    return "\n".join([*notes, found]), str(image), [list(each) for each in events], str(table)


def spectrogram(samples, rate):
    """Return power in dB below the largest: frequencies from 0 to rate / 2, by time."""
    size = 2 ** round(math.log2(rate / 32))  # about 1/32 s, and so 32 Hz
    padded = np.pad(samples, size // 2)  # so that frames have their time in their middle
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[: -1 : size // 4]
    edges = np.linspace(0, len(frames), min(len(frames), COLUMNS) + 1).astype(int)
    spectra = (np.fft.rfft(part * np.hanning(size)) for part in np.split(frames, edges[1:-1]))
    power = np.transpose([np.square(np.abs(each)).mean(axis=0) for each in spectra])
    return 10 * np.log10(np.maximum(power / (power.max() or 1), 10 ** (-DECIBELS / 10)))


def draw(samples, rate, events, file):
    """Draw the spectrogram, and the events above it, as a PNG.

    In a Figure of its own: what pyplot draws on is shared by all users of the app.
    """
    figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
    strip, axes = figure.subplots(2, sharex=True, height_ratios=(1, 8))
    area = (0, len(samples) / rate, 0, rate / 2)
    options = {"origin": "lower", "aspect": "auto", "cmap": "magma", "vmin": -DECIBELS, "vmax": 0}
    shown = axes.imshow(spectrogram(samples, rate), extent=area, **options)
    kinds = sorted({what for _, _, what, _ in events})
    for place, kind in enumerate(kinds):
        spans = [(start, end - start) for start, end, what, _ in events if what == kind]
        strip.broken_barh(spans, (place - 0.4, 0.8), color=f"C{place}")
    strip.set_yticks(range(len(kinds)), kinds)
    axes.set(xlabel="Time (s)", ylabel="Frequency (Hz)", xlim=area[:2])
    figure.colorbar(shown, ax=axes, label="dB (0 is the loudest)")
    figure.savefig(file)
