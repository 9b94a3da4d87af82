"""Write annotated slices and the rejects of shards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import apache_beam as beam

from archive.posts.records import Reject
from transforms.counters import count, timed
from transforms.tag import AnnotatedSlice
from transforms.writers import WRITER
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


def write_shard_rejects(shard: str, rejects: Iterable[Reject], output: str) -> str:
    """Write the rejects of one shard, as many as there are, in bounded memory."""

    def counted() -> Iterator[dict[str, Any]]:
        for reject in rejects:
            count(f"rejects.{reject.stage}.{reject.reason}")
            yield asdict(reject)

    path = f"{output}/rejects/shard-{hashlib.sha256(shard.encode()).hexdigest()[:16]}{WRITER.suffix}"
    WRITER.write("rejects", counted(), path)
    return path
