"""Make the recordings of test_recipe_sound.py in a folder, with the packages of the app.

python sounds_made.py EXAMPLE FOLDER
"""

import io
import struct
import sys
from pathlib import Path

import numpy as np
import soundfile
import soxr

example, folder = map(Path, sys.argv[1:])
speech, rate = soundfile.read(example, dtype="float32")
OTHER = rate * 2  # 44,100 Hz


def save(name, samples, rate, subtype=None, kind=None):
    soundfile.write(folder / name, samples, rate, subtype, format=kind)


def bytes_of(samples, rate, kind, subtype=None):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=kind, subtype=subtype)
    return stream.getvalue()


def at(rate_, samples=speech):
    return soxr.resample(samples, rate, rate_)


def tone(seconds, rate=8000, height=0.3):
    return height * np.sin(np.arange(seconds * rate) * 2 * np.pi * 440 / rate)


# ---- The example in other forms ----
save("8_bits_8_kHz.wav", at(8000), 8000, "PCM_U8")
save("16_bits_44_kHz_stereo.wav", np.stack([at(OTHER), at(OTHER) / 3], 1), OTHER)
save("24_bits_96_kHz.wav", at(96_000), 96_000, "PCM_24")
save("32_bits_16_kHz.wav", at(16_000), 16_000, "PCM_32")
save("float_48_kHz.wav", at(48_000), 48_000, "FLOAT")
save("ulaw_8_kHz.wav", at(8000), 8000, "ULAW")
save("six_channels.wav", np.stack([at(16_000)] * 6, 1), 16_000, kind="WAVEX")
save("24_bits_192_kHz.flac", at(192_000), 192_000, "PCM_24")
save("stereo_44_kHz.mp3", np.stack([at(OTHER)] * 2, 1), OTHER)
save("flac_named.raw", speech, rate, kind="FLAC")

# ---- What gets a note ----
save("clipped.wav", (5 * speech).clip(-1, 1), rate)
save("beyond.wav", 3 * speech, rate, "FLOAT")
save("silent.wav", np.zeros(rate), rate)
save("quiet.wav", speech / 500, rate, "PCM_24")
save("tones.flac", tone(10), 8000)
save("noise.wav", np.random.default_rng(0).normal(0, 0.1, 160_000), 16_000)
save("one_channel_empty.wav", np.stack([speech, 0 * speech], 1), rate)

# ---- What is refused ----
wav, flac, mp3 = (bytes_of(speech, rate, kind) for kind in ("WAV", "FLAC", "MP3"))
data = wav.index(b"data") + 4
first = mp3.index(mp3[:2], 100)  # the first frame after the one that states the length
BAD = {
    "opposite.wav": bytes_of(np.stack([speech, -speech], 1), rate, "WAV"),
    "cut.wav": wav[: len(wav) // 2],
    "cut.flac": flac[: len(flac) // 2],
    "cut.mp3": mp3[: len(mp3) // 2],
    "states_more.wav": wav[:data] + struct.pack("<I", 10**6) + wav[data + 4 :],
    "states_less.wav": wav[:data] + struct.pack("<I", 10**5) + wav[data + 4 :],
    "states_less.flac": flac[:22] + struct.pack(">I", 50_000) + flac[26:],
    "states_no_length.flac": flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:],
    "states_nothing.wav": wav[:data] + bytes(4) + wav[data + 4 :],
    "states_nothing.mp3": mp3[first:],
    "rate_1.wav": wav[:24] + struct.pack("<I", 1) + wav[28:],
    "rate_0.wav": wav[:24] + bytes(4) + wav[28:],
    "empty.wav": bytes_of(speech[:0], rate, "WAV"),
    "five_samples.wav": bytes_of(speech[:5], 192_000, "WAV"),
    "no_bytes.wav": b"",
    "thousands.wav": bytes_of(speech * 2**15, rate, "WAV", "FLOAT"),
    "not_a_number.wav": bytes_of(speech * np.nan, rate, "WAV", "FLOAT"),
    "other.aiff": bytes_of(speech, rate, "AIFF"),
    "image.wav": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
    "video.mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2\0\0\x40\0mdat" + mp3[:16000],
    "video.avi": b"RIFF" + struct.pack("<I", 40_000) + b"AVI LIST" + mp3[:40_000],
    "text.mp3": b"start;end;what\n" * 2000,
}
for name, content in BAD.items():
    (folder / name).write_bytes(content)
with soundfile.SoundFile(folder / "bomb.flac", "w", 8000, 1) as bomb:
    for _ in range(6):
        bomb.write(np.zeros(8000 * 3600, "int16"))
