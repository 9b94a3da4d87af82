"""Read the rows of a Parquet file, a few at a time."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from archive.posts.formats.too_long import TooLong
from archive.posts.packing.stream import DamagedError
from archive.posts.records import Entry, Reject

_BATCH_ROWS = 128


class RowBatch(NamedTuple):
    """Some rows of a Parquet file.

    Attributes:
        group: number of their row group, from 0.
        first_of_group: line number of the first row of that group.
        entries: the rows.
    """

    group: int
    first_of_group: int
    entries: list[Entry]


def row_batches(file: BinaryIO, source: str, max_row_bytes: int, first_group: int = 0, first_line: int = 1) -> Iterator[RowBatch]:
    """Yield the rows of a Parquet file. No batch crosses a row group, so the rows of a group do not depend on those before.

    Args:
        file: that can seek.
        source: address for the entries.
        max_row_bytes: larger rows become `TooLong`.
        first_group: number of the row group to begin with.
        first_line: line number of its first row.

    Raises:
        DamagedError: after all readable rows, if the file is damaged.
        OSError: the store fails.
    """
    with _damage(), pq.ParquetFile(file) as table:
        for group in range(first_group, table.num_row_groups):
            line = first_line
            for batch in table.iter_batches(_BATCH_ROWS, row_groups=[group], use_threads=False):
                records = _records(batch, source, line, max_row_bytes)
                yield RowBatch(group, first_line, [Entry(record, source, number) for number, record in enumerate(records, start=line)])
                line += len(records)
            first_line = line


def row_groups(file: BinaryIO) -> int:
    """Return how many row groups a Parquet file has. Raises DamagedError and OSError as `row_batches`."""
    with _damage(), pq.ParquetFile(file) as table:
        return int(table.num_row_groups)


@contextmanager
def _damage() -> Iterator[None]:
    """Raise DamagedError for what pyarrow raises on a damaged file."""
    try:
        yield
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # pyarrow's own errors have no number; a wrong offset is an invalid argument
            raise
        raise DamagedError(str(error)) from error
    except (pa.ArrowException, ValueError, MemoryError) as error:
        raise DamagedError(str(error)) from error


def _records(batch: pa.RecordBatch, source: str, number: int, max_row_bytes: int) -> Sequence[dict[str, Any] | Reject | TooLong]:
    if batch.nbytes <= max_row_bytes:
        try:
            return _rows(batch)
        except (pa.ArrowException, ValueError, OverflowError):
            pass
    return [_record(batch.slice(row, 1), source, number + row, max_row_bytes) for row in range(batch.num_rows)]


def _record(row: pa.RecordBatch, source: str, number: int, max_row_bytes: int) -> dict[str, Any] | Reject | TooLong:
    if row.nbytes > max_row_bytes:
        return TooLong()
    try:
        return _rows(row)[0]
    except UnicodeDecodeError as error:
        return Reject.cut("post", "not_utf8", source, number, error.object)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        return Reject.cut("post", "bad_row", source, number, str(error))


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    columns = [_plain(column).to_pylist() for column in batch.columns]
    return [dict(zip(batch.schema.names, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain(column: pa.Array) -> pa.Array:
    """Return a column without nanoseconds, which Python's times do not have."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return column.cast(pa.timestamp("us", kind.tz), safe=False)
    return column
