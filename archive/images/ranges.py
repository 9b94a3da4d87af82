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
        members: of one shard, in the order of their offsets.
        start, end: first byte, and the byte behind the last; the same for a member that is too large to be read.
    """

    members: tuple[Member, ...]
    start: int
    end: int


def stored_bytes(member: Member) -> int:
    """Return how many bytes from a member's offset on are to be read."""
    return member.size if member.packing == "stored" else LOCAL_HEADER_BYTES + ZIP_SLACK_BYTES + member.size


def ranges_of(members: Sequence[Member], max_bytes: int) -> Iterator[Range]:
    """Yield ranges that hold the members, which are sorted. A member of more than `max_bytes` gets a range without bytes."""
    group: list[Member] = []
    start = end = wanted = 0
    for member in members:
        size = stored_bytes(member) if member.size <= max_bytes else 0
        if group and not (size and wanted and member.shard == group[0].shard and _is_near(member.offset, size, start, end, wanted)):
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


def _is_near(offset: int, size: int, start: int, end: int, wanted: int) -> bool:
    """Whether a member is to be read along with a range of which `wanted` bytes are members."""
    gap, waste = offset - end, offset - start - wanted
    is_cheap = gap <= SMALL_GAP_BYTES or (gap <= LARGEST_GAP_BYTES and waste <= WASTE * (wanted + size))
    return is_cheap and offset + size - start <= LARGEST_BYTES
