"""Known answers: does an app answer as its model did when its author looked?

Two mistakes give no error: pictures prepared in another way than in training, and labels in
another order. `data/expected.json` in an app's folder finds them. It names pictures beside it, each
with the labels that are right for it and, once `make expect` has added them, its probabilities:

    {"tolerance": 0.02,
     "pictures": {"cat.jpg": {"labels": ["tabby"], "probabilities": {"tabby": 0.71, ...}}, ...}}

`make smoke`, `make docker-smoke` and `make verify` compare. A label alone proves little: without
normalisation a lion is still a lion.
"""

import json
import zipfile

FEWEST, TOLERANCE, ANSWER_S = 3, 0.02, 60
UNRESIZED = 256  # a picture whose shorter side has so many pixels is not resized


class Differs(Exception):
    """Answers are not those that are known, or there are no usable ones; the message says it."""


def expected_file(app):
    return app.folder / "data" / "expected.json"


def read(app):
    """Return {picture: what is known of it} and the tolerance of an app's expected.json."""
    file = expected_file(app)
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        pictures = {file.with_name(name): value for name, value in known["pictures"].items()}
        for value in pictures.values():
            value["labels"], value.get("probabilities", {}).items()
        tolerance = float(known.get("tolerance", TOLERANCE))
    except FileNotFoundError:
        raise Differs(f"There is no {file}: `make expect APP={app.name}` writes it.") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Differs(f"{file} cannot be read: {type(error).__name__}, {error}.") from None
    check_pictures(pictures)
    return pictures, tolerance


def check_pictures(pictures):
    """Raise Differs unless there are enough pictures, in each of which preprocessing shows."""
    from PIL import Image

    if len(pictures) < FEWEST:
        raise Differs(f"Known answers need {FEWEST} pictures or more; there are {len(pictures)}.")
    for picture in pictures:
        try:
            with Image.open(picture) as image:
                size = image.size
        except OSError as error:
            raise Differs(f"{picture} cannot be read: {error}.") from None
        if min(size) == UNRESIZED:
            raise Differs(
                f"{picture.name} has a side of {UNRESIZED} pixels: it is not resized, so that a "
                "wrong resize would not show. Take another picture, or cut it."
            )


def made_up(app):
    """Tell whether the app's weights are those of made_up_weights.py."""
    files = [file for file in (app.folder / "data").glob("*.pth") if zipfile.is_zipfile(file)]
    return any(zipfile.ZipFile(file).comment == b"made up" for file in files)


def open_client(url, folder, seconds=ANSWER_S, trust_env=False):
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
    return {name: named[name] for name in named if "load_example" not in name}  # of gr.Examples


def ask(client, picture):
    """Return what an app answers to a picture: {label: probability}, the largest first.

    Raises Differs if the app has no function with a picture first and a gr.Label in its answer.
    """
    from gradio_client import handle_file

    for name, endpoint in functions(client).items():
        inputs, outputs = (
            [value["component"] for value in endpoint[key]] for key in ("parameters", "returns")
        )
        if inputs[:1] in (["Image"], ["File"]) and "Label" in outputs:
            job = client.submit(handle_file(str(picture)), api_name=name)
            answer = job.result(timeout=ANSWER_S)
            answer = answer if len(outputs) == 1 else answer[outputs.index("Label")]
            return {row["label"]: row["confidence"] for row in answer["confidences"]}
    raise Differs("This app has no function that takes a picture and answers with labels.")


def difference(known, answer, tolerance):
    """Return in a sentence how an answer differs from what is known of a picture, or None."""
    labels, probabilities = known["labels"], known.get("probabilities", {})
    if probabilities:  # of labels that are as likely as the first, any may come first
        likely = max(probabilities.values()) - 2 * tolerance
        labels = [label for label, p in probabilities.items() if p >= likely]
    first = next(iter(answer))
    if first not in labels:
        return f"it says {first} ({answer[first]:.2f}) and not {' or '.join(labels)}"
    # a label that is not among the first five has at most the probability of the last of them
    rest = min(answer.values())
    found = {label: answer.get(label, min(p, rest)) for label, p in probabilities.items()}
    if found:
        label = max(found, key=lambda label: abs(found[label] - probabilities[label]))
        if abs(found[label] - probabilities[label]) > tolerance:
            return (
                f"{label} has {found[label]:.3f} and not {probabilities[label]:.3f}, "
                f"with a tolerance of {tolerance:g}"
            )
    return None


def compare(app, client):
    """Ask an app all that is known of it; return what was compared, or raise Differs."""
    pictures, tolerance = read(app)
    wrong = []
    for picture, known in pictures.items():
        if reason := difference(known, ask(client, picture), tolerance):
            wrong.append(f"{picture.name}: {reason}.")
    if wrong:
        wrong.append("Is it the same model, prepared in the same way, with labels in its order?")
        raise Differs("\n      ".join(wrong))
    if not all(known.get("probabilities") for known in pictures.values()):
        return (
            f"{len(pictures)} pictures, the first label alone: it shows the order of labels and "
            f"not the preprocessing. `make expect APP={app.name}`, where the trained weights are, "
            "adds the probabilities"
        )
    return f"{len(pictures)} pictures, all probabilities within {tolerance:g}"


def compare_unless_made_up(app, client):
    return "not compared: the weights are made up" if made_up(app) else compare(app, client)
