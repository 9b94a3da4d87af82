"""What Beam's streaming in Python does on Flink when it is disturbed: why --watch makes rounds of batch jobs instead.

    python -m bench.streaming

MatchContinuously with checkpoints every 3 s on two TaskManagers; one is killed and replaced three times while files come; then
the job is stopped and started again, as after a failure. Counts files that were never seen, and those seen more than once.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import apache_beam as beam
import psutil
from apache_beam.io.fileio import MatchContinuously
from apache_beam.io.filesystem import FileMetadata
from apache_beam.options.pipeline_options import PipelineOptions

from deploy.flink.cluster import JARS, Cluster

STREAMING = ["--streaming", "--checkpointing_interval=3000"]
PATIENCE_S = 120.0


def note(found: FileMetadata, seen: str) -> None:
    """Leave a mark for a file that was seen, another for each time."""
    Path(seen, f"{Path(found.path).name}.{uuid.uuid4().hex}").touch()


def main() -> None:
    """The command."""
    with tempfile.TemporaryDirectory() as folder, Cluster(JARS, Path(folder) / "cluster", 2) as cluster:
        incoming, seen = Path(folder) / "in", Path(folder) / "seen"
        incoming.mkdir()
        seen.mkdir()
        result = _start(cluster, incoming, seen)
        _add(incoming, seen, 10)
        _tell("undisturbed", incoming, seen)
        for kill in range(1, 4):
            victim = [manager for manager in cluster.processes[1:] if manager.poll() is None][kill % 2]
            victim.kill()
            cluster.start_task_manager(len(cluster.processes))
            _add(incoming, seen, 6)
            _tell(f"after {kill} TaskManagers were killed", incoming, seen)
        [job] = cluster.ask("jobs")["jobs"]
        checkpoints = cluster.ask(f"jobs/{job['id']}/checkpoints")["counts"]
        print(f"the job is {job['status']}; {checkpoints['failed']} of {checkpoints['total']} checkpoints failed", flush=True)
        if job["status"] == "RUNNING":
            result.cancel()
        while any(job["status"] in ("RUNNING", "CANCELLING") for job in cluster.ask("jobs")["jobs"]):
            time.sleep(1)
        _start(cluster, incoming, seen)
        _add(incoming, seen, 5)
        _tell("after a stop and a new start", incoming, seen)
    for child in psutil.Process().children(recursive=True):  # Beam's job servers
        child.kill()
    os._exit(0)  # Beam's threads that listen to the jobs do not end


def _start(cluster: Cluster, incoming: Path, seen: Path) -> Any:
    pipeline = beam.Pipeline(options=PipelineOptions([*cluster.options(), *STREAMING]))
    _ = pipeline | MatchContinuously(f"{incoming}/*.jsonl", interval=2) | beam.Reshuffle() | beam.Map(note, str(seen))
    return pipeline.run()


def _add(incoming: Path, seen: Path, count: int) -> None:
    """Add files, and wait until all were seen or patience ends."""
    for _ in range(count):
        (incoming / f"{len(list(incoming.iterdir())):03}.jsonl").touch()
        time.sleep(0.4)
    end = time.monotonic() + PATIENCE_S
    while len(_times(seen)) < len(list(incoming.iterdir())) and time.monotonic() < end:
        time.sleep(1)
    time.sleep(15)  # what is done twice may come late


def _times(seen: Path) -> Counter[str]:
    return Counter(path.name.split(".")[0] for path in seen.iterdir())


def _tell(when: str, incoming: Path, seen: Path) -> None:
    files, times = len(list(incoming.iterdir())), _times(seen)
    print(f"{when}: {files} files, {files - len(times)} never seen, {sum(n > 1 for n in times.values())} seen more than once", flush=True)


if __name__ == "__main__":
    main()
