"""Show the progress of a run: one redrawn line on a terminal, a line of the log a minute elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Self, TextIO

from tqdm import tqdm

from pipeline.logs import ERASE, LOG, is_json

TERMINAL_S, LOG_S = 0.5, 60.0
"""Time between two lines, in seconds."""

RATE_OVER_S = 60.0
"""The rate, and the time that is left, are those of the last minute."""

USUAL_SHARE_OF_DETECTION = 0.8
"""Of the time for a post with a picture, until the first ones are done."""


class Progress:
    """Show a progress line while the `with` block runs.

    Before the first row it says what the run does (`now`), later how many posts are done (`follow`).

    Args:
        stream: where to write the line (default: standard error), if it is a terminal and the log is for people.
        log_s: seconds between two lines of the log.
    """

    def __init__(self, stream: TextIO | None = None, log_s: float = LOG_S) -> None:
        self._stream = stream = stream or sys.stderr
        self._is_terminal = stream.isatty() and not is_json()
        self._interval_s = TERMINAL_S if self._is_terminal else log_s
        self._now = "starting"
        self._line: Callable[[], str] | None = None
        self._counts: Callable[[], Counter[str]] = Counter
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._show_until_done, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if self._is_terminal:
            self._stream.write(ERASE)
            self._stream.flush()

    def now(self, what: str) -> None:
        """Say what the run does at present, such as `loading the models`."""
        self._now, self._line = what, None
        if not self._is_terminal:
            LOG.debug("%s", what)

    def follow(self, line: Callable[[], str], counts: Callable[[], Counter[str]]) -> None:
        """Show this line from now on, and tell these counters; an empty line leaves what `now` said."""
        self._line, self._counts = line, counts

    def counts(self) -> Counter[str]:
        """Return the counters so far, of this run."""
        return self._counts()

    def _show_until_done(self) -> None:
        while not self._done.wait(self._interval_s):
            text = (self._line and self._line()) or self._now
            if self._is_terminal:
                width = _columns(self._stream) - 1
                self._stream.write(f"{ERASE}{text[:width]}")
                self._stream.flush()
            else:
                LOG.info("%s", text)


def _columns(stream: TextIO) -> int:
    """Return the width of the terminal; that of standard output may be another, or none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or shutil.get_terminal_size().columns
    except (OSError, ValueError):
        return shutil.get_terminal_size().columns


class Rate:
    """The rate of the last minute."""

    def __init__(self) -> None:
        self._earlier = deque([(time.monotonic(), 0.0)])

    def of(self, done: float) -> float:
        """Return how much is done a second, if this much is done now."""
        now = time.monotonic()
        self._earlier.append((now, done))
        while self._earlier[0][0] < now - RATE_OVER_S and len(self._earlier) > 2:
            self._earlier.popleft()
        since, then = self._earlier[0]
        return (done - then) / max(now - since, 1e-9)


class PostsLine:
    """Make the line of a run that counts its own posts.

    A post is done when it is tagged. Before, its pictures are detected, of a whole slice first: for share, rate and the time
    that is left, detection counts as much of a post as it takes of the time.

    Args:
        counts: returns the counters so far: `posts` (read), `detected`, `tagged`, `lines`, `pictures`, and times.
        total_lines: returns how many lines the posts files have, or None while they are being counted.
    """

    def __init__(self, counts: Callable[[], Counter[str]], total_lines: Callable[[], int | None]) -> None:
        self._counts = counts
        self._total_lines = total_lines
        self._rate = Rate()
        self._done = 0.0

    def __call__(self) -> str:
        """Return the line; empty before the first picture or post."""
        counts = self._counts()
        tagged = counts["tagged"]
        self._done = done = max(self._done, _done(counts))  # the part that detection counts for may shrink; what is done does not
        if not done:
            return ""
        rate = self._rate.of(done)
        lines = self._total_lines()
        total = None if lines is None else max(counts["posts"], lines - counts["lines"] - counts["done_before"] + counts["posts"])
        share = "" if total is None else f"{100 * done / max(total, 1):.0f}% "
        of = "" if total is None else f" of {total:,}"
        left = "" if total is None or not rate else f", {tqdm.format_interval(max(0, total - done) / rate)} left"
        return f"{share}{tagged:,}{of} posts, {rate:.1f}/s{left}, {counts['pictures']:,} pictures"


def _done(counts: Counter[str]) -> float:
    """Return how many posts are done, those in part by their part."""
    detect, tag = counts["time.detect_usec"] + counts["time.read_usec"], counts["time.tag_usec"]
    if not counts["pictures"]:
        return counts["tagged"]
    share = detect / (detect + tag) if tag else USUAL_SHARE_OF_DETECTION
    return counts["tagged"] + share * max(0, counts["detected"] - counts["tagged"])
