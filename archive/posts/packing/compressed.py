"""Unpack compressed streams of bytes. Decompressors are called directly: stream readers hide a file that is cut short."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import zstandard

from archive.posts.packing.stream import CHUNK_BYTES, DamagedError, Stream

MAX_WINDOW_BYTES = 2**31
"""Limit for the memory of a decompressor, that of `zstd --long=31`."""

COMPRESSIONS: dict[str, tuple[Callable[[], Any], int]] = {
    "gzip": (lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), 2**13),
    "bzip2": (bz2.BZ2Decompressor, 2**16),
    "xz": (lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_WINDOW_BYTES), 2**16),
    "zstd": (lambda: zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).decompressobj(), 2**10),
}
"""Decompressors, and their input bytes per call: so few that a compression bomb yields less than 100 MB per call."""

ZSTD_INPUT_BYTES = COMPRESSIONS["zstd"][1]

_OUTPUT_BYTES = 2**20
"""Limit for the output per call of the decompressors that have one: a few bytes of bzip2 and xz unpack to gigabytes."""

_ERRORS = (OSError, EOFError, MemoryError, ValueError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


def unpacked(stream: Stream, compression: str, part_begins: Callable[[int, int], None] = lambda packed, unpacked: None) -> Iterator[bytes]:
    """Yield the unpacked content in chunks. A stream may have several compressed parts, and zeros between them.

    Args:
        stream: the packed bytes.
        compression: one of `COMPRESSIONS`.
        part_begins: called for each part, with the number of packed and of unpacked bytes before it.

    Raises:
        DamagedError: the rest cannot be unpacked, or is missing.
    """
    unpacker, fed_bytes = COMPRESSIONS[compression]
    part: Any = None
    fed = given = 0
    while raw := stream.next_chunk(fed_bytes):
        fed += len(raw)
        while raw := raw if part else raw.lstrip(b"\0"):
            if part is None:
                part = unpacker()
                part_begins(fed - len(raw), given)
            for output in _outputs(part, raw):
                given += len(output)
                for start in range(0, len(output), CHUNK_BYTES):
                    yield output[start : start + CHUNK_BYTES]
            raw = part.unused_data if part.eof else b""
            part = None if part.eof else part
    if part:
        raise DamagedError("the file is cut short")


def _outputs(part: Any, raw: bytes) -> Iterator[bytes]:
    try:
        if not hasattr(part, "needs_input"):
            yield part.decompress(raw)
            return
        yield part.decompress(raw, _OUTPUT_BYTES)
        while not (part.eof or part.needs_input):
            yield part.decompress(b"", _OUTPUT_BYTES)
    except _ERRORS as error:
        raise DamagedError(str(error)) from error


def window_bytes(head: bytes) -> int | None:
    """Return the window of the first zstd frame, which is the memory that it needs, or None if it cannot be told."""
    try:
        return zstandard.get_frame_parameters(head).window_size
    except zstandard.ZstdError:
        return None
