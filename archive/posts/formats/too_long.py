"""Mark an entry that exceeds the limit."""

from __future__ import annotations

from archive.posts.records import PAYLOAD_BYTES


class TooLong(bytes):
    """The first bytes of an entry that exceeds the limit."""

    @classmethod
    def cut(cls, start: bytes | bytearray) -> TooLong:
        """Return the mark of an entry that begins with these bytes."""
        return cls(start[:PAYLOAD_BYTES])
