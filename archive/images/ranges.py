"""Group members of a shard into few ranged reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from archive.images.member import Member

LARGEST_BYTES = 4 * 2**20
"""Bytes of one request for several members."""

LARGEST_GAP_BYTES, SMALL_GAP_BYTES = 2**16, 2**12
WASTE = 0.15
"""Bytes between members that are read along, as a share of the members' own bytes. Small gaps are always read along."""

LOCAL_HEADER_BYTES = 30
ZIP_SLACK_BYTES = 512
"""Name and extra fields in front of a zip member's data. Where they are longer, a second read is needed."""


@dataclass(frozen=True, slots=True)
class Range:
    """Hold neighbouring members, and the part of the shard that they lie in.

    Attributes:
        members: in the order of their offsets.
        start, end: first byte, and the byte behind the last.
    """

    members: tuple[Member, ...]
    start: int
    end: int


def stored_bytes(member: Member) -> int:
    """Return how many bytes from a member's offset on are to be read."""
    return member.size if member.packing == "stored" else LOCAL_HEADER_BYTES + ZIP_SLACK_BYTES + member.size


def ranges_of(members: Sequence[Member]) -> Iterator[Range]:
    """Yield ranges that hold the members of one shard, which are in the order of their offsets."""
    group: list[Member] = []
    start = end = wanted = 0
    for member in members:
        size = stored_bytes(member)
        gap = member.offset - end
        waste = member.offset - start - wanted
        is_near = gap <= SMALL_GAP_BYTES or (gap <= LARGEST_GAP_BYTES and waste <= WASTE * (wanted + size))
        if group and not (is_near and member.offset + size - start <= LARGEST_BYTES):
            yield Range(tuple(group), start, end)
            group = []
        if not group:
            start = end = member.offset
            wanted = 0
        group.append(member)
        end = max(end, member.offset + size)
        wanted += size
    if group:
        yield Range(tuple(group), start, end)
