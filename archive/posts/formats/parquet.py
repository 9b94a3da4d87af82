"""Read the rows of a Parquet file, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from archive.posts.formats.too_long import TooLong
from archive.posts.packing.stream import DamagedError
from archive.posts.records import Entry, Reject

_BATCH_ROWS = 128


def parquet_entries(file: BinaryIO, source: str, max_row_bytes: int) -> Iterator[Entry]:
    """Yield the rows of a Parquet file, numbered from 1.

    Raises:
        DamagedError: after all readable rows, if the file is damaged.
        OSError: the store fails.
    """
    number = 0
    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches(_BATCH_ROWS, use_threads=False):
                for record in _records(batch, source, number, max_row_bytes):
                    number += 1
                    yield Entry(record, source, number)
    except OSError as error:
        if error.errno is not None:  # pyarrow's own errors have no number
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
    return [_record(batch.slice(row, 1), source, number + row + 1, max_row_bytes) for row in range(batch.num_rows)]


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
