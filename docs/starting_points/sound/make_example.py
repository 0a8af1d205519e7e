"""Make data/example.mp3: three sentences between chirps and beeps, in noise.

    pip install espeakng-loader==0.2.4
    python make_example.py

eSpeak NG reads the sentences. It prints when each of them begins and ends.
"""

import ctypes
from pathlib import Path

import espeakng_loader
import numpy as np
import soundfile

FILE = Path(__file__).resolve().parent / "data" / "example.mp3"
SPEECH = {
    1.5: "Three blackbirds are singing near the lake.",
    7: "One of them is flying away.",
    10: "Now there are two.",
}
SECONDS = 13
HEARD = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def speak(text):
    """Return a text as samples from -1 to 1, without the silence around it."""
    parts = []

    @HEARD
    def keep(samples, count, _):
        if count > 0:
            parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    engine.espeak_SetSynthCallback(keep)
    text = text.encode() + b"\0"
    engine.espeak_Synth(text, len(text), 0, 0, 0, 1, None, None)
    spoken = np.concatenate(parts) / 2**15
    loud = np.flatnonzero(np.abs(spoken) > 0.02)
    return spoken[loud[0] : loud[-1]]


engine = ctypes.CDLL(espeakng_loader.get_library_path())
rate = engine.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)  # 2: no output
engine.espeak_SetVoiceByName(b"en-us")
time = np.arange(SECONDS * rate) / rate
sound = np.random.default_rng(0).normal(0, 0.003, len(time))
for start in (4.2, 4.6, 5.0, 8.9):  # a bird
    on = (time > start) & (time < start + 0.25)
    sweep = 2500 + 6000 * (time[on] - start)
    sound[on] += 0.2 * np.sin(2 * np.pi * np.cumsum(sweep) / rate) * np.hanning(on.sum())
for start in (5.8, 6.2):  # a beep
    on = (time > start) & (time < start + 0.2)
    sound[on] += 0.1 * np.sin(2 * np.pi * 1000 * time[on])
for start, text in SPEECH.items():
    spoken = speak(text)
    first = round(start * rate)
    sound[first : first + len(spoken)] += spoken
    print(f"{start:.2f} to {start + len(spoken) / rate:.2f} s: {text}")
soundfile.write(FILE, sound, rate)
