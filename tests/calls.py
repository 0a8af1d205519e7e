"""What programs do with an app: upload a file, call a function, read the result."""

import json
import socket
from pathlib import Path

import requests
from gradio_client import handle_file

FILE = {"meta": {"_type": "gradio.FileData"}}
LONGEST_S = 300
# what the guard says
BUSY = "Too many people are using this app right now. Please try again in a minute."
NO_UPLOAD = "This file was never uploaded, or was deleted. Please upload it again."
NO_ADDRESS = "The app does not open web addresses. Please download the file first and send that."


def send(url, content, name="image.jpg"):
    """Upload a file, given as bytes or by its path, and return the response."""
    content = content.read_bytes() if isinstance(content, Path) else content
    files = {"files": (name, content)}
    return requests.post(f"{url}gradio_api/upload", files=files, timeout=LONGEST_S)


def upload(url, content, name="image.jpg"):
    """Upload a file, and return it as a function takes it."""
    response = send(url, content, name)
    assert response.ok, response.text
    return {"path": response.json()[0], **FILE}


def told(response):
    """Return the message of a refusal; of one for a value, that is Gradio's validation."""
    detail = response.json()["detail"]
    if isinstance(detail, str):
        return detail
    assert [each["is_valid"] for each in detail] == [True] * (len(detail) - 1) + [False]
    return detail[-1]["message"]


def call(url, function, *values, **headers):
    """Call a function and return the text of what happens, or of a refusal."""
    url, options = f"{url}gradio_api/call/{function}", {"headers": headers, "timeout": LONGEST_S}
    response = requests.post(url, json={"data": values}, **options)
    if not response.ok:
        return response.text
    return requests.get(f"{url}/{response.json()['event_id']}", **options).text


def ask(url, function, *values):
    """Call a function and return what it returns; anything else fails the test."""
    text = call(url, function, *values)
    assert "event: complete" in text, text
    return json.loads(text.rpartition("data: ")[2])


def classify(client, file):
    """Send an image to a classifier by gradio_client; return {label: probability}."""
    prediction = client.predict(handle_file(str(file)), api_name="/predict")
    return {row["label"]: row["confidence"] for row in prediction["confidences"]}


def connect(served, text, body=b"", room=None):
    """Open a connection that sends this, and reads nothing yet."""
    host, port = served.url.split("/")[2].split(":")
    connection = socket.socket()
    if room:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    connection.settimeout(20)
    connection.connect((host, int(port)))
    connection.sendall(text.replace("\n", "\r\n").encode("latin-1") + body)
    return connection
