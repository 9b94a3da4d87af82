"""Unpack a posts file and split it into lines of bounded length."""

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
"""Decompressors, and their input bytes per call: so few that a compression bomb yields less than 100 MB per call."""

CHUNK_BYTES = 2**16


class DamagedError(ValueError):
    """Raised if a compressed file is damaged. A file that cannot be read is an OSError, which may be temporary."""


class TooLong(bytes):
    """The first bytes of a line that exceeds the limit."""


def read_lines(file: IO[bytes], source: str, max_line_bytes: int) -> Iterator[bytes]:
    """Yield the lines of an open file without line ends. The extension of `source` gives the compression.

    A line of more than `max_line_bytes` is yielded as `TooLong`. A partial line before damage is yielded too.

    Raises:
        DamagedError: the file is damaged; raised after all readable lines.
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
    """Yield the unpacked content in chunks. A file may have several compressed parts.

    Decompressors are called directly: stream readers lose buffered data or report no error when a file is cut short.

    Raises:
        DamagedError: the rest cannot be unpacked, or is missing.
    """
    compression = COMPRESSIONS.get(source.rsplit(".", 1)[-1].lower())
    if compression is None:
        while raw := file.read(CHUNK_BYTES):
            yield raw
        return
    unpacker, fed_bytes = compression
    part: Any = None
    while raw := file.read(fed_bytes):
        while raw := raw if part else raw.lstrip(b"\0"):  # padding between and after the parts
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
