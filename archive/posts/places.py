"""Read a posts file from places in its middle, where its format has such places."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Literal, NamedTuple

from archive.posts.entries import paths_in_lines
from archive.posts.formats.lines import line_batches
from archive.posts.formats.pages import parse_paths
from archive.posts.formats.parquet import row_batches, row_groups
from archive.posts.formats.sniff import HEAD_BYTES, format_of
from archive.posts.formats.text import is_utf16, utf8
from archive.posts.packing.compressed import ZSTD_INPUT_BYTES, unpacked
from archive.posts.packing.frames import has_several_frames
from archive.posts.packing.layers import HEAD_BYTES as PACKING_BYTES
from archive.posts.packing.layers import packing_of
from archive.posts.packing.stream import CHUNK_BYTES, DamagedError, Stream
from archive.posts.records import Entry
from archive.stores import open_file, read_range, version_of


class Place(NamedTuple):
    """Hold a place where the reading of a file can begin.

    Attributes:
        kind: of the file.
        start: bytes before a line, or before the zstd frame that the line is in; in Parquet the number of a row group.
        dropped_bytes: unpacked bytes of the frame before the line.
        line: number of the line, or of the first row of the group, from 1.
        has_arrays: whether lines may hold arrays of records.
    """

    kind: Literal["lines", "zstd", "Parquet"]
    start: int
    dropped_bytes: int
    line: int
    has_arrays: bool


class Batch(NamedTuple):
    """Hold consecutive entries of a file.

    Attributes:
        place: from which they can be read without those before it.
        dropped_entries: how many entries between the place and them.
        read_bytes: of the file until here, at least.
        entries: the entries.
    """

    place: Place
    dropped_entries: int
    read_bytes: int
    entries: list[Entry]


class _Frame(NamedTuple):
    """Hold where a zstd frame begins, and how many bytes are unpacked before it."""

    start: int
    unpacked_before: int


class _LineEnds:
    """Iterate over chunks of a file and remember where the last whole line ends.

    Attributes:
        end: bytes up to that line's end.
    """

    def __init__(self, chunks: Iterable[bytes], end: int) -> None:
        self._chunks = chunks
        self.end = end

    def __iter__(self) -> Iterator[bytes]:
        position = self.end
        for chunk in self._chunks:
            if length := chunk.rfind(b"\n") + 1:
                self.end = position + length
            position += len(chunk)
            yield chunk


def why_whole(address: str, max_line_bytes: int) -> str | None:
    """Return why a file has to be read from its beginning, such as `gzip`; None if it has places to begin at.

    Raises OSError if it cannot be read.
    """
    with open_file(address) as file:
        stream = Stream.of(file)
        packing = packing_of(stream.peek(PACKING_BYTES))
        if packing == "zstd":
            stream = Stream(unpacked(stream, packing))
            if inner := packing_of(stream.peek(PACKING_BYTES)):
                return f"{inner} in zstd"
        elif packing:
            return packing
        if is_utf16(stream):
            return "UTF-16"
        format_ = format_of(utf8(stream), max_line_bytes)
        if format_ not in ("JSON lines", "Parquet"):
            return format_
        if packing == "zstd":
            return "Parquet in zstd" if format_ == "Parquet" else None if has_several_frames(file) else "zstd of one frame"
        try:
            return "Parquet of one row group" if format_ == "Parquet" and row_groups(file) < 2 else None
        except DamagedError:
            return "damaged Parquet"


def read_batches(address: str, max_line_bytes: int, each: Sequence[str] = ()) -> Iterator[Batch]:
    """Yield all entries of a file for which `why_whole` is None, as `read_entries` does, with places to read them from.

    Raises:
        DamagedError: after all readable entries, if the file is damaged.
        OSError: the file cannot be read. This may be temporary, so it is not damage.
    """
    with open_file(address) as file:
        stream = Stream.of(file)
        if stream.peek(4) == b"PAR1":
            file.seek(0)
            for group, first, entries in row_batches(file, address, max_line_bytes):
                if entries:
                    yield Batch(Place("Parquet", group, 0, first, False), entries[0].line - first, 0, entries)
            return
        is_packed = packing_of(stream.peek(PACKING_BYTES)) == "zstd"
        frames: deque[_Frame] = deque()
        if is_packed:
            stream = Stream(unpacked(stream, "zstd", lambda packed, before: frames.append(_Frame(packed, before))))
        begin = len(BOM_UTF8) if stream.peek(len(BOM_UTF8)) == BOM_UTF8 else 0
        text = utf8(stream)
        paths = paths_in_lines(text.peek(HEAD_BYTES), parse_paths(each))
        lines, line = _LineEnds(text, begin), 1
        for entries in map(list, line_batches(lines, address, max_line_bytes, paths)):
            while len(frames) > 1 and frames[1].unpacked_before <= begin:
                frames.popleft()
            if is_packed:
                place = Place("zstd", frames[0].start, begin - frames[0].unpacked_before, line, bool(paths))
            else:
                place = Place("lines", begin, 0, line, bool(paths))
            yield Batch(place, 0, file.tell(), entries)
            begin, line = lines.end, entries[-1].line + 1


def read_from(address: str, max_line_bytes: int, each: Sequence[str], place: Place, end: int | None) -> Iterator[Entry]:
    """Yield the entries of a file from a place on, exactly as `read_batches` does.

    Args:
        address: of the file.
        max_line_bytes: as for `read_batches`.
        each: as for `read_batches`.
        place: where to begin, from `read_batches`.
        end: `read_bytes` of the batch with the last entry that is needed, more is not read; None for the end of the file.

    Raises:
        DamagedError: the file is damaged, or no more is read.
        OSError: the file cannot be read.
    """
    if place.kind == "Parquet":
        with open_file(address) as file:
            for batch in row_batches(file, address, max_line_bytes, place.start, place.line):
                yield from batch.entries
        return
    stream = Stream(_chunks(address, place.start, version_of(address)[0] if end is None else end))
    if place.kind == "zstd":
        stream = Stream(unpacked(stream, "zstd"))
        for _ in stream.take(place.dropped_bytes):
            pass
    paths = parse_paths(each) if place.has_arrays else ()
    yield from chain.from_iterable(line_batches(stream, address, max_line_bytes, paths, place.line))


def _chunks(address: str, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of a part of a file so that a decompressor gets the same input per call as from the beginning.

    Of a call that meets damage the whole output is lost, so other calls would give other lines before the damage.
    """
    for block in read_range(address, start, end):
        first_bytes = -start % ZSTD_INPUT_BYTES
        cuts = [0, first_bytes, *range(first_bytes + CHUNK_BYTES, len(block), CHUNK_BYTES), len(block)]
        yield from (block[begin:stop] for begin, stop in pairwise(cuts))
        start += len(block)
