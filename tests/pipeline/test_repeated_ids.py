"""Repeated ids: exact for few, an estimate for many, in bounded memory."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline.repeated_ids import RepeatedIds


@given(st.lists(st.lists(st.text(max_size=2))))
def test_few_ids_are_counted_exactly(parts: list[list[str]]) -> None:
    counted = RepeatedIds()
    for part in parts:
        counted.add(part)
    assert counted.is_exact
    assert counted.count == sum(times - 1 for times in Counter(id_ for part in parts for id_ in part).values())


@given(st.lists(st.text(max_size=2)), st.lists(st.text(max_size=2)))
def test_a_later_run_goes_on_from_the_state(first: list[str], second: list[str]) -> None:
    whole, before = RepeatedIds(), RepeatedIds()
    whole.add(first + second)
    before.add(first)
    after = RepeatedIds(state=before.state)
    after.add(second)
    assert after.state == whole.state


def test_many_ids_are_estimated_in_bounded_memory() -> None:
    counted = RepeatedIds(most_hashes=4096)
    for start in range(0, 200_000, 1000):
        ids = [str(number) for number in range(start, start + 1000)]
        counted.add([*ids, *ids[:100]])
        assert len(counted.state[1]) <= 8 * 4096
    assert not counted.is_exact
    assert 0.85 * 20_000 < counted.count < 1.15 * 20_000
