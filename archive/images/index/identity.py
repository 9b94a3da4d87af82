"""Recognise a shard that was indexed before: the same, one with something appended, or another one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

from archive.images.index.segment import Segment, Shard
from archive.stores import open_file, resolve

Likeness = Literal["same", "appended", "other"]

_BLOCK_BYTES = 512
_SAMPLES = 16

_CUT_SHORT = ("truncated", "damaged", "empty")
"""Problems that bytes written later may solve, so that such a shard is read anew."""


def version_of(address: str) -> tuple[int, str]:
    """Return the size of a file in bytes, and its ETag, generation or time of change. Raises OSError."""
    filesystem, path = resolve(address)
    info = filesystem.info(path)
    names = ("ETag", "etag", "generation", "mtime", "LastModified", "created")
    return info["size"] or 0, next((str(info[name]) for name in names if info.get(name)), "")


def is_same(known: Shard, size: int, modified: str) -> bool:
    """Return True if a shard has the size and the time that it had when it was indexed."""
    return bool(known.modified) and (known.size, known.modified) == (size, modified)


def likeness(before: Segment, size: int, modified: str) -> Likeness:
    """Compare a shard with what was indexed.

    `appended` says that the tar begins as it did. How much is new, if anything, its size does not say: tars are padded.

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
    if known.end is None or not known.modified or size < known.size:
        return "other"
    if any(problem.reason in _CUT_SHORT for _, problems in before.shard_problems() for problem in problems):
        return "other"
    if header_check(known.address, known.end, [before]) != known.check:
        return "other"
    return "appended"


def header_check(shard: str, end: int, segments: Sequence[Segment]) -> str:
    """Return a digest of headers of a tar: the first one, and those before up to 16 of its members, the last among them.

    Headers hold names, sizes, times and sums, so another tar has others. Few are read, since each costs a request.
    """
    offsets = np.unique(np.concatenate([segment.members["offset"] for segment in segments]))
    offsets = offsets[offsets > 0]  # links without a target have none
    picked = np.unique(np.linspace(0, len(offsets) - 1, min(_SAMPLES, len(offsets))).astype(np.int64))
    digest = hashlib.sha256(str(end).encode())
    with open_file(shard) as file:
        for position in (0, *(int(offset) - _BLOCK_BYTES for offset in offsets[picked])):
            file.seek(position)
            digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()
