"""Where a picture lies in the shards, and what can be wrong there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """Where the bytes of one picture lie; never the bytes.

    Attributes:
        shard: address of the tar or zip file, or of the picture itself in a folder.
        offset: first byte of its data; in a zip file, of its local header.
        size: stored bytes of its data.
        packing: `stored`, `zip_stored` or `zip_deflated`.
    """

    shard: str
    offset: int
    size: int
    packing: str = "stored"


@dataclass(frozen=True, slots=True)
class ShardProblem:
    """Something in a shard that cannot be used: which shard, one fixed word for the reason, and what was there."""

    shard: str
    reason: str
    detail: str


def is_text(name: str) -> bool:
    """Whether a name is valid Unicode; bytes of a name that are not UTF-8 come as lone surrogates."""
    return not any(0xD800 <= ord(character) < 0xE000 for character in name)
