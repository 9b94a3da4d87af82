"""The job in Ray Data: a pool of actors, each with our two networks. Pictures are unpacked, and all posts are in memory.

Each actor has a core per thread, and the pool is up before the work begins. Ray itself is given one core more by its own
count, since it starts no task where actors have taken all of them.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import ray

from bench.peers.networks import Networks, collected
from bench.peers.task import Task
from bench.process_tree import ROOT

READY_S = 600
START_TRIES = 3


class Annotate:
    """An actor."""

    def __init__(self, threads: int, precision: str) -> None:
        self._networks = Networks(threads, precision)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        rows = self._networks.rows([*batch["text"]], [[*paths] for paths in batch["files"]], [*batch["id"]])
        return {"row": np.array(rows, object)}


def _start(cores: int) -> None:
    """Start Ray, which gives up by itself after 30 seconds: too early beside other work."""
    for tries_left in reversed(range(START_TRIES)):
        try:
            environment = {"env_vars": {"PYTHONPATH": str(ROOT)}}
            ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level="error", runtime_env=environment)
            return
        except Exception:  # Ray raises no type of its own here
            if not tries_left:
                raise
            ray.shutdown()


def main(argv: list[str]) -> int:
    """Do a task."""
    task = Task.parse(argv)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    _start(task.workers * task.threads + 1)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.wait_for_min_actors_s = READY_S
    posts = ray.data.from_items(task.read_posts())
    blocks = posts.repartition(max(1, posts.count() // task.batch_size)).materialize()
    rows = blocks.map_batches(
        Annotate,
        fn_constructor_args=(task.threads, task.precision),
        batch_size=task.batch_size,
        compute=ray.data.ActorPoolStrategy(size=task.workers),
        num_cpus=task.threads,
    ).take_all()
    task.answer(*collected([row["row"] for row in rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
