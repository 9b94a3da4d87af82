"""Exit statuses, signals, and the cause of a failure."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import NoReturn

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_TERMINATED = 0, 1, 2, 130, 143

LAST_S = 3.0
"""How long an interrupted process may take to end what it started, such as a job server."""


STATES = ("running", "done", "failed", "interrupted")
"""What a run can be."""


class Terminated(BaseException):
    """Raised in the main thread by SIGTERM, as KeyboardInterrupt is by Ctrl-C."""


def listen_for_sigterm() -> None:
    """Make SIGTERM raise `Terminated`; without a handler, process 1 of a container would ignore it."""

    def terminate(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not stop what is being put in order
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)


def end(status: int) -> NoReturn:
    """End the process; if it was interrupted, without waiting for threads that still work.

    Interpreter and libraries are not torn down. Of torch's that takes a CPU second and 50 MB of memory, and helps nobody.
    """
    last = threading.Thread(target=atexit._run_exitfuncs, daemon=True)
    last.start()
    last.join(LAST_S if status in (EXIT_INTERRUPTED, EXIT_TERMINATED) else None)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody may be reading any more
            stream.flush()
    os._exit(status)


def cause_of(error: BaseException) -> BaseException:
    """The first exception of a chain."""
    while earlier := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        error = earlier
    return error


def state_after(error: BaseException) -> str:
    """Return the state of a run that this exception ended."""
    return "failed" if isinstance(cause_of(error), Exception) else "interrupted"
