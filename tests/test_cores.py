"""cores.py: one answer gets all cores that the app may use, several get a share each."""

import sys
from pathlib import Path
from threading import Thread

import pytest
import torch
from apps import find_app
from conftest import engine_here, import_file
from container import images
from container.smoke import MORE
from test_images import built, needs_engine  # noqa: F401

FOLDER = find_app("resnet").folder


@pytest.fixture
def cores(monkeypatch):
    """The module cores.py, as on a computer with six cores."""
    threads = torch.get_num_threads()
    module = import_file(FOLDER / "cores.py")
    monkeypatch.setattr(module, "CORES", 6)
    yield module
    torch.set_num_threads(threads)


def in_a_thread(function, *values):
    """Call a function as Gradio does, in a thread; return what it returns."""
    returned = []
    thread = Thread(target=lambda: returned.append(function(*values)))
    thread.start()
    thread.join(timeout=60)
    return returned[0] if returned else None


def test_one_gets_all_cores_and_several_get_a_share_each(cores):
    @cores.share_cores()
    def answer(others):
        """Return how many threads PyTorch uses, for this answer and those that come meanwhile."""
        mine = torch.get_num_threads()
        theirs = in_a_thread(answer, others - 1) if others else []
        assert torch.get_num_threads() == mine  # whatever the others have got
        return [mine, *theirs]

    assert in_a_thread(answer, 0) == [6]
    assert in_a_thread(answer, 7) == [6, 3, 2, 1, 1, 1, 1, 1]
    assert in_a_thread(answer, 1) == [6, 3]  # the eight are forgotten


def test_an_answer_that_fails_gives_its_share_back(cores):
    @cores.share_cores()
    def fail():
        raise ValueError("no picture")

    for _ in range(3):
        with pytest.raises(ValueError, match="no picture"):
            fail()
    with cores.share_cores():
        assert torch.get_num_threads() == 6


@needs_engine
@pytest.mark.slow
def test_a_container_with_one_core_gets_one_thread(built):  # noqa: F811
    """As on a large computer, where PyTorch would start four. Its packages are those of here."""
    packages = Path(torch.__file__).parents[1]
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the packages here are for another Python than that of the image")
    run = ["run", "--rm", "--cpus", "1", *MORE]
    run += ["--volume", f"{packages}:/packages:ro", "--env", "PYTHONPATH=/packages"]
    run += ["--volume", f"{FOLDER / 'cores.py'}:/tmp/cores.py:ro", "--workdir", "/tmp"]
    run += ["--entrypoint", "python", built, "-c"]
    code = "import torch; torch.set_num_threads(4); import cores; print(cores.CORES)"
    ended = images.engine_run(engine_here(), *run, code, capture_output=True, text=True)
    assert ended.stdout == "1\n", ended.stderr
