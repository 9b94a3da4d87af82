"""Read the entries of a posts file, whatever its packing and format are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice

from archive.posts.formats.delimited import delimited_entries
from archive.posts.formats.document import split_document
from archive.posts.formats.lines import line_batches
from archive.posts.formats.other import kind_of_other
from archive.posts.formats.pages import Path, parse_paths, records_of
from archive.posts.formats.parquet import row_batches
from archive.posts.formats.sniff import HEAD_BYTES, Format, Table, format_of, table_of
from archive.posts.formats.text import utf8
from archive.posts.packing.compressed import window_bytes
from archive.posts.packing.layers import Content, contents, packing_of, seekable
from archive.posts.packing.stream import DamagedError, Stream
from archive.posts.records import Entry, Skipped
from archive.stores import open_file

_LINE = re.compile(rb"^[ \t\xef\xbb\xbf]*(\{.*\})\s*$", re.MULTILINE)

_MEMBERS_LOOKED_AT = 256
"""Limit for the members of a tar or zip among which posts are looked for."""


@dataclass(frozen=True)
class FileKind:
    """Hold what a file is.

    Attributes:
        packings: what it is packed in, outermost first: `gzip`, `bzip2`, `xz`, `zstd`, `tar`, `zip`.
        format: the format inside; in a tar or zip that of the first member with posts.
        window_bytes: memory that a zstd file needs, or None.
        other: kind of a file that holds no posts, such as `image`, or None.
    """

    packings: tuple[str, ...]
    format: Format
    window_bytes: int | None = None
    other: str | None = None


def read_entries(address: str, max_line_bytes: int, each: Sequence[str] = (), most: int | None = None) -> Iterator[Entry]:
    """Yield every entry of a file, in order, in memory that does not depend on its size.

    A member of a tar or zip that holds no posts by its first bytes, such as a picture, is one entry that is `Skipped`.

    Args:
        address: of the file.
        max_line_bytes: longer lines, records and rows become `TooLong`.
        each: paths of the array that holds the records in a document, such as `data.children`; the first that is there counts.
        most: how many entries of the file, or of each member of a tar or zip, are read; None for all.

    Raises:
        DamagedError: after all readable entries, if the file or a member is damaged.
        OSError: the file cannot be read. This may be temporary, so it is not damage.
    """
    paths = parse_paths(each)
    damages: list[str] = []
    with open_file(address) as file:
        for content in contents(Stream.of(file), address):
            try:
                yield from islice(_entries(content, max_line_bytes, paths), most)
            except DamagedError as error:
                damages.append(f"{content.source[len(address) + 1 :]}: {error}" if content.is_member else str(error))
    if damages:
        raise DamagedError(damages[0] if len(damages) == 1 else f"{damages[0]} (and {len(damages) - 1} more)")


def count_entries(address: str, max_line_bytes: int, each: Sequence[str] = ()) -> int:
    """Count the entries of a file; in a damaged file, those that can be read. Raises OSError as `read_entries`."""
    count = 0
    with suppress(DamagedError):
        for _ in read_entries(address, max_line_bytes, each):
            count += 1
    return count


def describe(address: str) -> FileKind:
    """Return what a file is, by its first bytes. Raises OSError if it cannot be read."""
    with open_file(address) as file:
        stream = Stream.of(file)
        head = stream.peek(HEAD_BYTES)
        window = window_bytes(head) if packing_of(head) == "zstd" else None
        first: FileKind | None = None
        for content in islice(contents(stream, address), _MEMBERS_LOOKED_AT):
            kind = _kind(content, window)
            first = first or kind
            if kind.other is None:
                return kind
            if kind.other == "image" and "zip" not in kind.packings:
                break  # a tar is read to find its members, and this is a shard of pictures
        return first or FileKind((), "unknown", other="empty")


def _kind(content: Content, window: int | None) -> FileKind:
    if isinstance(content.stream, DamagedError):
        return FileKind(content.packings, "unknown", window_bytes=window)
    other = _other(content.stream)
    if other:
        return FileKind(content.packings, "unknown", window, other)
    text = utf8(content.stream)
    format_ = format_of(text, HEAD_BYTES)
    return FileKind(content.packings, format_, window, "text" if format_ == "unknown" and not text.is_damaged else None)


def _other(stream: Stream) -> str | None:
    head = stream.peek(HEAD_BYTES)
    return kind_of_other(head) if head or stream.is_damaged else "empty"


def _entries(content: Content, max_line_bytes: int, paths: Sequence[Path]) -> Iterator[Entry]:
    stream, source = content.stream, content.source
    if isinstance(stream, DamagedError):
        raise stream
    if content.is_member and (other := _other(stream)):
        yield Entry(Skipped(other), source, 1)
        return
    text = utf8(stream)
    match format_of(text, max_line_bytes):
        case "Parquet":
            yield from chain.from_iterable(batch.entries for batch in row_batches(seekable(stream), source, max_line_bytes))
        case "CSV" | "TSV":
            table = table_of(text.peek(HEAD_BYTES)) or Table(",", True)
            yield from delimited_entries(text, source, table.delimiter, max_line_bytes, table.has_header)
        case "JSON document" | "JavaScript":
            for number, (data, context) in enumerate(split_document(text, max_line_bytes, paths), start=1):
                yield Entry(data, source, number, context)
        case "unknown" if content.is_member and not text.is_damaged:
            yield Entry(Skipped("text"), source, 1)
        case _:
            yield from chain.from_iterable(line_batches(text, source, max_line_bytes, paths_in_lines(text.peek(HEAD_BYTES), paths)))


def paths_in_lines(head: bytes, paths: Sequence[Path]) -> Sequence[Path]:
    """Return the paths if one of the first lines holds an array of records, else none: plain lines are read faster."""
    lines = (found[1] for found in _LINE.finditer(head)) if paths else ()
    return paths if any(next(records_of(line, paths)).context is not None for line in lines) else ()
