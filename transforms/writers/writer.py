"""What a format of the output must do. A new format is a file beside `parquet.py` and its line in `__init__.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Literal, Protocol

from archive.posts.records import Reject

Folder = Literal["annotations", "rejects"]


class UnreadableError(ValueError):
    """A file is not one that the writer wrote."""


@dataclass(frozen=True, slots=True)
class SliceFacts:
    """What a file of annotations says of its slice.

    Attributes:
        source: address of the posts file.
        first_line: number of the slice's first line, from 1.
        lines: how many lines it spans; of files without lines, records.
        blanks: how many of them are empty.
        skipped: how many of them are no posts by the rules of their source, by kind.
        escaped: how many of its plain texts hold HTML entities.
        run: id of the run that wrote it.
    """

    source: str
    first_line: int
    lines: int
    blanks: int
    skipped: dict[str, int] = field(default_factory=dict)
    escaped: int = 0
    run: str = ""


@dataclass(frozen=True, slots=True)
class SliceCounts:
    """Counts of one file of annotations: its rows, their ids, entities by type, images by status."""

    facts: SliceFacts
    rows: int
    ids: list[str]
    entities: Counter[str]
    images: Counter[str]


class Writer(Protocol):
    """Writes rows to files, and reads from these files what an audit needs.

    The reading methods raise UnreadableError where a file is not one that this writer wrote.

    Attributes:
        suffix: of its files, such as `.parquet`.
        version: of the schema.
    """

    suffix: str
    version: str

    def write(self, folder: Folder, rows: Iterable[dict[str, Any]], path: str, facts: SliceFacts | None = None) -> None:
        """Write rows, in bounded memory, to one file that a reader sees whole or not at all."""

    def counts(self, file: IO[bytes]) -> SliceCounts | None:
        """Return the counts of a file of annotations; None for one without a slice, which only makes a folder a dataset."""

    def rejects(self, file: IO[bytes]) -> Iterator[Reject]:
        """Yield the rejects of a file."""

    def rows(self, folder: Folder, file: IO[bytes]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a file; its schema must be that of `version`."""
