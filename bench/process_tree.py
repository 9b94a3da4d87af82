"""Run a program and measure it with all the processes that it starts."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
POLL_S, MEMORY_POLL_S = 0.05, 0.5
"""Between two looks for the event, and between two at the memory, which takes milliseconds of a core."""


class ProgramError(RuntimeError):
    """A program ended with an error. The message is one sentence with the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a program took.

    Attributes:
        seconds: from its start to its end.
        event_s: from its start until `event` was true; equal to `seconds` if there is no event.
        peak_bytes: largest sum of the resident memory of all its processes. Pages that they share count for each.
        output: what it wrote to its standard output.
    """

    seconds: float
    event_s: float
    peak_bytes: int
    output: str


def measure(arguments: Sequence[str], environment: Mapping[str, str] | None = None, event: Callable[[], bool] | None = None) -> Measured:
    """Run this Python with arguments, in the root of the repository, and measure it.

    Args:
        arguments: of Python.
        environment: of the program; this one's if not given.
        event: called several times a second until it is true.

    Raises:
        ProgramError: its status is not 0.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started, happened, peak, next_look = time.perf_counter(), 0.0, 0, 0.0
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=output, stderr=errors)
        try:
            while process.poll() is None:
                if event and not happened and event():
                    happened = time.perf_counter() - started
                if time.perf_counter() >= next_look:
                    peak, next_look = max(peak, _resident_bytes(process.pid)), time.perf_counter() + MEMORY_POLL_S
                time.sleep(POLL_S)
        finally:
            process.kill()
        seconds = time.perf_counter() - started
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            last = [line for line in errors.read().splitlines() if line.strip()][-1:] or ["nothing was written"]
            raise ProgramError(f"{' '.join(arguments[:2])} ended with status {process.returncode}: {last[0]}")
        return Measured(seconds, happened or seconds, peak, output.read())


def _resident_bytes(pid: int) -> int:
    total = 0
    with suppress(psutil.NoSuchProcess):
        tree = psutil.Process(pid)
        for process in (tree, *tree.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
    return total
