"""Look keys up in the index: for each the member that it names, or why there is none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from archive.images import ImageError, Member, ShardProblem, fetch
from archive.images.index.match import SAME_BASE, Fit, Pattern, Patterns
from archive.images.index.names import digest
from archive.images.index.segment import HASHES, LINK, Segment

MISSING = ImageError("missing", "no_such_key")
AMBIGUOUS = ImageError("ambiguous", "several_pictures")

MOST_CANDIDATES = 256
"""Members whose names are compared with one key. Where more have its base name and no folder decides, it is ambiguous."""

MOST_COMPARED = 16
"""Members whose bytes are compared."""

_KEYS_AT_ONCE = 4096


@dataclass(frozen=True)
class Located:
    """What keys name.

    Attributes:
        places: for each key its member, or why there is none.
        duplicates: (key, address of the shard) of members that are passed over, since their bytes are those of the chosen one.
    """

    places: dict[str, Member | ImageError] = field(default_factory=dict)
    duplicates: list[tuple[str, str]] = field(default_factory=list)


class Index:
    """Members of the shards, found by the keys of posts.

    Args:
        segment: all shards, in the order in which the first one wins.
    """

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._patterns = Patterns(self.shards())

    def locate(self, keys: Sequence[str], max_bytes: int) -> Located:
        """Look keys up.

        Args:
            keys: of posts; nothing is opened by what they say.
            max_bytes: of pictures whose bytes are compared, where several fit a key.
        """
        located = Located()
        distinct = list(dict.fromkeys(keys))
        for start in range(0, len(distinct), _KEYS_AT_ONCE):
            some = distinct[start : start + _KEYS_AT_ONCE]
            patterns = {key: self._patterns.of(key) for key in some}
            ranges = self._ranges(list({term for of_key in patterns.values() for one in of_key for term in one.widest}))
            for key, of_key in patterns.items():
                located.places[key] = self._choose(key, self._best(of_key, ranges), max_bytes, located.duplicates)
            self._segment.release()
        return located

    def problems(self) -> Iterator[tuple[str, list[ShardProblem]]]:
        """Yield the address and the problems of each shard that has any."""
        return self._segment.shard_problems()

    def shards(self) -> list[str]:
        """Return the addresses of all shards."""
        return [shard.address for shard in self._segment.shards]

    def examples(self, count: int) -> list[str]:
        """Return names of members from different places of the index, for a user to compare with his keys."""
        count = min(count, len(self))
        return [self._segment.name(k * len(self) // count) for k in range(count)]

    def __len__(self) -> int:
        return len(self._segment.members)

    def _ranges(self, terms: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return the rows of the terms that have any."""
        hashes = np.frombuffer(b"".join([digest(term) for term in terms]), HASHES)
        rows = self._segment.rows_of(hashes)
        return {term: (start, end) for term, (start, end) in zip(terms, rows, strict=True) if start < end}

    def _best(self, patterns: Sequence[Pattern], ranges: dict[str, tuple[int, int]]) -> list[int] | None:
        """Return the members that fit best, in the order of shards; `[]` for none, None for too many to compare."""
        for is_exact in (True, False):
            for pattern in patterns:
                found = self._fitting(pattern, is_exact, ranges)
                if found is None or found:
                    return found
        return []

    def _fitting(self, pattern: Pattern, is_exact: bool, ranges: dict[str, tuple[int, int]]) -> list[int] | None:
        """As `_best`, for one reading of the key."""
        candidates = self._owners(pattern.widest, ranges, pattern.shards)
        if candidates is not None:
            return self._fittest(candidates, pattern, is_exact)[0]
        longer = pattern.longer()
        ranges = self._ranges([term for pair in longer for term in pair])
        for pair in longer:  # a member that is found by a longer end fits better than all others, if its extension does
            candidates = self._owners(pair, ranges, pattern.shards)
            if candidates is None:
                return None
            found, fit = self._fittest(candidates, pattern, is_exact)
            if fit is not None and fit[0] == SAME_BASE:
                return found
        return None

    def _owners(self, pair: set[str], ranges: dict[str, tuple[int, int]], shards: frozenset[int] | None) -> list[int] | None:
        """Return the members of terms, in order; None for more than `MOST_CANDIDATES`."""
        found: set[int] = set()
        for term in pair & ranges.keys():
            start, end = ranges[term]
            if shards is None and end - start > MOST_CANDIDATES:
                return None
            owners = self._segment.owners[start:end]
            if shards is not None:
                numbers = np.searchsorted(self._segment.first_members, owners, "right") - 1
                owners = owners[np.isin(numbers, list(shards))]
            if len(owners) > MOST_CANDIDATES:
                return None
            found.update(owners.tolist())
        return sorted(found)

    def _fittest(self, candidates: Sequence[int], pattern: Pattern, is_exact: bool) -> tuple[list[int], Fit | None]:
        """Return the candidates that fit best; of several members of one name in one shard the last one."""
        best: Fit | None = None
        found: dict[tuple[int, str], int] = {}
        for member in candidates:
            name = self._segment.name(member)
            fit = None if self._segment.members["packing"][member] == LINK else pattern.fit(name, is_exact)
            if fit is None or (best is not None and fit < best):
                continue
            if fit != best:
                best, found = fit, {}
            found[self._segment.shard_of(member), name] = member
        return sorted(found.values()), best

    def _choose(self, key: str, numbers: list[int] | None, max_bytes: int, duplicates: list[tuple[str, str]]) -> Member | ImageError:
        """Return the first of members whose bytes are equal."""
        if numbers is None:
            return AMBIGUOUS
        members = list(dict.fromkeys(self._segment.member(number) for number in numbers))
        if not members:
            return MISSING
        if len(members) > 1 and not _are_equal(members, max_bytes):
            return AMBIGUOUS
        duplicates += [(key, member.shard) for member in members[1:]]
        return members[0]


def _are_equal(members: Sequence[Member], max_bytes: int) -> bool:
    """Return True if all members hold the same bytes, or all fail to be read for the same reason."""
    unpacked_sizes = {member.size for member in members if member.packing in ("stored", "zip_stored")}
    if len(members) > MOST_COMPARED or len(unpacked_sizes) > 1:
        return False
    first: bytes | ImageError | None = None
    try:
        for _, data in fetch(members, max_bytes):
            content = hashlib.sha256(data).digest() if isinstance(data, bytes) else data
            if first is not None and content != first:
                return False
            first = content
    except Exception:  # stores raise what they like; what was not compared is not equal
        return False
    return True
