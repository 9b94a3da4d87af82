"""Count an output, row by row, in bounded memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pipeline.report.dates import day_of
from pipeline.report.names import FrequentNames
from pipeline.report.rows import Place
from pipeline.report.spread import Spread

SCORE_BINS = 20
EXAMPLES = 3


@dataclass
class Counts:
    """Counts of the annotations.

    Attributes:
        spread: chooses the posts that are shown.
        posts: rows.
        with_entities: rows that have one at least.
        types: entities by type.
        scores: entities by score, in bins of 1 / `SCORE_BINS`.
        statuses: pictures by status, as posts name them.
        dated: posts by day.
        by_day: entities by day and type.
        names: the most frequent ones.
    """

    spread: Spread
    posts: int = 0
    with_entities: int = 0
    types: Counter[str] = field(default_factory=Counter)
    scores: list[int] = field(default_factory=lambda: [0] * SCORE_BINS)
    statuses: Counter[str] = field(default_factory=Counter)
    dated: Counter[date] = field(default_factory=Counter)
    by_day: Counter[tuple[date, str]] = field(default_factory=Counter)
    names: FrequentNames = field(default_factory=FrequentNames)

    def add(self, place: Place, row: dict[str, Any]) -> None:
        """Count one row."""
        self.spread.add(row, place)
        self.posts += 1
        self.with_entities += bool(row["entities"])
        self.statuses.update(image["status"] for image in row["images"])
        day = day_of(row["extra"])
        if day:
            self.dated[day] += 1
        for entity in row["entities"]:
            self.types[entity["type"]] += 1
            self.scores[min(SCORE_BINS - 1, max(0, int(entity["score"] * SCORE_BINS)))] += 1
            self.names.add(entity["text"], entity["type"], place)
            if day:
                self.by_day[day, entity["type"]] += 1


@dataclass
class RejectKind:
    """Rejects of one stage and reason, with the first few."""

    stage: str
    reason: str
    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


def count_rejects(rows: Iterable[tuple[Place, dict[str, Any]]]) -> list[RejectKind]:
    """Return the kinds of rejects, the most frequent first."""
    kinds: dict[tuple[str, str], RejectKind] = defaultdict(lambda: RejectKind("", ""))
    for _, row in rows:
        kind = kinds[row["stage"], row["reason"]]
        kind.stage, kind.reason, kind.count = row["stage"], row["reason"], kind.count + 1
        if len(kind.examples) < EXAMPLES:
            kind.examples.append(row)
    return sorted(kinds.values(), key=lambda kind: (-kind.count, kind.stage, kind.reason))
