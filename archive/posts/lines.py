"""Bytes of a posts file to lines: unpacked, split, and bounded, whatever the bytes are."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

import zstandard

from archive.posts.records import PAYLOAD_BYTES

COMPRESSIONS: dict[str, tuple[Callable[[], Any], int]] = {
    "gz": (lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), 2**13),
    "bz2": (bz2.BZ2Decompressor, 2**6),
    "zst": (lambda: zstandard.ZstdDecompressor().decompressobj(), 2**10),
}
"""Decompressors, and how many bytes they are fed at a time: so few that a bomb's unpack to less than 100 MB."""

CHUNK_BYTES = 2**16


class DamagedError(ValueError):
    """A compressed file cannot be unpacked any further. That it cannot be read at all is an OSError, which may pass."""


class TooLong(bytes):
    """The beginning of a line that is too long to be held."""


def read_lines(file: IO[bytes], source: str, max_line_bytes: int) -> Iterator[bytes]:
    """Lines of an open file without their ends; the name `source` tells its compression.

    A line of more than `max_line_bytes` comes as `TooLong`. A half line before the damage in a file is a line too.

    Raises:
        DamagedError: the file is damaged; after all that could be read of it.
    """
    chunks = _unpacked(file, source)
    held, too_long = bytearray(), None
    damaged: DamagedError | None = None
    while True:
        try:
            chunk = next(chunks, None)
        except DamagedError as error:
            chunk, damaged = None, error
        if chunk is None:
            break
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line = bytes(held) + part if held else part
            held.clear()
            if too_long is not None or len(line) > max_line_bytes:
                line = too_long or TooLong(line[:PAYLOAD_BYTES])
                too_long = None
            yield line
        held += rest
        if too_long is not None or len(held) > max_line_bytes:
            too_long = too_long or TooLong(held[:PAYLOAD_BYTES])
            held.clear()
    if held or too_long is not None:
        yield too_long or bytes(held)
    if damaged:
        raise damaged


def _unpacked(file: IO[bytes], source: str) -> Iterator[bytes]:
    """The file's content in pieces; compression is told by the name, and a file may hold several compressed parts.

    Decompressors are fed by hand, since readers of whole streams drop what they hold when the file breaks off, or do
    not tell that it did.

    Raises:
        DamagedError: what follows cannot be unpacked, or is missing.
    """
    compression = COMPRESSIONS.get(source.rsplit(".", 1)[-1].lower())
    if compression is None:
        while raw := file.read(CHUNK_BYTES):
            yield raw
        return
    unpacker, fed_bytes = compression
    part: Any = None
    while raw := file.read(fed_bytes):
        while raw := raw if part else raw.lstrip(b"\0"):  # padding between and behind the parts
            part = part or unpacker()
            try:
                unpacked = part.decompress(raw)
            except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
                raise DamagedError(str(error)) from error
            for start in range(0, len(unpacked), CHUNK_BYTES):
                yield unpacked[start : start + CHUNK_BYTES]
            raw = part.unused_data if part.eof else b""
            part = None if part.eof else part
    if part:
        raise DamagedError("the file is cut short")
