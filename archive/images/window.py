"""Read scattered headers of a file through one buffer."""

from __future__ import annotations

from typing import BinaryIO

from fsspec.implementations.local import LocalFileOpener

LOCAL_BYTES = 2**13
"""Bytes of one read on a local disk: a header and little of the picture behind it."""

REMOTE_BYTES = 2**22
"""Bytes of one request to a store: a request costs as long as some megabytes. Larger members are still passed over."""


class Window:
    """Read a file at any position. What lies in the buffer costs no read.

    Attributes:
        size: bytes of the file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ahead = LOCAL_BYTES if isinstance(file, LocalFileOpener) else REMOTE_BYTES
        self._start = 0
        self._buffer = b""
        self.size = file.seek(0, 2)

    def read(self, position: int, size: int) -> bytes:
        """Return `size` bytes from `position`, fewer at the end of the file."""
        begin = position - self._start
        if begin < 0 or begin + size > len(self._buffer):
            self._file.seek(position)
            self._buffer = self._file.read(max(size, self._ahead))
            self._start, begin = position, 0
        return self._buffer[begin : begin + size]
