"""Count the work of a run as Beam metrics, which every engine shows.

A live copy serves the progress line when the work runs in this process.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from apache_beam.metrics import Metrics
from apache_beam.runners.runner import PipelineResult

NAMESPACE = "postner"


class _Live:
    """Hold the totals of this process; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: Counter[str] = Counter()

    def add(self, name: str, amount: int) -> None:
        with self._lock:
            self._totals[name] += amount

    def snapshot(self) -> Counter[str]:
        with self._lock:
            return self._totals.copy()

    def clear(self) -> None:
        with self._lock:
            self._totals.clear()


LIVE = _Live()


def count(name: str, amount: int = 1) -> None:
    """Add to a counter, such as `rows`, `entities.PER`, `images.ok`, `rejects.post.not_json`."""
    Metrics.counter(NAMESPACE, name).inc(amount)
    LIVE.add(name, amount)


def counts_of(result: PipelineResult) -> Counter[str]:
    """Return this project's counters of a finished run, on any engine. Work that an engine repeated counts twice."""
    counts: Counter[str] = Counter()
    for counter in result.metrics().query()["counters"]:
        if counter.key.metric.namespace == NAMESPACE:
            counts[counter.key.metric.name] += counter.result
    return counts


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Add the time spent in the `with` block to the counter `time.<stage>_usec`."""
    start = time.perf_counter()
    try:
        yield
    finally:
        count_seconds(stage, time.perf_counter() - start)


def count_seconds(stage: str, seconds: float) -> None:
    """Add `seconds` to `time.<stage>_usec`; for time measured in other threads."""
    count(f"time.{stage}_usec", round(1e6 * seconds))
