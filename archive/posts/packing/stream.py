"""Hold a stream of bytes whose beginning can be looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO

CHUNK_BYTES = 2**16


class DamagedError(ValueError):
    """Raised if a packed file or a document is damaged. A file that cannot be read is an OSError, which may be temporary."""


class Stream:
    """Iterate over chunks of bytes, once.

    Damage that is met while looking ahead is raised when the bytes before it have been read.

    Args:
        chunks: the bytes, in chunks of bounded size.
        file: the open file that `chunks` reads, if it is at its beginning and can seek.
    """

    def __init__(self, chunks: Iterable[bytes], file: BinaryIO | None = None) -> None:
        self._chunks = iter(chunks)
        self._held: deque[bytes] = deque()
        self._error: DamagedError | None = None
        self.file = file

    @classmethod
    def of(cls, file: BinaryIO) -> Stream:
        """Return the stream of an open file."""
        return cls(iter(lambda: file.read(CHUNK_BYTES), b""), file)

    def peek(self, size: int) -> bytes:
        """Return the next bytes and leave them in the stream; fewer than `size` if the stream ends or is damaged."""
        held = sum(map(len, self._held))
        while held < size and (chunk := self._pull()):
            self._held.append(chunk)
            held += len(chunk)
        return b"".join(self._held)[:size]

    @property
    def is_damaged(self) -> bool:
        """Whether looking ahead has met damage."""
        return self._error is not None

    def next_chunk(self, most: int) -> bytes:
        """Return up to `most` of the next bytes, b"" at the end. Raises DamagedError."""
        chunk = self._held.popleft() if self._held else self._pull()
        if not chunk and self._error:
            raise self._error
        if len(chunk) > most:
            self._held.appendleft(chunk[most:])
            chunk = chunk[:most]
        return chunk

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end. Raises DamagedError."""
        parts: list[bytes] = []
        while size > 0 and (chunk := self.next_chunk(size)):
            parts.append(chunk)
            size -= len(chunk)
        return b"".join(parts)

    def take(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes in chunks, fewer at the end. Raises DamagedError."""
        while size > 0 and (chunk := self.next_chunk(size)):
            size -= len(chunk)
            yield chunk

    def __iter__(self) -> Iterator[bytes]:
        while self._held:
            yield self._held.popleft()
        while chunk := self._pull():
            yield chunk
        if self._error:
            raise self._error

    def _pull(self) -> bytes:
        try:
            return next((chunk for chunk in self._chunks if chunk), b"")
        except DamagedError as error:
            self._error = error
            return b""
