"""Log to standard error: dated lines, or one JSON object a line. The summary of a run goes to standard output."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Sequence
from itertools import pairwise

LOG = logging.getLogger("postner")

TEXT, JSON = "text", "json"
ERASE = "\r\x1b[2K"
"""What removes the progress line from a terminal."""


class _Handler(logging.StreamHandler):
    """Writes to what is standard error at the time, over the progress line."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream.isatty():
            self.stream.write(ERASE)
        super().emit(record)


class _JsonFormatter(logging.Formatter):
    """Makes an object with `time` (UTC), `level`, `logger`, `message`, `run` and, of an exception, `traceback`."""

    def __init__(self, run: str | None) -> None:
        super().__init__()
        self._run = run

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        told = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "run": self._run,
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


def configure(level: str = "info", kind: str = TEXT, run: str | None = None) -> None:
    """Set what is logged and how. Other libraries are heard with `debug` alone: Beam logs the traceback of each failure.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        kind: `text` or `json`.
        run: id of the run, which JSON carries.
    """
    handler = _Handler()
    text = logging.Formatter("%(asctime)s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")
    handler.setFormatter(_JsonFormatter(run) if kind == JSON else text)
    LOG.handlers = [handler]
    LOG.setLevel(level.upper())
    LOG.propagate = False
    if level == "debug":
        logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def is_json() -> bool:
    """Whether the log is for machines."""
    return any(isinstance(handler.formatter, _JsonFormatter) for handler in LOG.handlers)


def asked_kind(argv: Sequence[str]) -> str:
    """Return the value of `--log_format` in a command line that may hold mistakes, which are told in that format."""
    words = [word for argument in argv for word in argument.split("=", 1)]
    return JSON if ("--log_format", JSON) in pairwise(words) else TEXT
