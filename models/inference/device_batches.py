"""Run a network on a GPU in batches that fit into its memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

USABLE_SHARE = 0.8
"""Of the memory that is free when the network is measured; the rest is lost between blocks, or others take it."""


class DeviceBatches:
    """Runs a network on as many items at a time as fit into the memory of a GPU.

    Attributes:
        most: items of a batch, at most; None as long as nothing is known.
    """

    def __init__(self) -> None:
        self.most: int | None = None

    def measure(self, network: Callable[[Sequence[Item]], list[Result]], item: Item, device: torch.device) -> None:
        """Run one item, and set `most` by the memory that it takes and that is free."""
        network([item])  # what is loaded and allocated once
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        network([item])
        taken = torch.cuda.max_memory_allocated(device) - before
        free, _ = torch.cuda.mem_get_info(device)
        self.most = max(1, int(USABLE_SHARE * free) // max(1, taken))

    def run(self, network: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]) -> list[Result]:
        """Return the results of all items, in order. A batch that does not fit is halved, and later ones are no larger.

        Raises:
            torch.OutOfMemoryError: one item alone does not fit.
        """
        results: list[Result] = []
        while len(results) < len(items):
            batch = items[len(results) : len(results) + (self.most or len(items))]
            try:
                results += network(batch)
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
                self.most = len(batch) // 2
            else:
                continue
            torch.cuda.empty_cache()  # when the exception, which holds the tensors, is gone
        return results
