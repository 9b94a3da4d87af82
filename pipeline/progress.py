"""Show the progress of a run: one redrawn line on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Self, TextIO

from tqdm import tqdm

TERMINAL_SECONDS, PLAIN_SECONDS = 0.5, 10.0


class Progress:
    """Show a progress line while the `with` block runs.

    Args:
        line: returns the line, given the seconds so far.
        stream: where to write the line (default: standard error).
    """

    def __init__(self, line: Callable[[float], str], stream: TextIO | None = None) -> None:
        self._line = line
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
            text = self._line(time.monotonic() - started)
            self._stream.write(f"\r\x1b[2K{text}" if self._is_terminal else f"{text}\n")
            self._stream.flush()
            shown = True
        if shown and self._is_terminal:
            self._stream.write("\r\x1b[2K")


def of_counts(counts: Counter[str], seconds: float) -> str:
    """Return a line with posts done, posts read so far, rate, time left and pictures processed."""
    meter = tqdm.format_meter(counts["rows"], counts["posts"] or None, seconds, unit=" posts", ncols=70, ascii=True)
    return f"{meter} {counts['pictures']:,} pictures"


def of_shards(done: int, shards: int, seconds: float) -> str:
    """Return a line with the number of shards whose index is up to date."""
    return f"{tqdm.format_interval(seconds)}, indexing {done:,} of {shards:,} shards"


def of_files(files: int, seconds: float) -> str:
    """Return a line with the number of files written so far.

    For work in other processes, every engine shows this. Flink reports metrics only at the end.
    """
    return f"{tqdm.format_interval(seconds)}, {files:,} files of annotations written"
