"""Fetch the bytes of pictures with few ranged reads."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from archive.images import zip as zip_packing
from archive.images.image_error import ImageError
from archive.images.member import Member
from archive.images.ranges import LARGEST_BYTES, Range, ranges_of
from archive.stores import resolve

LOST = ImageError("missing", "unreadable_shard")

_PARALLEL_RANGES = 16
"""Requests that a store answers at the same time."""


def fetch(members: Sequence[Member], max_bytes: int) -> Iterator[tuple[Member, bytes | ImageError]]:
    """Yield the bytes of members, in the order of shards and offsets. Neighbours are read together.

    Args:
        members: what to read.
        max_bytes: larger members are not read, and no more than this is unpacked.
    """
    for together in _at_a_time(ranges_of(sorted(members), max_bytes)):
        for one, block in zip(together, _blocks(together), strict=True):
            for member in one.members:
                yield member, _found(member, one, block, max_bytes)


def _at_a_time(ranges: Iterator[Range]) -> Iterator[list[Range]]:
    """Ranges that are requested at the same time: as many bytes as the largest range may have, or one."""
    together: list[Range] = []
    total = 0
    for one in ranges:
        total += one.end - one.start
        if together and (len(together) == _PARALLEL_RANGES or total > LARGEST_BYTES):
            yield together
            together, total = [], one.end - one.start
        together.append(one)
    if together:
        yield together


def _blocks(ranges: Sequence[Range]) -> list[bytes | None]:
    """Bytes of each range, fewer where its shard ends; None where they cannot be read."""
    blocks: list[bytes | None] = [b"" if one.start == one.end else None for one in ranges]
    places = [(i, *_resolved(one.members[0])) for i, one in enumerate(ranges) if one.end > one.start]
    for _, of_store in groupby(places, key=lambda place: id(place[1])):
        numbers, stores, paths = zip(*of_store, strict=True)
        if stores[0] is None:
            continue
        starts, ends = [ranges[i].start for i in numbers], [ranges[i].end for i in numbers]
        try:
            found = stores[0].cat_ranges(list(paths), starts, ends, on_error="return")
        except Exception:  # stores raise what they like
            continue
        for i, block in zip(numbers, found, strict=True):
            # A server that knows no ranges gives more.
            blocks[i] = block if isinstance(block, bytes) and len(block) <= ranges[i].end - ranges[i].start else None
    return blocks


def _resolved(member: Member) -> tuple[Any, str]:
    """The file system of a member, or None."""
    try:
        return resolve(member.shard)
    except ValueError:
        return None, ""


def _found(member: Member, one: Range, block: bytes | None, max_bytes: int) -> bytes | ImageError:
    if member.size > max_bytes or block is None:
        return _read_alone(member, max_bytes)
    begin = member.offset - one.start
    if member.packing == "stored":
        data = block[begin : begin + member.size]
        return data if len(data) == member.size else ImageError("corrupt", "truncated")
    found = zip_packing.read(io.BytesIO(memoryview(block)[begin:]), replace(member, offset=0), max_bytes)
    if found == ImageError("corrupt", "truncated"):  # by its end, or by a long header
        return _read_alone(member, max_bytes)
    return found


def _read_alone(member: Member, max_bytes: int) -> bytes | ImageError:
    """Read one member without its neighbours, or say why that cannot be done."""
    try:
        filesystem, path = resolve(member.shard)
        if member.offset + member.size > filesystem.size(path):
            return ImageError("corrupt", "truncated")
        if member.size > max_bytes:
            return ImageError("too_large", "too_many_bytes")
        with filesystem.open(path, "rb", cache_type="none") as file:
            if member.packing != "stored":
                return zip_packing.read(file, member, max_bytes)
            file.seek(member.offset)
            return file.read(member.size)
    except Exception:  # stores raise what they like
        return LOST
