"""What an output says of its runs: `run.json` of the last one, and one file a run in `runs/`."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any, Self

from archive.whole_file import whole_file
from pipeline import manifest
from pipeline.manifest import RunManifest
from pipeline.output import RUNS
from pipeline.process import cause_of, state_after

HEARTBEAT_S = 30.0
"""How often `run.json` of a running run is written anew."""


class RunRecord:
    """Write `run.json`: `running` with a heartbeat inside the `with` block, then how the run ended.

    A run that ends without `end` was `interrupted` or has `failed`. A run that was killed stays `running`, with an old heartbeat.

    Args:
        output: address of the output folder.
        run: manifest of the run.
        about: what is known of the run at its start, with its `id`.
    """

    def __init__(self, output: str, run: RunManifest, about: dict[str, Any]) -> None:
        self._output = output
        self._run = run
        self._about = about | {"state": "running", "host": socket.gethostname(), "pid": os.getpid()}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._save(self._about)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._stop()
        if error is not None:
            cause = cause_of(error)
            ended: dict[str, Any] = {"state": state_after(error)}
            if ended["state"] == "failed":
                ended["problems"] = [f"{type(cause).__name__}: {cause}"]
            with suppress(OSError):  # a full disk may be what ended the run
                self._save_as_ended(self._about | ended)

    def end(self, run: RunManifest, summary: dict[str, Any]) -> None:
        """Write how the run ended."""
        self._stop()
        self._run = run
        self._save_as_ended(self._about | summary)

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            with suppress(OSError):
                self._save(self._about)

    def _stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _save(self, summary: dict[str, Any]) -> None:
        manifest.save(self._output, self._run, summary | {"heartbeat": _now()})

    def _save_as_ended(self, summary: dict[str, Any]) -> None:
        self._save(summary)
        short = {name: value for name, value in summary.items() if name != "sources"} | {"ended": _now()}
        with whole_file(f"{self._output}/{RUNS}/{summary['id']}.json") as file:
            file.write(f"{json.dumps(short, indent=1, ensure_ascii=False)}\n".encode("utf-8", "surrogateescape"))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
