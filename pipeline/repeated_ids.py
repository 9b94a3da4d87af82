"""Count ids that occur more than once, in memory that does not grow with the archive."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

MOST_HASHES = 2**17
"""Hashes that are kept (1.5 MB). Up to so many ids the count is exact, beyond it is an estimate from a sample of the ids."""

HASHES, TIMES = np.dtype("<u8"), np.dtype("<u4")


class RepeatedIds:
    """Count the repetitions among ids.

    Of too many ids, those are counted whose hash is divisible by a power of two, which doubles when necessary.

    Args:
        most_hashes: how many hashes are kept.
        state: of earlier ids, from `state`.
    """

    def __init__(self, most_hashes: int = MOST_HASHES, state: tuple[int, bytes, bytes] = (1, b"", b"")) -> None:
        self._most = most_hashes
        self._one_in = state[0]
        self._hashes, self._times = np.frombuffer(state[1], HASHES), np.frombuffer(state[2], TIMES)
        self._new: list[np.ndarray] = []
        self._waiting = 0

    @property
    def state(self) -> tuple[int, bytes, bytes]:
        """The sample: one of how many hashes is in it, the hashes, and how often each occurred."""
        self._merge()
        return self._one_in, self._hashes.tobytes(), self._times.tobytes()

    def add(self, ids: Iterable[str]) -> None:
        """Add ids."""
        digests = b"".join(blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=8).digest() for id_ in ids)
        hashes = np.frombuffer(digests, HASHES)
        hashes = hashes[hashes % self._one_in == 0]
        self._new.append(hashes)
        self._waiting += len(hashes)
        if self._waiting > self._most:
            self._merge()

    def _merge(self) -> None:
        hashes = np.concatenate([self._hashes, *self._new])
        times = np.concatenate([self._times, np.ones(self._waiting, TIMES)])
        self._hashes, places = np.unique(hashes, return_inverse=True)
        self._times = np.bincount(places, times, len(self._hashes)).astype(TIMES)
        self._new, self._waiting = [], 0
        while len(self._hashes) > self._most:
            self._one_in *= 2
            kept = self._hashes % self._one_in == 0
            self._hashes, self._times = self._hashes[kept], self._times[kept]

    @property
    def is_exact(self) -> bool:
        """Whether every id was counted."""
        self._merge()
        return self._one_in == 1

    @property
    def count(self) -> int:
        """How many of the ids occurred before; estimated if not `is_exact`."""
        self._merge()
        return self._one_in * int((self._times.astype(np.int64) - 1).sum())
