"""How inputs go through a network: on a GPU together; on a CPU one by one, each by a single thread, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class InferencePool:
    """Runs pictures, or batches of texts, through a network.

    On a CPU sums are rounded by the size of the pass and by the number of threads that share it, so a result that
    depends on neither needs a pass per item and per thread. It is also the fastest: larger passes leave the caches,
    and two threads in step wait for each other when a neighbour takes one of their cores (15 times slower, measured).

    Args:
        device: of the network.
        threads: items at a time on a CPU.
    """

    def __init__(self, device: torch.device, threads: int) -> None:
        self._pool = _single_threads(threads) if device.type == "cpu" else None

    def run(self, network: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]) -> list[Result]:
        """The network's results of all items, in order; what is called runs in inference mode."""

        def one_pass(some: Sequence[Item]) -> list[Result]:
            with torch.inference_mode():
                return network(some)

        if self._pool is None:
            return one_pass(items) if items else []
        alone = [items[i : i + 1] for i in range(len(items))]
        return [result for results in self._pool.map(one_pass, alone) for result in results]


def _single_threads(count: int) -> ThreadPoolExecutor:
    """Threads whose torch arithmetic uses no others. Other threads keep torch's setting."""
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, "network", initializer=_use_one_thread)
    all_started = Barrier(count)
    list(pool.map(lambda _: all_started.wait(), range(count)))
    torch.set_num_threads(before)  # each of them set it for the threads that come later, too
    return pool


def _use_one_thread() -> None:
    torch.get_num_threads()  # a thread's first use of torch takes the process's number: let that be now
    torch.set_num_threads(1)
