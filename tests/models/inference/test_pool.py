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


def test_a_stream_takes_items_as_they_are_needed_and_keeps_their_order() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(1, 31):
            taken = number
            yield number

    for given, result in enumerate(InferencePool(CPU, 3).stream(lambda some: [10 * one for one in some], items(), held=4), start=1):
        assert result == 10 * given
        assert given <= taken <= given + 4
    assert taken == 30


def test_a_stream_that_fails_gives_up_what_is_waiting() -> None:
    seen: list[int] = []
    go_on = threading.Event()

    def network(items: Sequence[int]) -> list[int]:
        seen.extend(items)
        if items[0] == 0:
            raise ZeroDivisionError
        go_on.wait(10)
        return list(items)

    with pytest.raises(ZeroDivisionError):
        list(InferencePool(CPU, 1).stream(network, range(20), held=20))
    go_on.set()
    assert InferencePool(CPU, 1).run(network, [100]) == [100]  # the thread is free again
    assert set(seen) <= {0, 1, 100}


def test_all_pools_share_their_threads() -> None:
    threads = [thread for _ in range(3) for thread in InferencePool(CPU, 2).run(lambda items: [threading.get_ident()], range(20))]
    assert len(set(threads)) <= 2
