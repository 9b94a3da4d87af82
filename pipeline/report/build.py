"""Collect what the page shows."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from datetime import UTC, datetime

from tqdm import tqdm

from pipeline.report.counts import SCORE_BINS, Counts, count_rejects
from pipeline.report.dates import binned
from pipeline.report.names import Name
from pipeline.report.page import colours, render
from pipeline.report.posts import MOST_PICTURES, arrange
from pipeline.report.rows import COUNTED, Place, read_chosen, read_rows, read_summary
from pipeline.report.spread import Spread
from pipeline.report.thumbnails import Thumbnails, shards_of, thumbnails

NAMES = 40
BYTES, BYTES_PER_POST = 300_000, 70_000
"""Thumbnails are made as long as the page stays below this: 14.3 MB for 200 posts."""


def build(output: str, images: Sequence[str], amount: int) -> tuple[str, list[str]]:
    """Return the page of an output, and sentences about what it lacks.

    Args:
        output: address of the folder.
        images: values of --images.
        amount: posts to show.

    Raises:
        UnreadableError: it is not the output of a run, or damaged.
        ValueError: a value of --images matches nothing.
    """
    summary = read_summary(output)
    shards, notes = shards_of(images, summary)
    counts = Counts(Spread(amount))
    for place, row in tqdm(read_rows(output, "annotations", COUNTED), "reading", unit=" posts", disable=None, leave=False):
        counts.add(place, row)
    rejects = count_rejects(read_rows(output, "rejects"))
    names = counts.names.top(NAMES)
    places = sorted(counts.spread.choose(_examples(names, amount // 4)))
    post_of = {place: number for number, place in enumerate(places, 1)}
    rows = list(read_chosen(output, places))
    content = {
        "title": posixpath.basename(output) or output,
        "summary": summary,
        "counts": counts,
        "rejects": rejects,
        "reject_total": sum(kind.count for kind in rejects),
        "timeline": binned(counts.dated, counts.by_day) if counts.dated else None,
        "names": [(name, min((post_of[place] for place in name.places if place in post_of), default=None)) for name in names],
        "colours": colours(list(counts.types)),
        "score_bins": SCORE_BINS,
        "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    without = render(**content, notes=notes, posts=[arrange(row, Thumbnails()) for row in rows])
    made = thumbnails(rows, shards, MOST_PICTURES, BYTES + BYTES_PER_POST * amount - len(without.encode()))
    if made.reasons:
        total = len(made.reasons) + len(made.by_key)
        notes.append(f"{len(made.reasons):,} of {total:,} pictures are not shown: {_commonest(made.reasons)}.")
    return render(**content, notes=notes, posts=[arrange(row, made) for row in rows]), notes


def _examples(names: Sequence[Name], most: int) -> list[Place]:
    """One post of each frequent name, then the second of each, and so on."""
    turns = [name.places[turn] for turn in range(3) for name in names if turn < len(name.places)]
    return list(dict.fromkeys(turns))[:most]


def _commonest(reasons: dict[str, str]) -> str:
    values = list(reasons.values())
    return max(sorted(set(values)), key=values.count)
