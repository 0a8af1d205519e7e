"""Memory levels off, however many predictions an app makes: measured, in an app started for it."""

import asyncio
import secrets
import shutil

import pytest
from conftest import SCRIPTS, run_async, run_main
from maintain.bench import users
from maintain.bench.photos import make_photo

USERS = 8


async def predict_in_a_new_tab(session, url, function, value):
    """Send a value as the page does, from a session of its own, and wait for the result."""
    if isinstance(value, bytes):
        value = await users.upload(session, url, value)
    tab, queue = secrets.token_hex(8), f"{url}gradio_api/queue"
    body = {"data": [value], "fn_index": function, "session_hash": tab}
    async with session.post(f"{queue}/join", json=body) as response:
        assert response.ok, await response.text()
    async with session.get(f"{queue}/data", params={"session_hash": tab}) as response:
        assert '"success":true' in await response.text()


async def make_predictions(url, name, own, number):
    """Let users send what is their own, so many times in all."""
    async with users.connect() as session:
        async with session.get(f"{url}config") as response:
            functions = (await response.json())["dependencies"]
        (function,) = (each["id"] for each in functions if each["api_name"] == name)

        async def stay(value):
            for _ in range(number // USERS):
                await predict_in_a_new_tab(session, url, function, value)

        await asyncio.gather(*map(stay, own))


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("name", "step"), [("bare", 300), ("resnet", 2_000)])
@pytest.mark.long
def test_memory_and_uploads_level_off(classifier, tmp_path, name, step):
    """With each session remembered, `bare` would grow by 2 MB in 100 calls."""
    folder = tmp_path / name
    shutil.copytree(SCRIPTS / name if name == "bare" else classifier(name).folder, folder)
    function, own = "greet", [f"User {number}" for number in range(USERS)]
    if name == "resnet":
        function, own = "predict", [make_photo("small", number) for number in range(USERS)]
    memory, files = [], []
    with run_main(folder / "main.py", GRADIO_TEMP_DIR=tmp_path / "uploads") as server:
        server.wait()
        for _ in range(5):
            run_async(make_predictions(server.url, function, own, step))
            memory.append(server.memory())
            files.append(sum(file.is_file() for file in (tmp_path / "uploads").rglob("*")))
    assert memory[-1] < 1.1 * memory[0], memory
    assert memory[-1] < 1.02 * memory[2], memory
    assert files[-1] == files[0], files
