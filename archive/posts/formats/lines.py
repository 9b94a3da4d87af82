"""Cut a stream into lines of JSON, of bounded length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from archive.posts.formats.document import split_document
from archive.posts.formats.pages import Path, records_of
from archive.posts.formats.too_long import TooLong
from archive.posts.packing.stream import DamagedError
from archive.posts.records import Entry

_BOM = b"\xef\xbb\xbf"
_JOINED = b"}{"


def read_lines(chunks: Iterable[bytes], max_line_bytes: int) -> Iterator[bytes]:
    """Yield the lines of a stream without line ends.

    A line of more than `max_line_bytes` is yielded as `TooLong`. A partial line before damage is yielded too.

    Raises:
        DamagedError: the stream is damaged; raised after all readable lines.
    """
    held, too_long = bytearray(), None
    damaged: DamagedError | None = None
    try:
        for chunk in chunks:
            first, *ended = chunk.split(b"\n")
            if ended:
                rest = ended.pop()
                first = bytes(held) + first if held else first
                held.clear()
                if too_long is not None or len(first) > max_line_bytes:
                    first = too_long or TooLong.cut(first)
                    too_long = None
                yield first
                if len(chunk) <= max_line_bytes:
                    yield from ended
                else:
                    for line in ended:
                        yield line if len(line) <= max_line_bytes else TooLong.cut(line)
                held += rest
            elif too_long is None:
                held += first
            if len(held) > max_line_bytes:
                too_long = TooLong.cut(held)
                held.clear()
    except DamagedError as error:
        damaged = error
    if held or too_long is not None:
        yield too_long or bytes(held)
    if damaged:
        raise damaged


def line_entries(chunks: Iterable[bytes], source: str, max_line_bytes: int, paths: Sequence[Path] = ()) -> Iterator[Entry]:
    """Yield the entries of lines of JSON. Objects joined on one line are entries of their own, with the same line number.

    Args:
        chunks: the bytes of the file.
        source: address for the entries.
        max_line_bytes: see `read_lines`.
        paths: where a line may hold an array of records, see `records_of`.

    Raises:
        DamagedError: as `read_lines`.
    """
    for number, line in enumerate(read_lines(chunks, max_line_bytes), start=1):
        if line[:3] == _BOM and type(line) is bytes:
            line = line.removeprefix(_BOM)
        if (not paths and _JOINED not in line) or type(line) is TooLong:
            yield Entry(line, source, number)
            continue
        for part in _joined(line) if _JOINED in line else [line]:
            for element in records_of(part, paths):
                yield Entry(element.data, source, number, element.context)


def _joined(line: bytes) -> list[bytes]:
    """Return the objects of a line on which several were joined, or the line as it is if there is anything else on it."""
    try:
        parts = [element.data for element in split_document([line], len(line))]
    except DamagedError:
        return [line]
    return parts if all(part.startswith(b"{") and part.endswith(b"}") for part in parts) else [line]
