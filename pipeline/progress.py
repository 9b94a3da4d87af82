"""One line that tells how far a run is: redrawn on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Self, TextIO

from tqdm import tqdm

from transforms.counters import NAMESPACE

TERMINAL_SECONDS, PLAIN_SECONDS = 0.5, 10.0


class Progress:
    """Shows counters while its block runs.

    Args:
        read: gives the counters as they stand.
        stream: where to show them; standard error if none is given.
    """

    def __init__(self, read: Callable[[], Counter[str]], stream: TextIO | None = None) -> None:
        self._read = read
        self._stream = stream = stream or sys.stderr
        self._is_terminal = stream.isatty()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._show_until_done, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _show_until_done(self) -> None:
        started = time.monotonic()
        shown = False
        while not self._done.wait(TERMINAL_SECONDS if self._is_terminal else PLAIN_SECONDS):
            text = line(self._read(), time.monotonic() - started)
            self._stream.write(f"\r\x1b[2K{text}" if self._is_terminal else f"{text}\n")
            self._stream.flush()
            shown = True
        if shown and self._is_terminal:
            self._stream.write("\r\x1b[2K")


def line(counts: Counter[str], seconds: float) -> str:
    """Posts done of posts read so far, rate, time left, pictures looked at."""
    meter = tqdm.format_meter(counts["rows"], counts["posts"] or None, seconds, unit=" posts", ncols=70, ascii=True)
    return f"{meter} {counts['pictures']:,} pictures"


def counts_of(result: Any) -> Counter[str]:
    """Our Beam counters of a run, on whichever engine, as `transforms.counters` named them."""
    counters = result.metrics().query()["counters"]
    return Counter({c.key.metric.name: c.result for c in counters if c.key.metric.namespace == NAMESPACE})
