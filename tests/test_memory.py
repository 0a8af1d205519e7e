"""Memory levels off, however many predictions an app makes: measured, in an app started for it."""

import asyncio
import shutil

import pytest
from conftest import SCRIPTS, long, run_async, run_main
from maintain.bench import users
from maintain.bench.photos import make_photo

USERS = 8


async def make_predictions(url, function, own, number):
    """Let users send what is their own, so many times in all."""
    async with users.connect() as session:

        async def stay(value):
            for _ in range(number // USERS):
                await users.ask(session, url, function, value)

        await asyncio.gather(*map(stay, own))


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("name", "step"), [("bare", 300), long("resnet", 2_000)])
def test_memory_and_uploads_level_off(classifier, tmp_path, name, step):
    """With one session remembered for each call, `bare` would grow by 2 MB in 100 calls."""
    folder = tmp_path / name
    shutil.copytree(SCRIPTS / name if name == "bare" else classifier(name).folder, folder)
    function, own = "/greet", [f"User {number}" for number in range(USERS)]
    if name == "resnet":
        function, own = "/predict", [make_photo("small", number) for number in range(USERS)]
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
