"""Choose posts that show the spread of an output."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from pipeline.report.rows import Place

BANDS = (0.5, 0.7, 0.9)
"""Scores between which bands of scores begin."""

_Drawn = tuple[int, str, int, Place]


def facets(row: dict[str, Any]) -> set[str]:
    """Return what a post is an example of: types, score bands, picture statuses."""
    types = {f"type {entity['type']}" for entity in row["entities"]} or {"no entity"}
    scores = {f"score band {sum(entity['score'] >= start for start in BANDS)}" for entity in row["entities"]}
    pictures = {f"picture {image['status']}" for image in row["images"]} or {"no picture"}
    several = {"several pictures"} if len(row["images"]) > 1 else set()
    words = {"words in a picture"} if any(image.get("texts") for image in row["images"]) else set()
    return types | scores | pictures | several | words


class Spread:
    """A sample of each facet; memory is bounded by `amount` for each.

    A post's number is a hash of its source and line, so the same posts are chosen whatever the order of the rows.

    Args:
        amount: posts that will be chosen.
    """

    def __init__(self, amount: int) -> None:
        self._amount = amount
        self._samples: dict[str, list[_Drawn]] = defaultdict(list)

    def add(self, row: dict[str, Any], place: Place) -> None:
        """Consider a post."""
        source, line = row["source"], row["line"]
        drawn = (zlib.crc32(f"{source}:{line}".encode()), source, line, place)
        for facet in facets(row):
            sample = self._samples[facet]
            sample.append(drawn)
            if len(sample) > 2 * self._amount:
                sample.sort()
                del sample[self._amount :]

    def choose(self, first: Iterable[Place]) -> set[Place]:
        """Return the places of the chosen posts: `first`, then one of each facet in turn until there are enough."""
        chosen = set(list(dict.fromkeys(first))[: self._amount])
        samples = [sorted(self._samples[facet]) for facet in sorted(self._samples)]
        for turn in zip_longest(*samples):
            for drawn in turn:
                if drawn and len(chosen) < self._amount:
                    chosen.add(drawn[3])
        return chosen
