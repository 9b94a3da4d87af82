"""Write and read the output as Parquet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archive.posts.records import Reject
from archive.whole_file import whole_file
from transforms.writers import schema
from transforms.writers.writer import Folder, SliceCounts, SliceFacts, UnreadableError

ROW_GROUP_ROWS = 1024
SCHEMAS: dict[Folder, pa.Schema] = {"annotations": schema.ANNOTATIONS, "rejects": schema.REJECTS}


class ParquetWriter:
    """See `Writer`. Files are compressed by zstd; the facts of a slice are in their key-value metadata."""

    suffix = ".parquet"
    version = schema.VERSION

    def write(self, folder: Folder, rows: Iterable[dict[str, Any]], path: str, facts: SliceFacts | None = None) -> None:
        """See `Writer.write`."""
        of_file = SCHEMAS[folder]
        if facts:
            about = {f"postner.{name}": value if isinstance(value, str) else json.dumps(value) for name, value in asdict(facts).items()}
            of_file = of_file.with_metadata(of_file.metadata | about)
        remaining = iter(rows)
        with whole_file(path) as file, pq.ParquetWriter(file, of_file, compression="zstd") as writer:
            while some := list(islice(remaining, ROW_GROUP_ROWS)):
                writer.write_table(pa.Table.from_pylist(some, of_file), row_group_size=ROW_GROUP_ROWS)

    def counts(self, file: IO[bytes]) -> SliceCounts | None:
        """See `Writer.counts`."""
        with _readable():
            parquet = pq.ParquetFile(file)
            entities: Counter[str] = Counter()
            images: Counter[str] = Counter()
            ids: list[str] = []
            for batch in parquet.iter_batches(columns=["post_id", "entities", "images"]):
                ids += batch["post_id"].to_pylist()
                entities.update(pc.struct_field(batch["entities"].flatten(), "type").to_pylist())
                images.update(pc.struct_field(batch["images"].flatten(), "status").to_pylist())
            rows = parquet.metadata.num_rows
            about = parquet.schema_arrow.metadata or {}
            if not rows and b"postner.source" not in about:
                return None
            source = about[b"postner.source"].decode("utf-8", "surrogateescape")
            numbers = {
                name: json.loads(about[f"postner.{name}".encode()]) for name in ("first_line", "lines", "blanks", "skipped", "escaped")
            }
            return SliceCounts(SliceFacts(source, run=about[b"postner.run"].decode(), **numbers), rows, ids, entities, images)

    def rejects(self, file: IO[bytes]) -> Iterator[Reject]:
        """See `Writer.rejects`."""
        with _readable():
            for batch in pq.ParquetFile(file).iter_batches(ROW_GROUP_ROWS):
                yield from (Reject(**row) for row in batch.to_pylist())

    def rows(self, folder: Folder, file: IO[bytes]) -> Iterator[dict[str, Any]]:
        """See `Writer.rows`."""
        with _readable():
            parquet = pq.ParquetFile(file)
            version = (parquet.schema_arrow.metadata or {}).get(b"postner.schema_version")
            if not parquet.schema_arrow.equals(SCHEMAS[folder]) or version != self.version.encode():
                raise UnreadableError(f"the schema is not that of version {self.version}")
            for batch in parquet.iter_batches():
                yield from batch.to_pylist()


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except UnreadableError:
        raise
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise UnreadableError(" ".join(str(error).split())[:200]) from error
