"""Count ids that occur more than once, in memory that does not grow with the archive."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

MOST_HASHES = 2**20
"""Hashes that are kept (about 100 MB). Up to so many ids the count is exact, beyond it is an estimate from a sample of the ids."""


class RepeatedIds:
    """Count the repetitions among ids.

    Of too many ids, those are counted whose hash is divisible by a power of two, which doubles when necessary.

    Args:
        most_hashes: how many hashes are kept.
    """

    def __init__(self, most_hashes: int = MOST_HASHES) -> None:
        self._most = most_hashes
        self._one_in = 1
        self._seen: dict[int, int] = {}

    def add(self, ids: Iterable[str]) -> None:
        """Add ids."""
        for id_ in ids:
            hashed = int.from_bytes(blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
            if hashed % self._one_in == 0:
                self._seen[hashed] = self._seen.get(hashed, 0) + 1
        while len(self._seen) > self._most:
            self._one_in *= 2
            self._seen = {hashed: times for hashed, times in self._seen.items() if hashed % self._one_in == 0}

    @property
    def is_exact(self) -> bool:
        """Whether every id was counted."""
        return self._one_in == 1

    @property
    def count(self) -> int:
        """How many of the ids occurred before; estimated if not `is_exact`."""
        return self._one_in * sum(times - 1 for times in self._seen.values())
