"""Let an app open only what its visitors upload: launch(..., app_kwargs=ONLY_UPLOADS).

Whoever calls an app can name any file or address as its input. Gradio 6.31 opens such a file for
some components, and fetches such an address for all, or passes it on as `file=https://...`. So each
request is looked at before Gradio sees it: a file must lie in the folder of uploads, where the
examples on the page are, too.
"""

import os
import tempfile
from pathlib import Path

from fastapi import Depends, HTTPException, Request

UPLOADS = Path(
    os.path.abspath(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir() + "/gradio")
)


def is_upload(path):
    """Tell whether this is a file in the folder of uploads, without touching any other place."""
    try:
        path = Path(os.path.abspath(path))  # only text: asking for \\server\file would call there
        if not path.is_relative_to(UPLOADS):
            return False
        return path.resolve().is_relative_to(UPLOADS.resolve()) and path.is_file()
    except (OSError, RuntimeError, TypeError, ValueError):  # no path at all, or a circle of links
        return False


def files_in(body):
    """Yield each {"path": ..., "url": ...} in nested JSON."""
    values = [body]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            if "path" in value or "url" in value:
                yield value
            values += value.values()
        elif isinstance(value, list):
            values += value


async def only_uploads(request: Request):
    """Refuse a request that names anything else: 403, and the same words whatever is there."""
    refused = HTTPException(403, "Only files that were uploaded here can be used.")
    if any("://" in str(part) for part in request.path_params.values()):
        raise refused
    if request.method != "POST" or "multipart" in request.headers.get("content-type", ""):
        return  # only an upload has several parts
    try:
        body = await request.json()
    except (RecursionError, ValueError):
        return  # FastAPI refuses it
    for file in files_in(body):
        path, url = file.get("path"), file.get("url")
        sent_along = path is None and str(url).startswith("data:")
        if not sent_along and not is_upload(path):
            raise refused


ONLY_UPLOADS = {"dependencies": [Depends(only_uploads)]}
