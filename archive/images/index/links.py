"""Resolve the links of a shard to members of the same shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archive.images.index.names import digest, terms_of
from archive.images.index.segment import LINK, Layout, Segment, open_segment

LONGEST_CHAIN = 8
"""Links that are followed from one to the next."""


def resolve_links(path: Path) -> None:
    """Give each link in the unsealed file of one shard the place of its target. A link without one finds nothing."""
    segment = open_segment(str(path), is_sealed=False)
    at_members = Layout(segment.shards).members
    with path.open("r+b") as file:
        for link in np.flatnonzero(segment.members["packing"] == LINK).tolist():
            target: int | None = link
            for _ in range(LONGEST_CHAIN):
                if target is not None and segment.members["packing"][target] == LINK:
                    target = _last_of_name(segment, segment.target(target))
            if target is None or segment.members["packing"][target] == LINK:
                continue
            record = segment.members[link : link + 1].copy()
            for field in ("offset", "size", "packing"):
                record[field] = segment.members[field][target]
            file.seek(at_members + link * record.itemsize)
            file.write(record.tobytes())


def _last_of_name(segment: Segment, name: str) -> int | None:
    """Return the last member of exactly this name."""
    found = terms_of(name)
    if not found:
        return None
    whole = np.frombuffer(digest(found[0]), segment.hashes.dtype)[0]
    first, last = np.searchsorted(segment.hashes, whole, "left"), np.searchsorted(segment.hashes, whole, "right")
    for member in sorted(segment.owners[first:last].tolist(), reverse=True):
        if segment.name(member) == name:
            return member
    return None
