"""Tell whether a zstd file has several frames, by their headers alone. Each frame can be unpacked without those before it."""

from __future__ import annotations

from typing import BinaryIO

import zstandard

from archive.images.window import Window

LARGEST_FIRST_FRAME_BYTES = 64 * 2**20
"""Limit for the packed bytes among which the end of the first frame is looked for; on a store they are read."""

_MAGIC = b"\x28\xb5\x2f\xfd"
_HEADER_BYTES = 18
_CHECKSUM_BYTES = 4
_RUN_LENGTH = 1
"""Type of a block that holds one byte, and how often it is repeated."""


def has_several_frames(file: BinaryIO) -> bool:
    """Return whether a zstd file has another frame behind its first one. Skippable frames, which hold no data, do not count."""
    window = Window(file)
    try:
        first = _next_frame(window, 0)
        return first is not None and (end := _end_of_frame(window, first)) is not None and _next_frame(window, end) is not None
    except zstandard.ZstdError:
        return False  # reading it tells the damage


def _next_frame(window: Window, position: int) -> int | None:
    """Return where the next frame with data begins; None if there is none."""
    while position < LARGEST_FIRST_FRAME_BYTES:
        head = window.read(position, 8)
        if head.startswith(_MAGIC):
            return position
        if len(head) < 8 or head[1:4] != b"\x2a\x4d\x18" or not 0x50 <= head[0] <= 0x5F:
            return None
        position += 8 + int.from_bytes(head[4:8], "little")
    return None


def _end_of_frame(window: Window, position: int) -> int | None:
    """Return where a frame ends, by the lengths of its blocks; None if the file or the limit ends before."""
    header = window.read(position, _HEADER_BYTES)
    has_checksum = zstandard.get_frame_parameters(header).has_checksum
    position += zstandard.frame_header_size(header)
    while position < LARGEST_FIRST_FRAME_BYTES:
        block = window.read(position, 3)
        if len(block) < 3:
            return None
        facts = int.from_bytes(block, "little")
        is_last, kind, size = facts & 1, facts >> 1 & 3, facts >> 3
        position += 3 + (1 if kind == _RUN_LENGTH else size)
        if is_last:
            return position + _CHECKSUM_BYTES * has_checksum
    return None
