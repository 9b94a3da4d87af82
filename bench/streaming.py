"""Measure how Beam's streaming in Python survives failures on Flink. The result is why --watch runs batch jobs instead.

    python -m bench.streaming

It runs MatchContinuously with checkpoints every 3 s on two TaskManagers. While files arrive, one is killed and replaced,
three times. Then the job is stopped and started again, as after a failure. It counts files that were never read, and files
that were read more than once.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from archive.command_line import Parser
from deploy.flink.cluster import JARS, Cluster

if TYPE_CHECKING:
    from apache_beam.io.filesystem import FileMetadata

STREAMING = ["--streaming", "--checkpointing_interval=3000"]
TIMEOUT_S = 120.0


def mark(found: FileMetadata, marks: str) -> None:
    """Create a marker file, one each time that a file is read."""
    Path(marks, f"{Path(found.path).name}.{uuid.uuid4().hex}").touch()


def main() -> None:
    """Run the command."""
    Parser("bench.streaming", __doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder, Cluster(JARS, Path(folder) / "cluster", 2) as cluster:
        incoming, marks = Path(folder) / "in", Path(folder) / "marks"
        incoming.mkdir()
        marks.mkdir()
        result = _start(cluster, incoming, marks)
        _add(incoming, marks, 10)
        _report("undisturbed", incoming, marks)
        for kill in range(1, 4):
            victim = [manager for manager in cluster.processes[1:] if manager.poll() is None][kill % 2]
            victim.kill()
            cluster.start_task_manager(len(cluster.processes))
            _add(incoming, marks, 6)
            _report(f"after {kill} TaskManagers were killed", incoming, marks)
        [job] = cluster.ask("jobs")["jobs"]
        checkpoints = cluster.ask(f"jobs/{job['id']}/checkpoints")["counts"]
        print(f"the job is {job['status']}; {checkpoints['failed']} of {checkpoints['total']} checkpoints failed", flush=True)
        if job["status"] == "RUNNING":
            result.cancel()
        while any(job["status"] in ("RUNNING", "CANCELLING") for job in cluster.ask("jobs")["jobs"]):
            time.sleep(1)
        _start(cluster, incoming, marks)
        _add(incoming, marks, 5)
        _report("after a stop and a new start", incoming, marks)
    for child in psutil.Process().children(recursive=True):  # Beam's job servers
        child.kill()
    os._exit(0)  # Beam's threads that listen to the jobs do not end


def _start(cluster: Cluster, incoming: Path, marks: Path) -> Any:
    import apache_beam as beam  # takes seconds
    from apache_beam.io.fileio import MatchContinuously
    from apache_beam.options.pipeline_options import PipelineOptions

    pipeline = beam.Pipeline(options=PipelineOptions([*cluster.options(), *STREAMING]))
    _ = pipeline | MatchContinuously(f"{incoming}/*.jsonl", interval=2) | beam.Reshuffle() | beam.Map(mark, str(marks))
    return pipeline.run()


def _add(incoming: Path, marks: Path, count: int) -> None:
    """Add files, and wait until all were read, at most `TIMEOUT_S`."""
    for _ in range(count):
        (incoming / f"{len(list(incoming.iterdir())):03}.jsonl").touch()
        time.sleep(0.4)
    end = time.monotonic() + TIMEOUT_S
    while len(_times(marks)) < len(list(incoming.iterdir())) and time.monotonic() < end:
        time.sleep(1)
    time.sleep(15)  # a second read may come late


def _times(marks: Path) -> Counter[str]:
    return Counter(path.name.split(".")[0] for path in marks.iterdir())


def _report(when: str, incoming: Path, marks: Path) -> None:
    files, times = len(list(incoming.iterdir())), _times(marks)
    print(f"{when}: {files} files, {files - len(times)} never read, {sum(n > 1 for n in times.values())} read more than once", flush=True)


if __name__ == "__main__":
    main()
