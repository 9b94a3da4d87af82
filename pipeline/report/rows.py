"""Read an output batch by batch, so that memory does not grow with it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from archive.stores import open_file, resolve
from transforms.writers import WRITER
from transforms.writers.writer import Folder, UnreadableError

BATCH_ROWS = 1024

COUNTED = (
    "entities.text",
    "entities.type",
    "entities.score",
    "images.status",
    "images.texts.kind",
    "extra",
    "source",
    "line",
)
"""Columns that the counts need. The large ones, texts, evidence and objects, are read for the shown posts alone."""


class Place(NamedTuple):
    """Where a row is: the name of its file in annotations/, and its number there from 0."""

    file: str
    row: int


def read_summary(output: str) -> dict[str, Any]:
    """Return the content of `run.json`.

    Raises:
        UnreadableError: there is none, or it is no JSON object.
    """
    try:
        with open_file(f"{output}/run.json") as file:
            summary = json.loads(file.read().decode("utf-8", "replace"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableError(f"{output!r} is not the output of a run: {output + '/run.json'!r} cannot be read") from error
    if not isinstance(summary, dict):
        raise UnreadableError(f"{output!r} is not the output of a run: {output + '/run.json'!r} is no JSON object")
    return summary


def read_rows(output: str, folder: Folder, columns: Collection[str] = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield every row of a folder with its place, in the order of file names.

    Args:
        output: address of the output.
        folder: `annotations` or `rejects`.
        columns: paths such as `images.status`; those that the output lacks are left out. Empty for all.

    Raises:
        UnreadableError: there is no such folder, or one of its files cannot be read.
    """
    for name in _files(output, folder):
        number = 0
        with _Opened(f"{output}/{folder}/{name}") as parquet:
            for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=_held(parquet, columns)):
                for row in batch.to_pylist():
                    yield Place(name, number), row
                    number += 1


def read_chosen(output: str, places: Collection[Place]) -> Iterator[dict[str, Any]]:
    """Yield the whole rows at these places, in order. Only the row groups that hold them are read."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for place in places:
        wanted[place.file].add(place.row)
    for name in sorted(wanted):
        with _Opened(f"{output}/annotations/{name}") as parquet:
            first = 0
            for group in range(parquet.num_row_groups):
                following = first + parquet.metadata.row_group(group).num_rows
                rows = sorted(row - first for row in wanted[name] if first <= row < following)
                if rows:
                    yield from parquet.read_row_group(group).take(rows).to_pylist()
                first = following


def _files(output: str, folder: Folder) -> list[str]:
    address = f"{output}/{folder}"
    try:
        filesystem, path = resolve(address)
        names = [found.rstrip("/").rpartition("/")[2] for found in filesystem.ls(path, detail=False)]
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{output!r} is not the output of a run: there is no folder {address!r}") from error
    return sorted(name for name in names if name.endswith(WRITER.suffix) and not name.startswith("."))


def _held(parquet: pq.ParquetFile, columns: Collection[str]) -> list[str] | None:
    if not columns:
        return None
    paths = [parquet.schema.column(number).path for number in range(len(parquet.schema))]
    return [path for path in paths if path.replace(".list.element", "") in columns]


class _Opened:
    """A Parquet file whose errors name it."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> pq.ParquetFile:
        try:
            self._file = open_file(self._address)
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            return pq.ParquetFile(self._file)
        except (pa.ArrowException, OSError) as error:
            self._file.close()
            raise self._unreadable(error) from error

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._file.close()
        if isinstance(error, pa.ArrowException | OSError):
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> UnreadableError:
        first_line = str(error).partition("\n")[0]
        return UnreadableError(f"{self._address!r} cannot be read: {first_line}")
