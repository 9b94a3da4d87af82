"""Run a network on a list of inputs: on a GPU in large batches, on a CPU one by one in several single-threaded workers."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from threading import Barrier
from typing import TypeVar

import torch

from models.inference.device_batches import DeviceBatches

AHEAD = 4
"""Items for each thread that are under way: enough for all threads to be busy, and other pools wait for no more than these."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class InferencePool:
    """Runs a network on pictures, or on batches of texts.

    On a CPU, results change with batch size and thread count. To be reproducible, each item runs alone on one thread;
    several run in parallel. This is also the fastest way, since larger batches do not fit into the caches. All pools of
    a process with one number of threads share them, so that two networks that run at a time do not take more cores.

    Args:
        device: of the network.
        threads: items that run in parallel on a CPU.
        as_on_gpu: run batches on a CPU, too.
    """

    def __init__(self, device: torch.device, threads: int, as_on_gpu: bool = False) -> None:
        self._device = device
        self._most_under_way = AHEAD * threads
        self._pool = _shared_threads(threads) if device.type == "cpu" and not as_on_gpu else None
        self._batches = DeviceBatches()

    def warm_up(self, network: Callable[[Sequence[Item]], list[Result]], item: Item) -> Result:
        """Run one item and return its result; on a GPU it tells how many fit into the memory."""
        if self._device.type != "cpu":
            self._batches.measure(_inferred(network), item, self._device)
        return self.run(network, [item])[0]

    def run(self, network: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]) -> list[Result]:
        """Return the results of all items, in order. The network runs in inference mode."""
        return list(self.stream(network, items, max(1, len(items))))

    def stream(self, network: Callable[[Sequence[Item]], list[Result]], items: Iterable[Item], held: int) -> Iterator[Result]:
        """Return the results in order, each when it is there. On a CPU the next items are made meanwhile.

        Args:
            network: runs in inference mode, and returns a result for each of its items.
            items: are taken as they are needed.
            held: items and results that are in memory, at most.
        """
        rest, inferred = iter(items), _inferred(network)
        if self._pool is None:
            while some := list(islice(rest, held)):
                yield from self._batches.run(inferred, some)
            return
        under_way: deque[Future[list[Result]]] = deque()
        try:
            for item in rest:
                under_way.append(self._pool.submit(inferred, [item]))
                if len(under_way) == min(held, self._most_under_way):
                    yield from under_way.popleft().result()
            while under_way:
                yield from under_way.popleft().result()
        finally:  # after an error
            for future in under_way:
                future.cancel()


def _inferred(network: Callable[[Sequence[Item]], list[Result]]) -> Callable[[Sequence[Item]], list[Result]]:
    def in_inference_mode(batch: Sequence[Item]) -> list[Result]:
        with torch.inference_mode():
            return network(batch)

    return in_inference_mode


def single_thread() -> ThreadPoolExecutor:
    """Return a thread for all computation of a caller whose own number of torch threads must stay what it is."""
    return _single_threads(1)


@cache
def _shared_threads(count: int) -> ThreadPoolExecutor:
    return _single_threads(count)


os.register_at_fork(after_in_child=_shared_threads.cache_clear)  # a child has none of the threads


def _single_threads(count: int) -> ThreadPoolExecutor:
    """Return a pool of threads in which torch computes on one thread. Other threads keep their setting."""
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, "network", initializer=_use_one_thread)
    all_started = Barrier(count)
    list(pool.map(lambda _: all_started.wait(), range(count)))
    torch.set_num_threads(before)  # each worker changed it for threads that start later, too
    return pool


def _use_one_thread() -> None:
    torch.get_num_threads()  # a thread's first use of torch resets it to the number of the process, so let that happen first
    torch.set_num_threads(1)
