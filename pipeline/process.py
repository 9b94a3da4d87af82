"""How a process of ours talks and ends: quiet libraries, the cause of a failure, exit statuses. Imports nothing that talks."""

from __future__ import annotations

import logging
import os

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def cause_of(error: BaseException) -> BaseException:
    """The first exception of a chain."""
    while earlier := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        error = earlier
    return error


def quiet() -> None:
    """Keep libraries from talking over the progress line, and from looking for a network that they do not need."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    logging.basicConfig(level=logging.CRITICAL)  # Beam logs the traceback of a failure; ours goes to error.log
