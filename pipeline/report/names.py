"""Count the most frequent names in bounded memory."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from pipeline.report.rows import Place

KEPT_NAMES = 20_000
LONGEST_NAME = 80
EXAMPLES = 3


class Name(NamedTuple):
    """A frequent name. The true count is at least `times`, and at most `FrequentNames.error` more."""

    text: str
    type: str
    times: int
    places: list[Place]


class FrequentNames:
    """Misra-Gries summary of names, as merged by Agarwal et al. (Mergeable summaries, 2012).

    Up to `kept` different names the counts are exact. Beyond that each is too low by at most `error`, which is at most
    all names / (kept + 1): no name that is more frequent than this is lost.

    Args:
        kept: names that are kept; at most twice as many are held.
    """

    def __init__(self, kept: int = KEPT_NAMES) -> None:
        self.error = 0
        self._kept = kept
        self._counts: Counter[tuple[str, str]] = Counter()
        self._places: dict[tuple[str, str], list[Place]] = {}

    def add(self, text: str, type_: str, place: Place) -> None:
        """Count one entity. White space is folded, and very long names are cut."""
        name = (" ".join(text.split())[:LONGEST_NAME], type_)
        self._counts[name] += 1
        places = self._places.setdefault(name, [])
        if len(places) < EXAMPLES and place not in places:
            places.append(place)
        if len(self._counts) > 2 * self._kept:
            self._shrink()

    def top(self, amount: int) -> list[Name]:
        """Return the most frequent names, at most `kept`."""
        if len(self._counts) > self._kept:
            self._shrink()
        order = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [Name(*name, count, self._places[name]) for name, count in order[:amount]]

    def _shrink(self) -> None:
        cut = sorted(self._counts.values(), reverse=True)[self._kept]
        self.error += cut
        self._counts = Counter({name: count - cut for name, count in self._counts.items() if count > cut})
        self._places = {name: self._places[name] for name in self._counts}
