"""Compare a key with the name of a member: the rules by which one fits better than another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import takewhile

from archive.images.index.names import folded, normalised, parts_of, picture_stem, stem, terms
from archive.images.index.spellings import spellings

Fit = tuple[int, int, int]
"""How well a name fits, larger is better: (kind of base name, whole name, parts of the path that agree)."""

SAME_BASE = 2
"""The first number of a `Fit` whose base names are equal, with their extensions."""

_ARCHIVE = re.compile(r".+\.(tar|zip)$", re.IGNORECASE)


class Pattern:
    """One way to read a key.

    Args:
        path: what is compared with the names of members; it has a part.
        shards: numbers of the shards that it is looked for in; None for all.
        whole: whether only a member of exactly this name fits.
        least: parts of the path that must agree.

    Attributes:
        terms: of members that may fit: pairs with and without the extension, for the whole path and its ends, longest first.
    """

    __slots__ = ("_exact", "_folded", "least", "path", "shards", "terms", "whole")

    def __init__(self, path: str, shards: frozenset[int] | None = None, whole: bool = False, least: int = 1) -> None:
        self.path = path
        self.shards = shards
        self.whole = whole
        self.least = least
        self._exact = parts_of(normalised(path))
        self._folded = parts_of(folded(path))
        *folders, base = self._folded
        without = stem(base)
        self.terms = [(term, term) for term in terms(self._folded)]
        if without != base:
            self.terms = list(zip(terms(self._folded), terms([*folders, without]), strict=True))

    def fit(self, name: str, is_exact: bool) -> Fit | None:
        """Return how well the name of a member fits; None if it does not.

        Args:
            name: of a member.
            is_exact: whether case counts.
        """
        wanted = self._exact if is_exact else self._folded
        parts = parts_of(normalised(name) if is_exact else folded(name))
        if not parts or (kind := _kind(parts[-1], wanted[-1])) is None:
            return None
        pairs = zip(reversed(parts[:-1]), reversed(wanted[:-1]), strict=False)
        agree = 1 + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        whole = (agree == len(parts) == len(wanted)) + (name == self.path)
        if agree < self.least or (self.whole and not (whole and kind == SAME_BASE)):
            return None
        return kind, whole, agree


def _kind(base: str, wanted: str) -> int | None:
    if base == wanted:
        return SAME_BASE
    if stem(base) == wanted:
        return 1
    without = picture_stem(wanted)
    return 0 if without is not None and without == stem(base) else None


class Patterns:
    """Makes the patterns of keys.

    Args:
        shards: addresses of all shards.
    """

    def __init__(self, shards: Sequence[str]) -> None:
        self._by_base: dict[str, list[tuple[int, list[str]]]] = defaultdict(list)
        for number, address in enumerate(shards):
            parts = parts_of(folded(address))
            self._by_base[parts[-1]].append((number, parts))

    def of(self, key: str) -> list[Pattern]:
        """Return the patterns of a key, best first; none if it can be the name of nothing."""
        return [pattern for path in spellings(key) for pattern in self._of_path(path)]

    def _of_path(self, path: str) -> Iterator[Pattern]:
        parts = parts_of(normalised(path))
        if len(parts) > 1:
            yield Pattern(path, whole=True)
            yield from self._in_named_shards(parts)
        if parts:
            archives = [number for number, part in enumerate(parts[:-1]) if _ARCHIVE.match(part)]
            yield Pattern(path, least=len(parts) - archives[-1] if archives else 1)

    def _in_named_shards(self, parts: list[str]) -> Iterator[Pattern]:
        """Yield `shard.tar/key` as `key` in that shard."""
        for cut in range(len(parts) - 1, 0, -1):
            head = parts_of(folded("/".join(parts[:cut])))
            named = self._by_base.get(head[-1], [])
            agrees = {number: _common_end(head, address) for number, address in named}
            best = frozenset(number for number, agree in agrees.items() if agree == max(agrees.values()))
            if best:
                yield Pattern("/".join(parts[cut:]), best, whole=not _ARCHIVE.match(parts[cut - 1]))


def _common_end(left: list[str], right: list[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(reversed(left), reversed(right), strict=False)))
