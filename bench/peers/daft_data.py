"""The job in Daft: a class with our two networks, an instance in each of several processes. Pictures are unpacked."""

from __future__ import annotations

import os
import sys

import daft
from daft import DataType, Series, col

from bench.peers.networks import Networks, collected
from bench.peers.task import Task
from bench.process_tree import ROOT


class Annotate:
    """An instance in a worker."""

    def __init__(self, threads: int, precision: str) -> None:
        self._networks = Networks(threads, precision)

    def rows(self, ids: Series, texts: Series, files: Series) -> list[str]:
        """Return the rows of a batch of posts."""
        return self._networks.rows(texts.to_pylist(), files.to_pylist(), ids.to_pylist())


def main(argv: list[str]) -> int:
    """Do a task."""
    task = Task.parse(argv)
    os.environ |= {"PYTHONPATH": str(ROOT), "DAFT_ANALYTICS_ENABLED": "0", "DAFT_PROGRESS_BAR": "0"}
    posts = task.read_posts()
    table = daft.from_pydict({name: [post[name] for post in posts] for name in ("id", "text", "files")})
    Annotate.rows = daft.method.batch(return_dtype=DataType.string(), batch_size=task.batch_size)(Annotate.rows)  # type: ignore[method-assign]
    worker = daft.cls(Annotate, cpus=task.threads, use_process=True, max_concurrency=task.workers)
    annotate = worker(task.threads, task.precision)
    rows = table.into_batches(task.batch_size).select(annotate.rows(col("id"), col("text"), col("files")).alias("row"))
    task.answer(*collected(rows.to_pydict()["row"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
