"""Show the progress of a run: one redrawn line on a terminal, a dated line a minute elsewhere."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Self, TextIO

from tqdm import tqdm

TERMINAL_S, LOG_S = 0.5, 60.0
"""Time between two lines, in seconds."""

RATE_OVER_S = 60.0
"""The rate, and the time that is left, are those of the last minute."""


class Progress:
    """Show a progress line while the `with` block runs.

    Before the first row it says what the run does (`now`), later how many posts are done (`follow`).

    Args:
        stream: where to write the line (default: standard error).
        log_s: seconds between two lines if the stream is no terminal.
    """

    def __init__(self, stream: TextIO | None = None, log_s: float = LOG_S) -> None:
        self._stream = stream = stream or sys.stderr
        self._is_terminal = stream.isatty()
        self._interval_s = TERMINAL_S if self._is_terminal else log_s
        self._now = "starting"
        self._line: Callable[[], str] | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._show_until_done, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if self._is_terminal:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()

    def now(self, what: str) -> None:
        """Say what the run does at present, such as `loading the models`."""
        self._now, self._line = what, None

    def follow(self, line: Callable[[], str]) -> None:
        """Show this line from now on; an empty one leaves what `now` said."""
        self._line = line

    def _show_until_done(self) -> None:
        while not self._done.wait(self._interval_s):
            text = (self._line and self._line()) or self._now
            if self._is_terminal:
                width = shutil.get_terminal_size().columns - 1
                self._stream.write(f"\r\x1b[2K{text[:width]}")
            else:
                self._stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
            self._stream.flush()


class PostsLine:
    """Make the line of a run that counts its own posts.

    Args:
        counts: returns the counters so far: `posts` (read), `tagged`, `lines`, `pictures`.
        total_lines: returns how many lines the posts files have, or None while they are being counted.
    """

    def __init__(self, counts: Callable[[], Counter[str]], total_lines: Callable[[], int | None]) -> None:
        self._counts = counts
        self._total_lines = total_lines
        self._started = time.monotonic()
        self._earlier: deque[tuple[float, int]] = deque()

    def __call__(self) -> str:
        """Return the line; empty before the first post."""
        counts, now = self._counts(), time.monotonic()
        done = counts["tagged"]
        if not done:
            return ""
        self._earlier.append((now, done))
        while self._earlier[0][0] < now - RATE_OVER_S:
            self._earlier.popleft()
        since, then = self._earlier[0] if len(self._earlier) > 1 else (self._started, 0)
        rate = (done - then) / max(now - since, 1e-9)
        lines = self._total_lines()
        total = None if lines is None else max(done, lines - counts["lines"] + counts["posts"])
        share = "" if total is None else f"{100 * done // max(total, 1)}% "
        of = "" if total is None else f" of {total:,}"
        left = "" if total is None or not rate else f", {tqdm.format_interval((total - done) / rate)} left"
        return f"{share}{done:,}{of} posts, {rate:.1f}/s{left}, {counts['pictures']:,} pictures"


def files_line(started: float, files: int) -> str:
    """Return the line of a run on an engine: how many files it has written. Flink reports metrics only at the end.

    Args:
        started: when, by `time.monotonic`.
        files: how many files of annotations this run has written.
    """
    return f"{tqdm.format_interval(time.monotonic() - started)}, {files:,} files of annotations written"
