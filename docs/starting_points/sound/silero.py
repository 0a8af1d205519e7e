"""Silero VAD: the probability of speech for each 32 ms of a recording, by ONNX Runtime."""

import numpy as np
import onnxruntime

FRAME, BEFORE = 512, 64  # samples at 16,000 Hz: of a frame, and those that go before it
STEP_S = FRAME / 16_000
BLOCK = 512  # frames at once


def load_model(file):
    """Return a function from samples to a probability for each frame."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the network is too small to gain from more
    options.log_severity_level = 3  # no warnings about unused parts of the file
    session = onnxruntime.InferenceSession(file, options)

    def probabilities(samples):
        padded = np.pad(samples, (BEFORE, -len(samples) % FRAME))
        frames = np.lib.stride_tricks.sliding_window_view(padded, BEFORE + FRAME)[::FRAME]
        found, state = [], np.zeros((2, 1, 1, 128), "float32")
        for begin in range(0, len(frames), BLOCK):
            block = np.ascontiguousarray(frames[begin : begin + BLOCK])
            inputs = {"input": block, "h": state[0], "c": state[1]}
            values, *state = session.run(["speech_probs", "hn", "cn"], inputs)
            found.append(values)
        return np.concatenate(found)

    return probabilities
