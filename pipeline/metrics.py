"""Write the metrics of a run to a file, in the text format of Prometheus, while it runs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Self

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.process import STATES, state_after
from pipeline.progress import Rate

INTERVAL_S = 5.0
"""How often the file is replaced."""

LABELLED = {
    "rejects": ("stage", "reason"),
    "images": ("status",),
    "entities": ("type",),
    "skipped": ("kind",),
}
"""Counters such as `rejects.image.no_such_key`, and the labels that the parts of their names become."""

PLAIN = {
    "lines": "Lines of the posts files that were read.",
    "blanks": "Blank lines.",
    "posts": "Posts that were read.",
    "tagged": "Posts that went through the tagger.",
    "rows": "Rows that were written.",
    "pictures": "Pictures that went through the detector.",
}


class MetricsFile:
    """Keep a file up to date inside the `with` block, whole at any moment; the last content says how the run ended.

    Args:
        path: of the file; None for no file.
        counts: returns the counters so far, of this run alone.
        run: id of the run.
        started: when, in seconds since 1970.
    """

    def __init__(self, path: str | None, counts: Callable[[], Counter[str]], run: str, started: float) -> None:
        self._path = path
        self._counters = _Counters(counts, run, started)
        self._registry = CollectorRegistry()
        self._registry.register(self._counters)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_until_ended, name="metrics", daemon=True)

    def __enter__(self) -> Self:
        self._write()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._ended.set()
        self._thread.join()
        if error is not None:
            self._counters.state = state_after(error)
        self._write()

    def end(self, state: str, counts: Counter[str]) -> None:
        """Set how the run ended, and its last counters."""
        self._counters.state = state
        self._counters.counts = lambda: counts

    def _write_until_ended(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            self._write()

    def _write(self) -> None:
        if self._path:
            with suppress(OSError):  # a full disk must not end a run that writes elsewhere
                write_to_textfile(self._path, self._registry)


class _Counters(Collector):
    """Turns the counters of a run into metrics."""

    def __init__(self, counts: Callable[[], Counter[str]], run: str, started: float) -> None:
        self.counts = counts
        self.state = "running"
        self._run = run
        self._started = started
        self._rate = Rate()

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        counts = self.counts()
        for name, text in PLAIN.items():
            yield CounterMetricFamily(f"postner_{name}", text, value=counts[name])
        for name, labels in LABELLED.items():
            family = CounterMetricFamily(f"postner_{name}", f"{name.capitalize()} by {' and '.join(labels)}.", labels=labels)
            for counter, amount in sorted(counts.items()):
                if counter.startswith(f"{name}."):
                    family.add_metric(counter.split(".", len(labels))[1:], amount)
            yield family
        stages = CounterMetricFamily("postner_stage_seconds", "Seconds of work by stage, of all threads together.", labels=["stage"])
        for counter, amount in sorted(counts.items()):
            if counter.startswith("time."):
                stages.add_metric([counter.removeprefix("time.").removesuffix("_usec")], amount / 1e6)
        yield stages
        yield GaugeMetricFamily("postner_posts_per_second", "Posts tagged in the last minute, by second.", self._rate.of(counts["tagged"]))
        state = GaugeMetricFamily("postner_state", "1 for the state of the run, 0 for the others.", labels=["state"])
        for one in STATES:
            state.add_metric([one], one == self.state)
        yield state
        info = GaugeMetricFamily("postner_run_info", "1, with the id of the run.", labels=["run"])
        info.add_metric([self._run], 1)
        yield info
        yield GaugeMetricFamily("postner_start_time_seconds", "When the run began, since 1970.", self._started)
        yield GaugeMetricFamily("postner_heartbeat_time_seconds", "When this file was written, since 1970.", time.time())
