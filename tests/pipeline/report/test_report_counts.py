"""Counting and choosing, against slow oracles."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.counts import Counts, count_rejects
from pipeline.report.dates import MOST_BINS, binned, day_of
from pipeline.report.names import FrequentNames
from pipeline.report.rows import Place
from pipeline.report.spread import Spread, facets

HERE = Place("a.parquet", 0)


@given(st.lists(st.sampled_from("abcdefghijkl")), st.integers(1, 5))
def test_names_are_counted_within_the_promised_error(stream: list[str], kept: int) -> None:
    names, true = FrequentNames(kept), Counter(stream)
    for text in stream:
        names.add(text, "PER", HERE)
    top = names.top(kept)
    counted = {name.text: name.times for name in top}
    assert names.error <= len(stream) / (kept + 1)
    assert all(true[text] - names.error <= count <= true[text] for text, count in counted.items())
    assert all(text in counted for text, count in true.items() if count > names.error)
    assert [name.times for name in top] == sorted(counted.values(), reverse=True)


@given(st.lists(st.tuples(st.sampled_from(["Paris", " Paris ", "Par is", "par is"]), st.sampled_from(["LOC", "PER"]))))
def test_few_names_are_counted_exactly(stream: list[tuple[str, str]]) -> None:
    names = FrequentNames(100)
    for text, type_ in stream:
        names.add(text, type_, HERE)
    assert {(name.text, name.type): name.times for name in names.top(100)} == Counter((text.strip(), type_) for text, type_ in stream)
    assert names.error == 0


def test_a_name_remembers_a_few_different_posts_and_is_cut() -> None:
    names = FrequentNames()
    for number in (0, 0, 1, 2, 3, 4):
        names.add("x" * 500, "PER", Place("a", number))
    [name] = names.top(5)
    assert (len(name.text), name.times, name.places) == (80, 6, [Place("a", 0), Place("a", 1), Place("a", 2)])


rows = st.builds(
    lambda line, types, statuses: {
        "source": "posts.jsonl",
        "line": line,
        "entities": [{"text": "x", "type": type_, "score": score} for type_, score in types],
        "images": [{"status": status} for status in statuses],
        "extra": None,
    },
    st.integers(1, 10**6),
    st.lists(st.tuples(st.sampled_from(["PER", "LOC"]), st.sampled_from([0.1, 0.6, 0.95, 1.0])), max_size=2),
    st.lists(st.sampled_from(["ok", "missing"]), max_size=2),
)


@given(st.lists(rows, max_size=40, unique_by=lambda row: row["line"]), st.integers(0, 12), st.randoms())
def test_the_choice_is_that_of_all_rows_at_once_in_any_order(archive: list[dict[str, Any]], amount: int, shuffled: random.Random) -> None:
    placed = [(row, Place("a", row["line"])) for row in archive]
    shuffled.shuffle(placed)
    spread = Spread(amount)
    for row, place in placed:
        spread.add(row, place)
    chosen = spread.choose([])
    assert chosen == chosen_by_hand(archive, amount)
    assert len(chosen) == min(amount, len(archive))
    kinds = {facet for row in archive for facet in facets(row)}
    if amount >= len(kinds):
        assert {facet for row, place in placed if place in chosen for facet in facets(row)} == kinds


def chosen_by_hand(archive: list[dict[str, Any]], amount: int) -> set[Place]:
    import zlib

    order = sorted(archive, key=lambda row: (zlib.crc32(f"posts.jsonl:{row['line']}".encode()), row["line"]))
    turns = []
    for facet in {facet for row in archive for facet in facets(row)}:
        turns += [(turn, facet, row["line"]) for turn, row in enumerate(row for row in order if facet in facets(row))]
    chosen: list[Place] = []
    for _, _, line in sorted(turns):
        if Place("a", line) not in chosen and len(chosen) < amount:
            chosen.append(Place("a", line))
    return set(chosen)


def test_given_posts_are_chosen_first() -> None:
    spread = Spread(2)
    for line in range(9):
        spread.add({"source": "s", "line": line, "entities": [], "images": []}, Place("a", line))
    assert spread.choose([Place("a", 8), Place("a", 8), Place("a", 7), Place("a", 6)]) == {Place("a", 8), Place("a", 7)}


@pytest.mark.parametrize(
    ("fields", "day"),
    [
        ({"created_at": "2026-11-20T03:12:45Z"}, "2026-11-20"),
        ({"created_at": "2026-11-20"}, "2026-11-20"),
        ({"created_at": "2026-11-20 23:59:59+05:00"}, "2026-11-20"),
        ({"created_at": "Wed Oct 10 20:19:24 +0000 2018"}, "2018-10-10"),
        ({"created_at": "Sat Jan 02 08:00:00 +0800 2021"}, "2021-01-02"),
        ({"created_utc": 1388534400}, "2014-01-01"),
        ({"created_utc": 1388534400.5}, "2014-01-01"),
        ({"created_utc": "1388534400"}, "2014-01-01"),
        ({"timestamp_ms": "1388534400000"}, "2014-01-01"),
        ({"date": "2024-02-29T10:00:00"}, "2024-02-29"),
        ({"tweet": {"created_at": "Wed Oct 10 20:19:24 +0000 2018"}}, "2018-10-10"),
        ({"commit": {"record": {"createdAt": "2024-09-09T19:46:02.102Z"}}}, "2024-09-09"),
        ({"created_at": "yesterday", "date": "2024-02-29"}, "2024-02-29"),
    ],
)
def test_dates_of_sites_are_known(fields: dict[str, Any], day: str) -> None:
    assert day_of(json.dumps(fields)) == date.fromisoformat(day)


@pytest.mark.parametrize(
    "extra",
    [
        None,
        "",
        "[]",
        "7",
        "no JSON",
        '{"created_at": "2026-13-40T00:00"}',
        '{"created_at": "Wed Foo 10 20:19:24 +0000 2018"}',
        '{"created_at": true}',
        '{"created_at": 1e300}',
        '{"created_at": -1e300}',
        '{"created_at": "٢٠٢٦-١١-٢٠"}',
        '{"created_at": "0001-01-01"}',
        '{"date": "2026-11-200"}',
        '{"commit": {"record": [1]}}',
        '{"a":' * 100_000,
    ],
)
def test_what_is_no_date_is_none(extra: str | None) -> None:
    assert day_of(extra) is None


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner)).map(json.dumps))
def test_no_field_breaks_the_search_for_a_date(extra: str) -> None:
    day_of(extra)


days = st.dates(date(1971, 1, 1), date(2099, 12, 31))


@given(days, st.lists(st.tuples(st.integers(0, 50_000), st.sampled_from(["PER", "LOC"])), min_size=1, max_size=12))
def test_bins_hold_every_day_once_and_have_no_gap(first: date, later: list[tuple[int, str]]) -> None:
    dated = [(min(first + timedelta(days=number), date(2099, 12, 31)), type_) for number, type_ in later]
    unit, bins = binned(Counter(day for day, _ in dated), Counter(dated))
    assert len(bins) <= (130 if unit == "year" else MOST_BINS)
    starts = [one.start for one in bins]
    assert starts == sorted(set(starts))
    bounds = [*starts[1:], date.max]
    for one, end in zip(bins, bounds, strict=True):
        assert one.posts == one.types.total() == sum(one.start <= day < end for day, _ in dated)
    longest = max((after - before).days for before, after in zip(starts, [*starts[1:], starts[-1]], strict=True))
    assert longest <= {"day": 1, "week": 7, "month": 31, "year": 366}[unit]


@given(st.lists(rows, max_size=30))
def test_counts_are_those_of_the_rows(archive: list[dict[str, Any]]) -> None:
    counts = Counts(Spread(3))
    for row in archive:
        counts.add(HERE, row)
    entities = [entity for row in archive for entity in row["entities"]]
    assert counts.posts == len(archive)
    assert counts.types == Counter(entity["type"] for entity in entities)
    assert counts.statuses == Counter(image["status"] for row in archive for image in row["images"])
    assert sum(counts.scores) == len(entities)
    assert counts.scores[19] == sum(entity["score"] >= 0.95 for entity in entities)


def test_rejects_are_counted_with_their_first_examples() -> None:
    stream = [(HERE, {"stage": "post", "reason": reason, "payload": str(number)}) for number, reason in enumerate("aabaaab")]
    kinds = count_rejects(stream)
    assert [(kind.reason, kind.count, [row["payload"] for row in kind.examples]) for kind in kinds] == [
        ("a", 5, ["0", "1", "3"]),
        ("b", 2, ["2", "6"]),
    ]
