"""Define the location of a picture in the shards, and the problems of a shard."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """Hold the location of one picture's bytes, not the bytes themselves.

    Attributes:
        shard: address of the tar or zip file; in a folder, of the picture itself.
        offset: first byte of its data; in a zip file, first byte of its local header.
        size: bytes of its data as stored.
        packing: `stored`, `zip_stored` or `zip_deflated`.
    """

    shard: str
    offset: int
    size: int
    packing: str = "stored"


@dataclass(frozen=True, slots=True)
class ShardProblem:
    """Describe something in a shard that cannot be used.

    Attributes:
        shard: address of the shard.
        reason: one fixed code per cause.
        detail: name of the member, or the error message.
    """

    shard: str
    reason: str
    detail: str


def is_text(name: str) -> bool:
    """Return True if a name is valid Unicode. Bytes that are not UTF-8 appear in it as unpaired surrogates."""
    return not any(0xD800 <= ord(character) < 0xE000 for character in name)
