"""Bisect a batch that fails, so that a failure costs only the item that causes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def bisect_on_failure(run: Callable[[list[Item]], Iterable[Result]], items: Sequence[Item]) -> list[Result | Exception]:
    """Results of `run` on items; where it fails, on each half, so that a failure costs only the item that causes it.

    Running out of memory is such a failure, and smaller batches are its cure. An item that fails alone gets the
    exception in place of its result.
    """
    if not items:
        return []
    try:
        return list(run(list(items)))
    except Exception as error:  # whatever a model raises on hostile input must cost one item only
        if len(items) == 1:
            return [error]
        middle = len(items) // 2
        return bisect_on_failure(run, items[:middle]) + bisect_on_failure(run, items[middle:])
