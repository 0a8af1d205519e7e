"""The input values sent to an app when it is tried, and the checks of its responses."""

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
PLAIN = {"textbox", "number", "slider", "checkbox", "dropdown", "radio"}  # no files


def make_image(folder):
    """Write a JPEG image of 320 x 240 pixels, red to the left and blue to the right."""
    from PIL import Image

    gradient = Image.linear_gradient("L").rotate(90).resize((320, 240))
    image = Image.merge(
        "RGB", (gradient, gradient.point(lambda v: v // 2), gradient.point(lambda v: 255 - v))
    )
    file = Path(folder) / "image.jpg"
    image.save(file, quality=90)
    return file


def example_value(parameter, folder):
    """Return something sensible to send for one parameter, as the app's own API describes it."""
    from gradio_client import handle_file

    if parameter["component"] == "Image":
        return handle_file(str(make_image(folder)))
    if parameter["component"] == "File":
        return None
    return "Ada" if parameter["component"] == "Textbox" else parameter["example_input"]


def inputs_of(config, endpoint):
    """Return the components that a function of an app takes its values from, in their order."""
    components = {component["id"]: component for component in config["components"]}
    function = next(f for f in config["dependencies"] if f"/{f['api_name']}" == endpoint)
    return [components[number] for number in function["inputs"]]


def first_example(config, endpoint):
    """Return the first row of the examples on the page, if it can be sent as it is, or None."""
    inputs = inputs_of(config, endpoint)
    if not all(component["type"] in PLAIN for component in inputs):
        return None
    numbers = [component["id"] for component in inputs]
    shown = [c["props"] for c in config["components"] if c["type"] == "dataset"]
    rows = [row for each in shown if each["component_ids"] == numbers for row in each["samples"]]
    return rows[0] if rows else None


def check_label(prediction):
    """Check the prediction in a gr.Label: probabilities, the largest first."""
    confidences = [row["confidence"] for row in prediction["confidences"]]
    if not confidences or confidences != sorted(confidences, reverse=True):
        raise Failed(f"the probabilities are not in order: {confidences}")
    if min(confidences) < 0 or sum(confidences) > 1.001:
        raise Failed(f"these are not probabilities: {confidences}")
    return f"{len(confidences)} labels, first {prediction['label']!r}, {confidences[0]:.3f}"


def check_prediction(app, client, endpoint, parameters, folder):
    """Call the app once and return its result, in words; raise Failed if it is wrong."""
    from gradio_client.exceptions import AppError

    values, expected = INPUTS.get(app.file.name, (None, None))
    values = values or first_example(client.config, endpoint)
    values = values or [example_value(parameter, folder) for parameter in parameters]
    try:
        result = client.predict(*values, api_name=endpoint)
    except AppError as error:  # it is unknown what files it takes, or what text a program sends
        if {"File", "Api"} & {parameter["component"] for parameter in parameters}:
            return message_of(error)
        advice = "If the page has examples, the first of them is sent"
        raise Failed(f"{values} gave: {message_of(error)} {advice}") from None
    if expected and result != expected:
        raise Failed(f"{values} gave {result!r} and not {expected!r}")
    if isinstance(result, str) and Path(result).is_file():
        return f"a file, {Path(result).name}, {Path(result).stat().st_size:,} bytes"
    if isinstance(result, dict) and "confidences" in result:
        return check_label(result)
    if result in (None, ""):
        raise Failed("the app returned nothing")
    return repr(result)[:70]


def empty_form(config, endpoint):
    """Return what the page sends if a user presses Submit at once."""
    inputs = inputs_of(config, endpoint)
    values = [component["props"].get("value") for component in inputs]
    texts = [component["type"] == "textbox" for component in inputs]
    return ["" if text and not value else value for text, value in zip(texts, values, strict=True)]


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
        result = client.predict(*empty_form(client.config, endpoint), api_name=endpoint)
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
