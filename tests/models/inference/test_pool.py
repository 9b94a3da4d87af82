"""InferencePool through a network: one picture and one thread each, whatever torch is set to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest
import torch

from models.inference.pool import InferencePool

CPU = torch.device("cpu")


@pytest.fixture(autouse=True, params=[1, 2])
def torch_threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 3])
def test_each_pass_has_one_item_and_one_thread(threads: int) -> None:
    def network(items: Sequence[int]) -> list[tuple[int, int, int, bool]]:
        torch.ones(8) + 1  # torch is in use
        return [(items[0], len(items), torch.get_num_threads(), torch.is_inference_mode_enabled())]

    assert InferencePool(CPU, threads).run(network, range(20)) == [(i, 1, 1, True) for i in range(20)]


def test_as_many_items_at_a_time_as_threads() -> None:
    together = threading.Barrier(3, timeout=10)
    assert InferencePool(CPU, 3).run(lambda items: [together.wait() >= 0], range(6)) == [True] * 6


def test_other_threads_keep_the_setting_of_torch(torch_threads: int) -> None:
    InferencePool(CPU, 2).run(lambda items: list(items), range(4))
    seen: list[int] = []
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert [torch.get_num_threads(), *seen] == [torch_threads] * 2


def test_nothing_gives_nothing_and_errors_come_through() -> None:
    assert InferencePool(CPU, 2).run(lambda items: list(items), []) == []
    with pytest.raises(ZeroDivisionError):
        InferencePool(CPU, 2).run(lambda items: [1 // item for item in items], [1, 0])
