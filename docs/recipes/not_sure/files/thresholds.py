"""Say "not sure" where a prediction's probability is below the threshold of its class.

    @thresholds.not_sure(LABELS)         # above `def predict`
    thresholds.add_to_page(LABELS)       # at the end of the page

The thresholds are in data/thresholds.json, which fit_thresholds.py makes:

    {"criterion": "a sentence for the page", "default": 0.7, "classes": {"cat": 0.5, "dog": null}}

"default" is for every class that is not among "classes". null means: never sure.
"""

import functools
import json
import sys
from pathlib import Path

import gradio as gr

FILE = Path(__file__).resolve().parent / "data" / "thresholds.json"
NOTE = (
    'Below the threshold of its class, a prediction is "not sure". '
    "What the model was never shown can still get a name."
)


def not_sure(labels):
    """Return a decorator for a function that returns {label: probability}, most likely first.

    Ends the program with a message if there are no thresholds for these labels.
    """
    thresholds = load(FILE, labels)

    def decorate(predict):
        @functools.wraps(predict)
        def marked(*inputs):
            return mark(predict(*inputs), thresholds)

        return marked

    return decorate


def add_to_page(labels):
    """Say on the page how the thresholds were chosen."""
    gr.Markdown(f"{NOTE} {load(FILE, labels)['criterion']}")


def load(file, labels):
    """Return the thresholds in a file, or end the program with a message.

    `labels` are the names of the model's classes; the file may name no others.
    """
    try:
        thresholds = json.loads(file.read_text(encoding="utf-8"))
        criterion, classes = thresholds["criterion"], thresholds["classes"]
        usable = isinstance(criterion, str) and all(
            value is None or (type(value) in (int, float) and 0 <= value <= 1)
            for value in [thresholds["default"], *classes.values()]
        )
        problem = "" if usable else "is damaged"
        if unknown := sorted({*classes} - {*labels}):
            problem = f'is for another model: yours has no class "{unknown[0]}"'
    except FileNotFoundError:
        problem = "is missing"
    except (AttributeError, KeyError, OSError, TypeError, ValueError, RecursionError):
        problem = "is damaged"
    if problem:
        sys.exit(f"{file} {problem}.\nMake it with: python fit_thresholds.py scores.csv")
    return thresholds


def mark(prediction, thresholds):
    """Return {label: probability}, most likely first, with the first label marked if not sure."""
    (label, probability), *others = prediction.items()
    threshold = thresholds["classes"].get(label, thresholds["default"])
    if threshold is None or probability < threshold:
        label = f"not sure (closest: {label})"
    return dict([(label, probability), *others])
