"""Recognise a shard that was indexed before: the same, one with something appended, or another one."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np

from archive.images.index.segment import LINK, PACKINGS, Segment, Shard
from archive.stores import resolve

Likeness = Literal["same", "touched", "appended", "other"]

_BLOCK_BYTES = 512
_SAMPLES = 16
_TAIL_BLOCK_BYTES = 2**22
_IN_ZIPS = [number for number, packing in enumerate(PACKINGS) if packing.startswith("zip_")]

_CUT_SHORT = ("truncated", "damaged", "empty")
"""Problems that bytes written later may solve, so that such a shard is read anew."""


def is_same(known: Shard, size: int, modified: str) -> bool:
    """Return True if a shard has the size and the time that it had when it was indexed."""
    return bool(known.modified) and (known.size, known.modified) == (size, modified)


def likeness(before: Segment, size: int, modified: str) -> Likeness:
    """Compare a shard with what was indexed.

    `touched` says that a zip has another date alone. `appended` says that a tar begins as it did. How much is new, if anything,
    its size does not say: tars are padded.

    Args:
        before: the segment of this shard alone.
        size: of the shard now, in bytes.
        modified: time or ETag now.

    Raises:
        OSError: the shard cannot be read.
    """
    [known] = before.shards
    if is_same(known, size, modified):
        return "same"
    if not known.modified or any(problem.reason in _CUT_SHORT for _, problems in before.shard_problems() for problem in problems):
        return "other"
    if not holds(before, 0, size):
        return "other"
    return "touched" if known.end is None else "appended"


def holds(before: Segment, number: int, size: int) -> bool:
    """Whether a shard still holds what was indexed, where it was; a tar may hold more behind it.

    The size that was recorded does not count: the shard may have been replaced after it was found, before it was indexed.

    Args:
        before: has the shard.
        number: of the shard in it.
        size: of the shard now, in bytes.

    Raises:
        OSError: the shard cannot be read.
    """
    known = before.shards[number]
    members = before.members[slice(*before.first_members[number : number + 2].tolist())]
    return bool(known.check) and size >= (known.end or 0) and content_check(known.address, known.end, members) == known.check


def content_check(shard: str, end: int | None, members: np.ndarray) -> str:
    """Return a digest of what would be different in a shard with another content.

    Of a tar, the first header and those before up to 16 of its members, the last among them: headers hold names, sizes,
    times and sums. Few are read, since each is a request; a store gets them together. Of a zip, all from its last member on: the directory
    behind it holds the CRC-32 of every member.

    Args:
        shard: its address.
        end: see `Shard.end`.
        members: of the shard, (members,) of `MEMBERS`.
    """
    digest = hashlib.sha256(str(end).encode())
    offsets = np.unique(members["offset"][members["packing"] != LINK])
    if not len(offsets):
        return digest.hexdigest()
    filesystem, path = resolve(shard)
    if np.isin(members["packing"], _IN_ZIPS).any():
        with filesystem.open(path, "rb", cache_type="none") as file:
            file.seek(int(offsets[-1]))
            while block := file.read(_TAIL_BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()
    picked = np.unique(np.linspace(0, len(offsets) - 1, min(_SAMPLES, len(offsets))).astype(np.int64))
    starts = [0, *(int(offset) - _BLOCK_BYTES for offset in offsets[picked])]
    ends = [start + _BLOCK_BYTES for start in starts]
    for block in filesystem.cat_ranges([path] * len(starts), starts, ends, on_error="raise"):
        digest.update(block)
    return digest.hexdigest()
