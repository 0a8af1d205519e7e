"""The input values sent to an app when it is tried, and the checks of its responses."""

import os
from pathlib import Path

from server import Failed

# what is sent to a step app, and what it must return
GREETING = (["Ada", True, 50], ("Good morning Ada. It is 50 degrees today", 10))
INPUTS = {
    "hello_app.py": (["Ada"], "Hello Ada!"),
    "hello2_app.py": GREETING,
    "hello3_app.py": GREETING,
    "hello4_app.py": (["Ada"], "Hello Ada!"),
    "progress_app.py": (["Ada"], "Hello Ada!"),
}
ADVICE = "Add gr.Examples to the page: the first of them is sent"
# what people type or choose; a refusal of anything else that we make up may be right
TYPED = {"Textbox", "Number", "Slider", "Checkbox", "Checkboxgroup", "Dropdown", "Radio"}


def open_client(url, folder, seconds=60, trust_env=False):
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


class NotTried(Exception):
    """Nothing sensible could be sent; the message says why, and what to do."""


def replaced(value, is_wanted, change):
    """Return a value with each part of it that `is_wanted` changed, however deep it is."""
    if is_wanted(value):
        return change(value)
    if isinstance(value, dict):
        return {name: replaced(part, is_wanted, change) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [replaced(part, is_wanted, change) for part in value]
    return value


def made_up(parameters):
    """Return something to send for each parameter, as the app's own API describes it.

    Raises NotTried for a file of any kind, or one of a folder that only the app knows.
    """
    from gradio import media
    from gradio_client import handle_file

    def file(example):
        makers = {
            ".png": lambda: media.get_image("lion.jpg"),
            ".wav": lambda: media.get_audio("audio_sample.wav"),
            ".mp4": lambda: media.get_video("a.mp4"),
            ".gltf": lambda: media.get_model3d("Fox.gltf"),
        }
        if make := makers.get(Path(example["path"]).suffix):
            return handle_file(str(make()))
        raise NotTried(f"it takes a file of a kind that only you know. {ADVICE}")

    def is_file(value):
        return isinstance(value, dict) and isinstance(value.get("meta"), dict) and "path" in value

    for parameter in parameters:
        if parameter["component"] == "Fileexplorer":
            raise NotTried(f"it takes files from a folder of the app. {ADVICE}")
        text = parameter["component"] == "Textbox"
        yield "Ada" if text else replaced(parameter["example_input"], is_file, file)


def inputs_of(config, endpoint):
    """Return the components that a caller gives a function of an app, in their order.

    Raises NotTried if a program cannot call it.
    """
    components = {component["id"]: component for component in config["components"]}
    function = next(f for f in config["dependencies"] if f"/{f['api_name']}" == endpoint)
    inputs = [components[number] for number in function["inputs"]]
    for component in inputs:
        if component["skip_api"] and component["type"] != "state":
            raise NotTried(f"no program can call it, since a {component['type']} is an input")
    return [component for component in inputs if component["type"] != "state"]


def examples(client, endpoint):
    """Yield the values of each row of gr.Examples for a function, as a click on it sends them.

    Files among them are where the client keeps what it receives.
    """
    config, inputs = client.config, inputs_of(client.config, endpoint)
    numbers = [component["id"] for component in inputs]
    for shown in config["components"]:
        filled = shown["props"].get("component_ids") if shown["type"] == "dataset" else None
        load = [f for f in config["dependencies"] if f["inputs"] == [shown["id"]]]
        if not filled or not load or not {*filled} <= {*numbers}:
            continue
        for row in range(len(shown["props"]["samples"])):
            updates = client.predict(row, api_name=f"/{load[0]['api_name']}")
            updates = updates if isinstance(updates, (list, tuple)) else [updates]
            values = {
                number: update.get("value") for number, update in zip(filled, updates, strict=False)
            }
            yield [values.get(c["id"], c["props"].get("value")) for c in inputs]


def is_in(folder):
    """Return what tells whether a value is a file that a client has downloaded into a folder."""
    begins = f"{Path(folder).resolve()}{os.sep}"
    return lambda value: isinstance(value, str) and value.startswith(begins)


def check_label(prediction):
    """Check the prediction in a gr.Label: probabilities, the largest first; or a text or number."""
    if not prediction.get("confidences"):
        return repr(prediction["label"])
    confidences = [row["confidence"] for row in prediction["confidences"]]
    if confidences != sorted(confidences, reverse=True):
        raise Failed(f"the probabilities are not in order: {confidences}")
    # each of several labels at once has a probability of its own
    if min(confidences) < 0 or max(confidences) > 1.001:
        raise Failed(f"these are not probabilities: {confidences}")
    return f"{len(confidences)} labels, first {prediction['label']!r}, {confidences[0]:.3f}"


def check_prediction(app, client, endpoint, description, folder):
    """Call the app once and return its result, in words; raise Failed if it is wrong."""
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    parameters, returns = description["parameters"], description["returns"]
    values, expected = INPUTS.get(app.file.name, (None, None))
    values = values or next(examples(client, endpoint), None)
    made = [] if values else [*made_up(parameters)]
    sent = made or replaced(values or [], is_in(folder), handle_file)
    try:
        result = client.predict(*sent, api_name=endpoint)
    except AppError as error:
        said = message_of(error)
        if not made:
            raise Failed(f"the first example on the page, {values}, gave: {said}") from None
        if {parameter["component"] for parameter in parameters} <= TYPED:
            raise Failed(f"{made} gave: {said} {ADVICE}") from None
        raise NotTried(f"it refused what we made up: {said} {ADVICE}") from None
    if expected and result != expected:
        raise Failed(f"{values} gave {result!r} and not {expected!r}")
    if returns and result in (None, "", (), []):
        raise Failed("the app returned nothing")
    results = result if len(returns) > 1 else [result]
    kinds = zip(results, (output["component"] for output in returns), strict=False)
    if labels := [each for each, kind in kinds if kind == "Label" and each]:
        return ", ".join(map(check_label, labels))
    if is_in(folder)(result):
        return f"a file, {Path(result).name}, {Path(result).stat().st_size:,} bytes"
    return repr(result)[:70]


def as_opened(component):
    """Return what the page sends of a component if a user presses Submit at once."""
    value = component["props"].get("value")
    return "" if component["type"] == "textbox" and not value else value


def message_of(error):
    """Return an app's message to the user; raise Failed if it is none that helps."""
    message = str(error)
    if " " not in message or "upstream Gradio app has raised" in message:
        raise Failed(f"no message that helps, but: {message}") from None
    return message


def check_empty_form(client, endpoint):
    """Send the form as it opens, and return the result or the message that the user gets."""
    from gradio_client.exceptions import AppError

    try:
        values = map(as_opened, inputs_of(client.config, endpoint))
        result = client.predict(*values, api_name=endpoint)
    except AppError as error:
        return message_of(error)
    return repr(result)[:70]


def check_closed(url, endpoint):
    """Name a file and an address that were not uploaded: the app must refuse them."""
    import httpx

    for path in ("/etc/hosts", "https://example.invalid/image.png"):
        data = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
        response = httpx.post(f"{url}gradio_api/call{endpoint}", json=data, trust_env=False)
        if response.status_code not in (403, 410, 422):  # the first two are those of older copies
            raise Failed("it takes a file that was not uploaded: see guard.py of any app")
    return "only uploads are opened"
