"""cores.py: one prediction gets all cores that the app may use, several get a share each."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from apps import find_app
from conftest import import_file


@pytest.fixture
def cores(monkeypatch):
    """The module cores.py, as on a computer with six cores."""
    threads = torch.get_num_threads()
    module = import_file(find_app("resnet").folder / "cores.py")
    monkeypatch.setattr(module, "CORES", 6)
    yield module
    torch.set_num_threads(threads)


def in_a_thread(function, *values):
    """Call a function as Gradio does, in a thread; return what it returns."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function, *values).result(timeout=60)


def test_one_gets_all_cores_and_several_get_a_share_each(cores):
    @cores.share_cores()
    def predict(others):
        """Return how many threads PyTorch uses, for this prediction and the ones meanwhile."""
        mine = torch.get_num_threads()
        theirs = in_a_thread(predict, others - 1) if others else []
        assert torch.get_num_threads() == mine  # whatever the others have got
        return [mine, *theirs]

    assert in_a_thread(predict, 0) == [6]
    assert in_a_thread(predict, 7) == [6, 3, 2, 1, 1, 1, 1, 1]
    assert in_a_thread(predict, 1) == [6, 3]  # the eight are forgotten


def test_a_prediction_that_fails_gives_its_share_back(cores):
    @cores.share_cores()
    def fail():
        raise ValueError("no image")

    for _ in range(3):
        with pytest.raises(ValueError, match="no image"):
            fail()
    with cores.share_cores():
        assert torch.get_num_threads() == 6
