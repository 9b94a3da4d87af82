"""What a peer is asked to do, and what it answers: each runs as a program of its own."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.process_tree import Measured, measure

OFFLINE = {"HF_HUB_OFFLINE": "1", "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0"}


@dataclass(frozen=True)
class Task:
    """What a peer does.

    Attributes:
        posts: file with a JSON object a line: `id`, `text`, `files` (paths of its pictures, unpacked).
        rows: file for the rows, `Row.to_json` a line, in any order.
        workers: processes that hold the models.
        threads: of each worker.
        batch_size: posts that a worker gets at once.
        precision: of our networks.
        by_length: whether texts are sorted by length first.
        classifier: folder of the Hugging Face token classifier.
    """

    posts: str
    rows: str
    workers: int = 1
    threads: int = 1
    batch_size: int = 16
    precision: str = "float32"
    by_length: bool = False
    classifier: str = ""

    def run(self, module: str) -> tuple[float, Measured]:
        """Run a peer and return its seconds without the start, and what it took. Raises ProgramError."""
        with tempfile.TemporaryDirectory() as settings:
            environment = os.environ | OFFLINE | {"OMP_NUM_THREADS": str(self.threads), "YOLO_CONFIG_DIR": settings}
            measured = measure(["-m", f"bench.peers.{module}", json.dumps(asdict(self))], environment)
        return float(measured.output.split()[-1]), measured

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> Task:
        """Return the task that `run` gave to this program."""
        return cls(**json.loads(arguments[0]))

    def read_posts(self) -> list[dict[str, Any]]:
        """Return the posts."""
        return [json.loads(line) for line in Path(self.posts).read_text(encoding="utf-8").splitlines()]

    def answer(self, lines: Iterable[str], ready: float) -> None:
        """Write the rows, then print the seconds since all models were loaded, `ready` by `time.time`."""
        Path(self.rows).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        print(time.time() - ready)
