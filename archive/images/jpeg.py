"""Judge a JPEG by its markers: the memory that decoding takes, and where a cut file ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

MOST_SCANS = 100
"""Scans of one picture; encoders write about ten. Each costs a pass over all pixels, in few bytes."""

_END_MARK = b"\xff\xd9"
_MARKER = re.compile(rb"\xff+([\xc0-\xcf\xd9-\xfe])")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_SCAN = 0xDA


@dataclass(frozen=True, slots=True)
class Layout:
    """Hold what the markers of a JPEG say.

    Attributes:
        first_scan: where the first scan begins, or None if there is none.
        scans: scans that begin in the file, at most.
        coefficient_bytes: memory for all coefficients, which a decoder holds if there are several scans; else 0.
        has_end: whether there is an end mark behind the first scan.
    """

    first_scan: int | None
    scans: int = 0
    coefficient_bytes: int = 0
    has_end: bool = False


def layout(data: bytes) -> Layout:
    """Return what the markers of a JPEG say, whatever its bytes are."""
    components = coefficients = 0
    is_progressive = False
    for marker, begin, body, following in _parts(data, 2):
        if following > len(data):
            break
        if marker in _FRAMES and not components:
            components, coefficients = _coefficients(data[body:following])
            is_progressive = marker in _PROGRESSIVE
        if marker == _SCAN:
            is_one_pass = not is_progressive and data[body + 2] == components
            has_end = data.rfind(_END_MARK, following) >= 0  # the data of scans hold no markers
            if is_one_pass:
                return Layout(begin, 1, 0, has_end)
            return Layout(begin, data.count(b"\xff\xda", begin), coefficients, has_end)
    return Layout(None)


def closed(data: bytes, first_scan: int) -> bytes | None:
    """Return a cut JPEG with an end mark behind its last whole part, so that the decoder gives what there is.

    Returns None if there is nothing: the first scan has no data.
    """
    parts, whole, end = 0, first_scan, len(data)
    for _, begin, _, following in _parts(data, first_scan):
        if following > len(data):
            end = begin
            break
        parts, whole = parts + 1, following
    rest = data[whole:end].rstrip(b"\0")  # zeros: a download whose space was reserved
    return data[:whole] + rest + _END_MARK if rest or parts > 1 else None


def _parts(data: bytes, position: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield each part of a JPEG: its marker, where the marker and the content begin, and where the content ends."""
    while match := _MARKER.search(data, position):
        body = match.end()
        position = body + max(2, int.from_bytes(data[body : body + 2], "big"))
        yield match[1][0], match.start(), body, position


def _coefficients(frame: bytes) -> tuple[int, int]:
    """Return the number of components of a frame header, and the bytes of all their coefficients, two each."""
    height, width = int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[5:7], "big")
    samplings = [(byte >> 4, byte & 15) for byte in frame[9::3]]
    widest = max((h for h, _ in samplings), default=1) or 1
    highest = max((v for _, v in samplings), default=1) or 1
    blocks = sum(-(-width * h // (8 * widest)) * -(-height * v // (8 * highest)) for h, v in samplings)
    return len(samplings), 2 * 64 * blocks


def missing_rows(image: Image.Image) -> float:
    """Return the share of the rows at the bottom that a cut JPEG has no data for, 0 to 1.

    libjpeg fills blocks without data with zero coefficients: the middle value in all channels, as it left the decoder.
    A progressive picture whose first scan is whole lacks no row, it is coarse. Rows that were really of that grey
    count as missing too; only cut pictures are asked.
    """
    rows = np.asarray(image).reshape(image.height, -1)
    filled = np.flatnonzero(((rows != 128) & (rows != 127)).any(axis=1))  # CMYK may be inverted by Pillow
    return 1.0 - (int(filled[-1]) + 1) / image.height if len(filled) else 1.0
