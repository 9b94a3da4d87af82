"""Write annotated slices and the rejects of shards."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict

import apache_beam as beam

from archive.images import ShardProblem
from archive.posts.records import Reject
from archive.stores import resolve
from transforms.counters import count, timed
from transforms.tag import AnnotatedSlice
from transforms.writers import SHARD_REJECTS, WRITER
from transforms.writers.writer import SliceFacts


class WriteSlices(beam.PTransform):
    """Write each slice to `annotations/<slice>`, and its rejects, if any, to `rejects/<slice>`; gives the slices' names.

    Args:
        output: address of the output folder.
        run_id: id of the run, which the files of annotations carry.
    """

    def __init__(self, output: str, run_id: str) -> None:
        super().__init__()
        self._output = output
        self._run_id = run_id

    def expand(self, slices: beam.PCollection) -> beam.PCollection:
        return slices | beam.Map(write_slice, self._output, self._run_id).with_output_types(str)


def write_slice(annotated: AnnotatedSlice, output: str, run_id: str) -> str:
    """Write one slice. The annotations file comes last, so that where it is, the slice is complete."""
    done = annotated.slice
    facts = SliceFacts(done.source, done.first_line, done.lines, done.blanks, done.skipped, done.escaped, run_id)
    with timed("write"):
        if annotated.rejects:
            WRITER.write("rejects", map(asdict, annotated.rejects), f"{output}/rejects/{done.name}{WRITER.suffix}")
        WRITER.write("annotations", annotated.rows, f"{output}/annotations/{done.name}{WRITER.suffix}", facts)
    for name, amount in annotated.counts().items():
        count(name, amount)
    return done.name


def write_shard_rejects(problems: Iterable[tuple[str, list[ShardProblem]]], shards: Iterable[str], output: str) -> None:
    """Write the problems of shards as rejects, a file a shard, in bounded memory.

    The name of a file tells its shard and its content, so that what an earlier run wrote is not written again. Files of
    problems that these shards do not have any more are removed.

    Args:
        problems: of each shard that has any.
        shards: addresses of all shards.
        output: address of the output folder.
    """
    filesystem, folder = resolve(f"{output}/rejects")
    filesystem.invalidate_cache()
    there: set[str] = set()
    with suppress(FileNotFoundError):
        there = {name for path in filesystem.ls(folder, detail=False) if SHARD_REJECTS.fullmatch(name := posixpath.basename(path))}
    for shard, of_shard in problems:
        content = hashlib.sha256()
        for problem in of_shard:
            content.update(f"{problem.reason} {problem.detail}\n".encode("utf-8", "surrogateescape"))
            count(f"rejects.shard.{problem.reason}")
        name = f"{_beginning(shard)}-{content.hexdigest()[:16]}{WRITER.suffix}"
        if name not in there:
            rejects = (Reject.cut("shard", problem.reason, problem.shard, None, problem.detail) for problem in of_shard)
            WRITER.write("rejects", map(asdict, rejects), f"{output}/rejects/{name}")
        there.discard(name)
    beginnings = {_beginning(shard) for shard in shards}
    for name in there:
        if name[: len(_beginning(""))] in beginnings:
            filesystem.rm(f"{folder}/{name}")


def _beginning(shard: str) -> str:
    return f"shard-{hashlib.sha256(shard.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
