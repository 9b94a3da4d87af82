"""Write annotated slices and rejects as Parquet, each file whole or not at all."""

from __future__ import annotations

import functools
import hashlib
import os
import posixpath
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from typing import IO

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from archive.posts.records import Reject
from archive.stores import resolve
from transforms import schema
from transforms.counters import count, timed
from transforms.tag import AnnotatedSlice

ROW_GROUP_ROWS = 1024

PARTIAL = ".partial"
"""How the hidden names of files end that are being written."""


class WriteSlices(beam.PTransform):
    """Write each slice to `annotations/<slice>.parquet`, its rejects, if any, to `rejects/<slice>.parquet`; gives the slices' names.

    Args:
        output: address of the output folder.
    """

    def __init__(self, output: str) -> None:
        super().__init__()
        self._output = output

    def expand(self, slices: beam.PCollection) -> beam.PCollection:
        return slices | beam.Map(write_slice, self._output).with_output_types(str)


class WriteShardRejects(beam.PTransform):
    """Write the rejects of each image shard to `rejects/shard-<hash>.parquet`.

    Args:
        output: address of the output folder.
    """

    def __init__(self, output: str) -> None:
        super().__init__()
        self._output = output

    def expand(self, rejects: beam.PCollection) -> beam.PCollection:
        return (
            rejects | beam.Map(_by_shard) | beam.GroupByKey() | beam.MapTuple(functools.partial(write_shard_rejects, output=self._output))
        )


def write_slice(annotated: AnnotatedSlice, output: str) -> str:
    """Write one slice. The annotations file comes last, so that where it is, the slice is complete."""
    piece = annotated.slice
    about = {"source": piece.source, "first_line": piece.first_line, "lines": piece.lines, "blanks": piece.blanks}
    metadata = {f"postner.{name}": str(value) for name, value in about.items()}
    with timed("write"):
        if annotated.rejects:
            write_rejects(annotated.rejects, f"{output}/rejects/{piece.name}.parquet")
        rows = schema.ANNOTATIONS.with_metadata(schema.ANNOTATIONS.metadata | metadata)
        write_whole([pa.Table.from_pylist(annotated.rows, rows)], rows, f"{output}/annotations/{piece.name}.parquet")
    for name, amount in annotated.counts().items():
        count(name, amount)
    return piece.name


def write_shard_rejects(shard: str, rejects: Iterable[Reject], output: str) -> str:
    """Write the rejects of one shard, as many as there are, in bounded memory."""

    def counted() -> Iterator[Reject]:
        for reject in rejects:
            count(f"rejects.{reject.stage}.{reject.reason}")
            yield reject

    path = f"{output}/rejects/shard-{hashlib.sha256(shard.encode()).hexdigest()[:16]}.parquet"
    write_rejects(counted(), path)
    return path


def write_rejects(rejects: Iterable[Reject], path: str) -> None:
    """Write rejects in the order given."""

    def tables() -> Iterator[pa.Table]:
        remaining = iter(rejects)
        while some := [asdict(reject) for reject in islice(remaining, ROW_GROUP_ROWS)]:
            yield pa.Table.from_pylist(some, schema.REJECTS)

    write_whole(tables(), schema.REJECTS, path)


def write_whole(tables: Iterable[pa.Table], rows: pa.Schema, path: str) -> None:
    """Write tables as one zstd Parquet file that a reader sees whole or not at all."""
    with whole_file(path) as file, pq.ParquetWriter(file, rows, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)


@contextmanager
def whole_file(path: str) -> Iterator[IO[bytes]]:
    """A file to write that a reader sees whole or not at all.

    On a file system it is written under a hidden name, which readers of a folder skip, and renamed; an object store
    shows an object when it is closed, never before.
    """
    filesystem, name = resolve(path)
    folder, base = posixpath.split(name)
    is_local = isinstance(filesystem, LocalFileSystem)
    written = f"{folder}/.{base}.{uuid.uuid4().hex}{PARTIAL}" if is_local else name  # attempts may overlap on a cluster
    filesystem.makedirs(folder, exist_ok=True)
    try:
        with filesystem.open(written, "wb") as file:
            yield file
            if is_local:
                file.flush()
                os.fsync(file.fileno())
        if is_local:
            filesystem.mv(written, name)
    except BaseException:
        if is_local and filesystem.exists(written):
            filesystem.rm(written)
        raise


def _by_shard(reject: Reject) -> tuple[str, Reject]:
    return reject.source, reject
