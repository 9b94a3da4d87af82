"""Run the pipeline in this process, in several processes of this machine, or on an engine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from archive.images.index import IndexFile, open_index, update_index
from archive.scratch import temporary_files_in_scratch
from models.loading import load_annotator, load_vision_model
from pipeline.beam_options import is_local, only_writes_graph
from pipeline.graph import Work, build
from pipeline.options import RunOptions
from pipeline.process import Terminated, cause_of
from pipeline.progress import PostsLine, Progress
from pipeline.written import WrittenFiles
from transforms.counters import LIVE, counts_of
from transforms.index_shards import write_problems

COUNTERS_INTERVAL_S = 0.5
EXAMPLES = 3


class WorkerDied(RuntimeError):
    """A worker process ended without a message."""


class WorkEnded(RuntimeError):
    """An engine ended the job before it was done, for example because somebody cancelled it."""


@dataclass(frozen=True)
class Job:
    """What is to be annotated, and how.

    Attributes:
        options: of the run.
        beam_options: Beam's.
        work: what is to be annotated.
    """

    options: RunOptions
    beam_options: PipelineOptions
    work: Work


def do(job: Job, progress: Progress, total_lines: Callable[[], int | None]) -> Counter[str] | None:
    """Run the job and show progress.

    Args:
        job: what is to be annotated.
        progress: shows how far it is.
        total_lines: returns how many lines there are, or None if that is not known yet.

    Returns:
        The counters; None if the job was only described. Raises whatever ends a pipeline.
    """
    if not job.work.posts:
        return Counter()
    if is_local(job.beam_options):
        job = replace(job, work=replace(job.work, index=_index(job, progress)))
    progress.now("starting the work")
    if job.options.local_workers > 1:
        return _share(job, progress, total_lines)
    LIVE.clear()
    pipeline = _pipeline(job)
    if is_local(job.beam_options):
        progress.follow(PostsLine(LIVE.snapshot, total_lines), LIVE.snapshot)
    else:
        written = WrittenFiles(job.options.output)
        progress.follow(written.line, written.counts)
    result = pipeline.run()  # here, the whole work; elsewhere, its beginning
    if only_writes_graph(job.beam_options):
        return None
    if not PipelineState.is_terminal(result.state):
        try:
            _wait(result)
        except (KeyboardInterrupt, Terminated):
            result.cancel()
            raise
    if result.state != PipelineState.DONE:
        raise WorkEnded(f"the engine ended the work in the state {result.state}")
    return counts_of(result) | LIVE.snapshot()


def _index(job: Job, progress: Progress) -> IndexFile:
    """Bring the index up to date in this process, and write the problems of the shards."""

    def tell(done: int, shards: int) -> None:
        progress.now(f"indexing {done:,} of {shards:,} shards")

    index = update_index(job.work.shards, job.work.index_folder, job.options.output, tell, job.work.versions).file
    write_problems(index, job.options.output)
    return index


def examples(work: Work, output: str) -> list[str]:
    """Return the names of some pictures in the shards."""
    return open_index(update_index(work.shards, work.index_folder, output, versions=work.versions).file).examples(EXAMPLES)


def _wait(result: PipelineResult) -> None:
    """Wait until an engine on other machines is done."""
    threading.excepthook = lambda _: None  # Beam's threads that listen to the engine fail when it is lost: reported once, below
    try:
        result.wait_until_finish()
    except grpc.RpcError as error:
        raise WorkEnded(f"the job server was lost ({error.code().name}); if the engine is still at work, end the job there first") from None


def _pipeline(job: Job) -> beam.Pipeline:
    pipeline = beam.Pipeline(options=job.beam_options)
    build(pipeline, job.options, job.work)
    return pipeline


def _share(job: Job, progress: Progress, total_lines: Callable[[], int | None]) -> Counter[str]:
    """One process per part: Beam's own local workers lose data, see docs/reliability.md."""
    load_annotator.cache_clear()  # the models were loaded to be checked; here they would only hold memory
    load_vision_model.cache_clear()
    parts = job.options.local_workers
    spawn = multiprocessing.get_context("spawn")
    counters: dict[Connection, Counter[str]] = {}
    processes: dict[Connection, SpawnProcess] = {}
    try:
        for part in range(parts):
            ours, theirs = spawn.Pipe(duplex=False)
            slice_filter = replace(job.work.slice_filter, part=part, parts=parts)
            part_of_job = replace(job, work=replace(job.work, slice_filter=slice_filter))
            process = spawn.Process(target=work, args=(part_of_job, theirs), daemon=True)
            process.start()
            theirs.close()
            counters[ours] = Counter()
            processes[ours] = process

        def counts() -> Counter[str]:
            return sum(counters.values(), Counter())

        progress.follow(PostsLine(counts, total_lines), counts)
        _listen(counters, processes)
        return sum(counters.values(), Counter())
    finally:
        for process in processes.values():
            process.kill()
            process.join()


def _listen(counters: dict[Connection, Counter[str]], processes: dict[Connection, SpawnProcess]) -> None:
    """Keep the latest counters of each worker until all have ended."""
    talking = set(counters)
    while talking:
        for connection in wait(list(talking)):
            assert isinstance(connection, Connection)
            try:
                message = connection.recv()
            except EOFError:
                talking.remove(connection)
                process = processes[connection]
                process.join()
                if process.exitcode != 0:
                    raise WorkerDied(
                        f"a worker process died (exit code {process.exitcode}): out of memory, or a crash in a native library"
                    ) from None
                continue
            if isinstance(message, str):
                raise RuntimeError(message)
            counters[connection] = message


def work(job: Job, connection: Connection) -> None:
    """Do a part of the job in a worker process, send its counters, and end when the parent process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    done = threading.Event()

    def send_counters() -> None:
        while not done.wait(COUNTERS_INTERVAL_S):
            connection.send(LIVE.snapshot())

    sender = threading.Thread(target=send_counters, daemon=True)
    sender.start()
    try:
        with temporary_files_in_scratch():
            result = _pipeline(job).run()
            result.wait_until_finish()
        last: Counter[str] | str = counts_of(result) | LIVE.snapshot()  # of progress Beam knows nothing
    except Exception as error:
        cause = cause_of(error)
        last = f"{type(cause).__name__}: {cause}\n{traceback.format_exc()}"
    done.set()
    sender.join()
    connection.send(last)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
