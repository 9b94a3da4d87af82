"""Fetch the bytes of pictures with few ranged reads."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

import fsspec

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
    for shard, of_shard in groupby(sorted(members), key=attrgetter("shard")):
        wanted = list(of_shard)
        try:
            filesystem, path = resolve(shard)
        except ValueError:
            yield from ((member, LOST) for member in wanted)
            continue
        small = [member for member in wanted if member.size <= max_bytes]
        read = _read_all(filesystem, path, small, max_bytes)
        for member in wanted:
            yield member, _refused(filesystem, path, member) if member.size > max_bytes else next(read)


def _read_all(filesystem: fsspec.AbstractFileSystem, path: str, members: list[Member], max_bytes: int) -> Iterator[bytes | ImageError]:
    for together in _at_a_time(ranges_of(members)):
        starts, ends = [one.start for one in together], [one.end for one in together]
        try:
            blocks = filesystem.cat_ranges([path] * len(together), starts, ends, on_error="return")
        except Exception as error:  # stores raise what they like
            blocks = [error] * len(together)
        for one, block in zip(together, blocks, strict=True):
            for member in one.members:
                if isinstance(block, Exception) or len(block) > one.end - one.start:
                    yield _read_alone(filesystem, path, member, max_bytes)
                else:
                    yield _unpacked(filesystem, path, member, memoryview(block)[member.offset - one.start :], max_bytes)


def _at_a_time(ranges: Iterator[Range]) -> Iterator[list[Range]]:
    """Ranges that are requested at the same time: as many bytes as the largest range may have, or one."""
    together: list[Range] = []
    for one in ranges:
        total = sum(earlier.end - earlier.start for earlier in together)
        if together and (len(together) == _PARALLEL_RANGES or total + one.end - one.start > LARGEST_BYTES):
            yield together
            together = []
        together.append(one)
    if together:
        yield together


def _unpacked(filesystem: fsspec.AbstractFileSystem, path: str, member: Member, block: memoryview, max_bytes: int) -> bytes | ImageError:
    if member.packing == "stored":
        data = bytes(block[: member.size])
        return data if len(data) == member.size else ImageError("corrupt", "truncated")
    found = zip_packing.read(io.BytesIO(block), replace(member, offset=0), max_bytes)
    if found == ImageError("corrupt", "truncated"):  # by its end, or by a long header
        return _read_alone(filesystem, path, member, max_bytes)
    return found


def _read_alone(filesystem: fsspec.AbstractFileSystem, path: str, member: Member, max_bytes: int) -> bytes | ImageError:
    """Read one member without its neighbours, which may be what failed."""
    try:
        with filesystem.open(path, "rb", cache_type="none") as file:
            if member.offset + member.size > file.seek(0, 2):
                return ImageError("corrupt", "truncated")
            if member.packing != "stored":
                return zip_packing.read(file, member, max_bytes)
            file.seek(member.offset)
            return file.read(member.size)
    except Exception:  # stores raise what they like
        return LOST


def _refused(filesystem: fsspec.AbstractFileSystem, path: str, member: Member) -> ImageError:
    """Return why a member that is too large is not read: the shard may end before it."""
    try:
        is_cut = member.offset + member.size > filesystem.size(path)
    except Exception:  # stores raise what they like
        return LOST
    return ImageError("corrupt", "truncated") if is_cut else ImageError("too_large", "too_many_bytes")
