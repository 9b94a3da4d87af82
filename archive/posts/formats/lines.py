"""Split a stream into lines of JSON, of bounded length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count, repeat
from typing import Any, cast

import numpy as np

from archive.posts.formats.document import split_document
from archive.posts.formats.pages import Element, Path, records_of
from archive.posts.formats.too_long import TooLong
from archive.posts.packing.stream import DamagedError
from archive.posts.records import PAYLOAD_BYTES, Entry

_BOM = b"\xef\xbb\xbf"
_JOINED = b"}{"


def read_lines(chunks: Iterable[bytes], max_line_bytes: int) -> Iterator[list[bytes]]:
    """Yield the lines of a stream without line ends, those of each chunk together.

    A line of more than `max_line_bytes` is yielded as `TooLong`. A partial line before damage is yielded too. The lines do
    not depend on where the chunks are cut.

    Raises:
        DamagedError: the stream is damaged; raised after all readable lines.
    """
    held, too_long = bytearray(), None
    damaged: DamagedError | None = None
    try:
        for chunk in chunks:
            lines = chunk.split(b"\n")
            rest = lines.pop()
            if lines:
                if held:
                    lines[0] = bytes(held) + lines[0]
                    held.clear()
                if len(lines[0]) + len(chunk) > max_line_bytes:
                    lines = [line if len(line) <= max_line_bytes else TooLong.cut(line) for line in lines]
                if too_long is not None:
                    lines[0], too_long = too_long, None
                yield lines
            if too_long is None:
                held += rest
                if len(held) > max(max_line_bytes, PAYLOAD_BYTES):
                    too_long = TooLong.cut(held)
                    held.clear()
    except DamagedError as error:
        damaged = error
    if too_long is None and len(held) > max_line_bytes:
        too_long = TooLong.cut(held)
    if held or too_long is not None:
        yield [too_long or bytes(held)]
    if damaged:
        raise damaged


def line_batches(
    chunks: Iterable[bytes], source: str, max_line_bytes: int, paths: Sequence[Path] = (), first_line: int = 1
) -> Iterator[Iterable[Entry]]:
    """Yield the entries of lines of JSON, those of each chunk together. Of objects joined on one line, each is an entry.

    Args:
        chunks: the bytes of the file, from the beginning of a line.
        source: address for the entries.
        max_line_bytes: see `read_lines`.
        paths: where a line may hold an array of records, see `records_of`.
        first_line: number of the first line.

    Raises:
        DamagedError: as `read_lines`.
    """
    number = first_line
    for lines in read_lines(chunks, max_line_bytes):
        if paths or _needs_care(b"\n".join(lines)):
            numbered = enumerate(lines, start=number)
            yield [Entry(data, source, at, context) for at, line in numbered for data, context in _elements(line, paths)]
        else:  # the same without a call per line
            yield map(_entry, zip(lines, repeat(source), count(number), repeat(None)))
        number += len(lines)


_entry = cast(Callable[[tuple[Any, ...]], Entry], partial(tuple.__new__, Entry))


def _needs_care(text: bytes) -> bool:
    """Return whether lines may hold a byte order mark or joined objects. Numpy, since bytes.find takes longer than the rest."""
    data = np.frombuffer(text, np.uint8)
    return (_BOM[:1] in text and _BOM in text) or bool(((data[:-1] == _JOINED[0]) & (data[1:] == _JOINED[1])).any())


def _elements(line: bytes, paths: Sequence[Path]) -> Iterator[Element]:
    if isinstance(line, TooLong):
        yield Element(line)
        return
    line = line.removeprefix(_BOM)
    for part in _joined(line) if _JOINED in line else [line]:
        yield from records_of(part, paths)


def _joined(line: bytes) -> list[bytes]:
    """Return the objects of a line on which several were joined, or the line as it is if there is anything else on it."""
    try:
        parts = [element.data for element in split_document([line], len(line))]
    except DamagedError:
        return [line]
    return parts if all(part.startswith(b"{") and part.endswith(b"}") for part in parts) else [line]
