"""Merge segments into one file, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from archive.images.index.segment import BLOCK_ROWS, HASHES, OWNERS, Layout, Segment, Shard

_ROWS_AT_ONCE = 2**16
_MEMBERS_AT_ONCE = 2**16
_BYTES_AT_ONCE = 2**20
_LEFT_OUT = np.iinfo(np.int64).min

Place = tuple[Segment, int]
"""A segment and the number of a shard in it."""


def merge(plan: Sequence[tuple[Shard, Sequence[Place]]], file: BinaryIO) -> None:
    """Write a file that holds these shards in this order.

    Args:
        plan: each shard with the places that hold its members, in their order. What is in no plan is left out.
        file: local, empty, open for writing.
    """
    shards = [
        replace(
            shard,
            members=sum(segment.shards[number].members for segment, number in places),
            rows=sum(segment.shards[number].rows for segment, number in places),
            name_bytes=sum(segment.shards[number].name_bytes for segment, number in places),
            problem_bytes=sum(segment.shards[number].problem_bytes for segment, number in places),
        )
        for shard, places in plan
    ]
    layout = Layout(shards)
    file.write(layout.header)
    in_order = [place for _, places in plan for place in places]
    file.seek(layout.members)
    for members in _members(in_order):
        file.write(members.tobytes())
    for segment, number in in_order:
        first, last = segment.first_members[number : number + 2].tolist()
        _copy(segment, segment.names, segment.name_start(first), segment.name_start(last), file)
    for segment, number in in_order:
        _copy(segment, segment.problems, segment.first_problems[number], segment.first_problems[number + 1], file)
    at_hashes, at_owners, at_fences, written = layout.hashes, layout.owners, layout.fences, 0
    for hashes, owners in _rows(in_order, sum(shard.rows for shard in shards)):
        file.seek(at_hashes)
        at_hashes += file.write(hashes.tobytes())
        file.seek(at_owners)
        at_owners += file.write(owners.tobytes())
        file.seek(at_fences)
        at_fences += file.write(hashes[-written % BLOCK_ROWS :: BLOCK_ROWS].tobytes())
        written += len(hashes)
    file.truncate(layout.end)


def _copy(segment: Segment, source: memoryview | bytes | bytearray, start: int, end: int, file: BinaryIO) -> None:
    for begin in range(start, end, _BYTES_AT_ONCE):
        file.write(source[begin : min(begin + _BYTES_AT_ONCE, end)])
        segment.release()


def _members(places: Sequence[Place]) -> Iterator[np.ndarray]:
    """Yield the records of members, with the ends of their names in the new file."""
    names = 0
    for segment, number in places:
        first, last = segment.first_members[number : number + 2].tolist()
        moved = names - segment.name_start(first)
        names = moved + segment.name_start(last)
        for begin in range(first, last, _MEMBERS_AT_ONCE):
            records = segment.members[begin : min(begin + _MEMBERS_AT_ONCE, last)].copy()
            records["name_end"] += moved
            yield records
            segment.release()


def _rows(places: Sequence[Place], rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows, sorted by hash and then by member, one range of hashes at a time."""
    moves = _moves(places)
    ranges = rows // _ROWS_AT_ONCE + 1
    bounds = np.array([k * 2**64 // ranges for k in range(1, ranges)], HASHES)
    cuts = [[0, *np.searchsorted(segment.hashes, bounds).tolist(), len(segment.hashes)] for segment, _ in moves]
    for number in range(ranges):
        hashes, owners = [], []
        for (segment, moved), cut in zip(moves, cuts, strict=True):
            begin, end = cut[number], cut[number + 1]
            if begin == end:
                continue
            old = segment.owners[begin:end].astype(np.int64)
            by = moved[np.searchsorted(segment.first_members, old, side="right") - 1]
            kept = by != _LEFT_OUT
            hashes.append(segment.hashes[begin:end][kept])
            owners.append((old + by)[kept].astype(OWNERS))
            segment.release()
        if hashes:
            all_hashes, all_owners = np.concatenate(hashes), np.concatenate(owners)
            order = np.lexsort((all_owners, all_hashes))
            yield all_hashes[order], all_owners[order]


def _moves(places: Sequence[Place]) -> list[tuple[Segment, np.ndarray]]:
    """Return each segment, and by how much the numbers of the members of each of its shards change."""
    moves: dict[int, tuple[Segment, np.ndarray]] = {}
    first_new = 0
    for segment, number in places:
        _, by = moves.setdefault(id(segment), (segment, np.full(len(segment.shards), _LEFT_OUT)))
        by[number] = first_new - segment.first_members[number]
        first_new += segment.shards[number].members
    return list(moves.values())
