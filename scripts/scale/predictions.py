"""What a process of a bulk run does: it loads the app once and classifies one block after another.

These are plain functions, since Ray does the block of a machine that is gone on any other; objects
that hold a model would wait for a new place of their own. Ray lets the same process run block after
block, so that what it has loaded stays.
"""

import ast
import functools
import os
import runpy
from pathlib import Path

import pyarrow as pa
from apps import find_app
from scale import form, table


class OtherApp(Exception):
    """The app does not start, or its predict does not return {label: probability}."""


@functools.cache
def load(file):
    """Return the function `predict` of an app; raises OtherApp with a message."""
    app = find_app(file)
    try:
        module = form.run(ast.parse(app.file.read_text(encoding="utf-8")), app, "classifier")
        return module.predict
    except SystemExit as error:
        raise OtherApp(f"{error}") from None
    except AttributeError:
        raise OtherApp(f"{file} has no function `predict`.") from None


@functools.cache
def version(file):
    """Return the version of an app and its model; older copies have none."""
    program = Path(file).with_name("version.py")
    return runpy.run_path(str(program))["version"]() if program.exists() else ""


def check(file):
    """Return why an app cannot be used, in a message, or None."""
    try:
        load(file)
    except OtherApp as error:
        return str(error)


def predict(images, file):
    """Return the rows of the table for a block of images, a table of `file` and `path`."""
    names, paths = images["file"].to_pylist(), images["path"].to_pylist()
    rows = [row(file, name, os.fsdecode(path)) for name, path in zip(names, paths, strict=True)]
    return pa.Table.from_pylist(rows, table.SCHEMA)


def row(file, name, path):
    """Return what the table says of an image: the prediction, or the reason why there is none."""
    import gradio as gr

    found = {**dict.fromkeys(table.COLUMNS), "file": name, "reason": "", "version": version(file)}
    try:
        open(path, "rb").close()  # or the app would ask for another upload
        prediction = load(file)({"path": path})
    except gr.Error as error:
        return found | {"reason": " ".join(error.message.split())}
    except OSError as error:
        return found | {"reason": f"This file cannot be opened: {error.strerror}."}
    except Exception as error:  # the other images still get their predictions
        return found | {"reason": f"The app failed on this image: {type(error).__name__}."}
    if not isinstance(prediction, dict):
        raise OtherApp(f"`predict` of {file} does not return {{label: probability}}.")
    for place, (label, probability) in enumerate(list(prediction.items())[:5], start=1):
        found |= {f"label_{place}": label, f"probability_{place}": round(probability, 4)}
    return found
