"""Read a recording as a model takes it: one channel, from -1 to 1, at the rate of the training.

It is decoded in blocks, because a few bytes can hold hours. The header is compared with what is
there, because libsndfile reads half a file without complaint.
"""

import os
import re

import gradio as gr
import numpy as np
import soundfile
import soxr

MOST_S, MOST_VALUES = 1800, 400_000_000  # seconds, and samples in all channels
SHORTEST_S = 0.01
BLOCK = 2**20  # samples at once
# full scale; the most that MP3 may go beyond it; what is very quiet
FULL, LARGEST, QUIET = 0.99, 4, 0.01
LIMITS = f"Up to {MOST_S // 60} minutes and 100 MB."
SAVE = "Open it in Audacity, for example, and save it as WAV or FLAC."
CUT = f"It may be cut off, so copy it again. If that doesn't help: {SAVE}"


def refuse(message):
    raise gr.Error(message, print_exception=False)


def read_sound(path, rate):
    """Return the samples of a file as one channel at this rate, and notes on how it was read."""
    with open(path, "rb", buffering=0) as stream:
        try:
            # by its number, because soundfile would trust a name such as .raw
            with soundfile.SoundFile(stream.fileno(), closefd=False) as file:
                check(file)
                samples, notes = decode(file, rate)
        except soundfile.LibsndfileError:
            refuse(f"This file is damaged, or is not WAV, FLAC or MP3. {SAVE}")
        size = os.path.getsize(path)
        if size - stream.tell() > 4096 + size / 20:  # more than tags
            refuse(f"There is more in this file than its header states. {SAVE}")
    return samples, notes


def check(file):
    """Refuse what is too long or unlikely, by its header, before it is decoded."""
    if file.format not in ("WAV", "WAVEX", "FLAC", "MP3"):
        refuse(f"This file is {file.format}. {SAVE}")
    if not 1_000 <= file.samplerate <= 1_000_000:
        refuse(f"The header of this file states a sample rate of {file.samplerate:,} Hz. {SAVE}")
    if re.search(r"(?m)^data : \d+ \(should be", file.extra_info):
        refuse(f"This file has less sound than its header states. {CUT}")
    if file.frames > 2**60:  # as libsndfile says it; programs that write into a pipe leave it open
        refuse(f"The header of this file does not state its length. {SAVE}")
    if file.frames > MOST_S * file.samplerate or file.frames * file.channels > MOST_VALUES:
        refuse(f"This recording is too long: {in_words(file)}. {LIMITS} Please split it.")


def in_words(file):
    seconds, channels = file.frames / file.samplerate, file.channels
    long = f"{seconds:.2f} s" if seconds < 120 else f"{seconds / 60:,.1f} minutes"
    return f"{long}, {channels:,} channel{'s' * (channels > 1)}, {file.samplerate:,} Hz"


def decode(file, rate):
    """Mix and resample a file that is open, and look for what would mislead a model."""
    resampler = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32")
    parts, count, clipped, peak, power = [], 0, 0, 0.0, np.zeros(2)
    while len(block := file.read(BLOCK // file.channels, dtype="float32", always_2d=True)):
        mixed, count = block.mean(axis=1), count + len(block)
        peak = max(float(np.abs(block).max()), peak)
        if not peak <= LARGEST:  # as with NaN
            refuse(
                f"Samples must be from -1 to 1, but one is {peak:.5g}. Scale them and try again."
            )
        level = (block[1:] == block[:-1]) & (np.abs(block[1:]) >= FULL)
        clipped += int((level[1:] & level[:-1]).sum())  # the third in a row, and all that follow
        power += np.square(block).mean(), np.square(mixed).mean()
        parts.append(resampler.resample_chunk(mixed))
    parts.append(resampler.resample_chunk(np.zeros(0, "float32"), last=True))
    if count < file.samplerate * SHORTEST_S:
        refuse(f"There is no sound in this file, or less than {SHORTEST_S} s. {CUT}")
    if count != file.frames:
        refuse(f"Only {count / file.samplerate:.2f} s can be read of {in_words(file)}. {CUT}")
    if power[1] < power[0] / 50:
        refuse(
            "The channels cancel each other out when they are mixed, because one is inverted. "
            "Save one of them as a recording with one channel."
        )
    lowest = min(rate, file.samplerate) // 2
    notes = {
        f"{file.format} ({file.subtype_info}), {in_words(file)}.": True,
        f"Resampled to {rate:,} Hz, so the model hears nothing above {lowest:,} Hz.": (
            file.samplerate != rate
        ),
        f"The {file.channels:,} channels were mixed: the model hears their mean.": (
            file.channels > 1
        ),
        f"It was recorded too loud. Clipped samples: {clipped:,} or more.": clipped,
        f"Samples go up to {peak:.2f}, beyond full scale.": peak > 1,
        "All samples are 0, so the recording is silent.": not peak,
        f"It is very quiet: no sample is above {peak:.2%} of full scale.": 0 < peak < QUIET,
    }
    return np.concatenate(parts), [note for note, so in notes.items() if so]
