"""Reference predictions: does an app still predict what it did when its author checked?

Two mistakes give no error: preprocessing that differs from training, and labels in another
order. `data/expected.json` in an app's folder finds them. It names images beside it, each with the
labels that are right for it and, once `make expect` has added them, its probabilities:

    {"tolerance": 0.02,
     "images": {"cat.jpg": {"labels": ["tabby"], "probabilities": {"tabby": 0.71, ...}}, ...}}

`make smoke`, `make docker-smoke` and `make verify` compare. A label alone proves little: without
normalisation a lion is still a lion.
"""

import json
import zipfile

from apps import typed

FEWEST, TOLERANCE, PREDICT_S = 3, 0.02, 60
UNRESIZED = 256  # an image whose shorter side is this many pixels is not resized


class Differs(Exception):
    """Predictions differ from the references, or there are no usable ones; the message says it."""


def expected_file(app):
    return app.folder / "data" / "expected.json"


def read(app):
    """Return {image: its reference} and the tolerance of an app's expected.json."""
    file = expected_file(app)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        images = {file.with_name(name): value for name, value in content["images"].items()}
        for value in images.values():
            value["labels"], value.get("probabilities", {}).items()
        tolerance = float(content.get("tolerance", TOLERANCE))
    except FileNotFoundError:
        raise Differs(f"There is no {file}: `{typed('expect', app)}` writes it.") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Differs(f"{file} cannot be read: {type(error).__name__}, {error}.") from None
    check_images(images)
    return images, tolerance


def check_images(images):
    """Raise Differs unless there are enough images, in each of which preprocessing shows."""
    from PIL import Image

    if len(images) < FEWEST:
        raise Differs(
            f"Reference predictions need {FEWEST} images or more; there are {len(images)}."
        )
    for image in images:
        try:
            with Image.open(image) as opened:
                size = opened.size
        except OSError as error:
            raise Differs(f"{image} cannot be read: {error}.") from None
        if min(size) == UNRESIZED:
            raise Differs(
                f"{image.name} has a side of {UNRESIZED} pixels: it is not resized, so that a "
                "wrong resize would not show. Take another image, or cut it."
            )


def are_random(app):
    """Tell whether the app's weights are those of random_weights.py."""
    files = [file for file in (app.folder / "data").glob("*.pth") if zipfile.is_zipfile(file)]
    return any(zipfile.ZipFile(file).comment == b"random" for file in files)


def open_client(url, folder, seconds=PREDICT_S, trust_env=False):
    """Return a client of an app that keeps the files it is sent in a folder.

    `trust_env`: whether a proxy of the environment is asked; never for this computer.
    """
    from gradio_client import Client

    options = {"verbose": False, "analytics_enabled": False, "download_files": folder}
    return Client(url, **options, httpx_kwargs={"timeout": seconds, "trust_env": trust_env})


def functions(client):
    """Return {"/name": its parameters and returns}, those too that "Use via API" does not name."""
    import httpx

    where = f"{client.src_prefixed}info?all_endpoints=true"
    named = httpx.get(where, **client.httpx_kwargs).raise_for_status().json()["named_endpoints"]
    # not those of gr.Examples and of the health check
    return {name: named[name] for name in named if "load_example" not in name and name != "/alive"}


def ask(client, image):
    """Return what an app predicts for an image: {label: probability}, the largest first.

    Raises Differs if the app has no function with an image first and a gr.Label among its outputs.
    """
    from gradio_client import handle_file

    for name, endpoint in functions(client).items():
        inputs, outputs = (
            [value["component"] for value in endpoint[key]] for key in ("parameters", "returns")
        )
        if inputs[:1] in (["Image"], ["File"]) and "Label" in outputs:
            job = client.submit(handle_file(str(image)), api_name=name)
            result = job.result(timeout=PREDICT_S)
            result = result if len(outputs) == 1 else result[outputs.index("Label")]
            return {row["label"]: row["confidence"] for row in result["confidences"]}
    raise Differs("This app has no function that takes an image and returns labels.")


def difference(reference, prediction, tolerance):
    """Return in a message how a prediction differs from the reference, or None."""
    labels, probabilities = reference["labels"], reference.get("probabilities", {})
    if probabilities:  # of labels that are as likely as the first, any may come first
        likely = max(probabilities.values()) - 2 * tolerance
        labels = [label for label, p in probabilities.items() if p >= likely]
    first = next(iter(prediction))
    if first not in labels:
        return f"it says {first} ({prediction[first]:.2f}) and not {' or '.join(labels)}"
    # a label that is not among the first five has at most the probability of the last of them
    rest = min(prediction.values())
    found = {label: prediction.get(label, min(p, rest)) for label, p in probabilities.items()}
    if found:
        label = max(found, key=lambda label: abs(found[label] - probabilities[label]))
        if abs(found[label] - probabilities[label]) > tolerance:
            return (
                f"{label} has {found[label]:.3f} and not {probabilities[label]:.3f}, "
                f"with a tolerance of {tolerance:g}"
            )
    return None


def compare(app, client):
    """Compare an app with all of its references; return what was compared, or raise Differs."""
    images, tolerance = read(app)
    wrong = []
    for image, reference in images.items():
        if reason := difference(reference, ask(client, image), tolerance):
            wrong.append(f"{image.name}: {reason}.")
    if wrong:
        wrong.append("Is it the same model, prepared in the same way, with labels in its order?")
        raise Differs("\n      ".join(wrong))
    if not all(reference.get("probabilities") for reference in images.values()):
        return (
            f"{len(images)} images, the first label alone: it shows the order of labels and "
            f"not the preprocessing. `{typed('expect', app)}`, where the trained weights are, "
            "adds the probabilities"
        )
    return f"{len(images)} images, all probabilities within {tolerance:g}"


def compare_unless_random(app, client):
    return "not compared: the weights are random" if are_random(app) else compare(app, client)
