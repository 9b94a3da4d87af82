"""Run inputs through a network: on a GPU as one batch; on a CPU one by one, several single-threaded at a time."""

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

    On a CPU, results change with batch size and thread count. To be reproducible, each item runs alone on one thread;
    several run in parallel. This is also the fastest way: larger batches leave the caches.

    Args:
        device: of the network.
        threads: items at a time on a CPU.
    """

    def __init__(self, device: torch.device, threads: int) -> None:
        self._pool = _single_threads(threads) if device.type == "cpu" else None

    def run(self, network: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]) -> list[Result]:
        """Return the results of all items, in order. The network runs in inference mode."""

        def one_batch(some: Sequence[Item]) -> list[Result]:
            with torch.inference_mode():
                return network(some)

        if self._pool is None:
            return one_batch(items) if items else []
        alone = [items[i : i + 1] for i in range(len(items))]
        return [result for results in self._pool.map(one_batch, alone) for result in results]


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
