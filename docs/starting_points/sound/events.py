"""Make events of a model's probabilities: where they are high, for long enough."""

import numpy as np


def find_events(probabilities, step, what, duration, threshold=0.5, gap=0.1, shortest=0.25):
    """Return events as (start, end, what, mean probability), in seconds.

    There is a probability for each `step`. Events less than `gap` apart are one; those shorter than
    `shortest` are left out. None ends after `duration`, that of the recording.
    """
    events = []
    for first in np.flatnonzero(np.asarray(probabilities) >= threshold).tolist():
        if events and (first - events[-1][1]) * step < gap:
            events[-1][1] = first + 1
        else:
            events.append([first, first + 1])
    return [
        (
            round(first * step, 3),
            round(min(last * step, duration), 3),
            what,
            round(float(np.mean(probabilities[first:last])), 3),
        )
        for first, last in events
        if (last - first) * step >= shortest
    ]
