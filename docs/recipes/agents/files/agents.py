"""Take an image from an AI agent as text, and respond as JSON.

Gradio can take files from agents, too, but keeps them where nothing deletes them, and the check in
guard.py does not see these calls. So the tool takes text only, and this module decides what is
opened: what the agent sent along, which is deleted after the response, or an upload.
"""

import asyncio
import base64
import json
import logging
import tempfile
from pathlib import Path
from urllib.parse import unquote

from guard import UPLOADS, is_upload
from image import refuse

AT_ONCE = asyncio.Semaphore(2)  # so many calls of agents run at the same time
IN_ALL = asyncio.Semaphore(20)  # with those that wait

# the MCP SDK would write into the log what agents send
logging.getLogger("mcp").setLevel(logging.CRITICAL)
logging.getLogger().addFilter(lambda record: "mcp" not in Path(record.pathname).parts)


async def respond(predict, image):
    """Return predict({"path": file}) as JSON.

    `image` is a data URI, or the path or the address of an upload.
    Raises gr.Error with a message for the agent.
    """
    if IN_ALL.locked():
        refuse("Too many agents are using this app right now. Please try again in a minute.")
    async with IN_ALL, AT_ONCE:
        result = await asyncio.to_thread(look_at, predict, image)
    return json.dumps(result, ensure_ascii=False)


def look_at(predict, image):
    """Open what an agent sent, and nothing else."""
    if not isinstance(image, str):
        refuse("The image must be text: a data URI, or the path of an upload.")
    if not image.startswith("data:"):
        path = unquote(image.rpartition("/gradio_api/file=")[2])
        if not is_upload(path):
            refuse("Only a data URI, or a file that was uploaded here, can be used.")
        return predict({"path": path})
    with tempfile.TemporaryDirectory(dir=UPLOADS, ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "image"
        try:
            file.write_bytes(base64.b64decode(image.partition(",")[2]))
        except ValueError:
            refuse("This is no data URI: it must begin with data:image/jpeg;base64, or the like.")
        return predict({"path": str(file)})
