"""Find the brackets and commas of JSON, with numpy: a parser per value would decode what nobody reads."""

from __future__ import annotations

import re

import numpy as np

COMMA, OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY = b",{}[]"

_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_STEP = np.zeros(256, np.int8)
_STEP[[OPEN_OBJECT, OPEN_ARRAY]] = 1
_STEP[[CLOSE_OBJECT, CLOSE_ARRAY]] = -1
_IS_MARK = _STEP != 0
_IS_MARK[COMMA] = True


class Structure:
    """Follow strings and nesting through chunks of JSON. The result does not depend on where the chunks are cut.

    Attributes:
        depth: how many brackets are open. A closing bracket too many is ignored.
        in_string: whether a string is open.
    """

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self.in_string = False
        self._escaped = False

    def marks(self, chunk: bytes, most_level: int) -> list[tuple[int, int, int]]:
        """Return (position, level, byte) of the brackets and commas outside strings, in order.

        The level is that of the brackets around: an array and its closing bracket have the same one.

        Args:
            chunk: the next bytes, not empty.
            most_level: marks of a higher level are left out.
        """
        if self._escaped:
            chunk = b"_" + chunk[1:]
            self._escaped = False
        if b"\\" in chunk:
            chunk = _ESCAPED.sub(b"__", chunk)
            self._escaped = chunk.endswith(b"\\")
        data = np.frombuffer(chunk, np.uint8)
        inside = np.cumsum(data == ord('"'), dtype=np.uint8)
        inside &= 1  # uint8 overflows, which keeps the parity
        inside ^= np.uint8(self.in_string)
        self.in_string = bool(inside[-1])
        positions = np.flatnonzero(_IS_MARK[data] > inside)
        if not len(positions):
            return []
        signs = data[positions]
        steps = _STEP[signs]
        after = self.depth + np.cumsum(steps, dtype=np.int64)
        after -= np.minimum(np.minimum.accumulate(after), 0)
        self.depth = int(after[-1])
        levels = after - (steps > 0)
        wanted = levels <= most_level
        return list(zip(positions[wanted].tolist(), levels[wanted].tolist(), signs[wanted].tolist(), strict=True))
