"""Spans of two readings of one text, against sets of words."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from models.tagging.labels import Span, spans_of, with_others

LEGAL = st.lists(st.tuples(st.sampled_from([0, 0, 1, 3]), st.integers(0, 2)), max_size=8)
"""Tags of words, and how many I tags follow each of them."""


def read(tags: list[tuple[int, int]]) -> list[Span]:
    return spans_of([each for tag, more in tags for each in (tag, *[tag and tag + 1] * more)])


@given(LEGAL, LEGAL)
def test_others_join_where_the_best_has_none(best_tags: list[tuple[int, int]], other_tags: list[tuple[int, int]]) -> None:
    best, others = read(best_tags), read(other_tags)
    joined = with_others(best, others)
    words = [{*range(span.first, span.last + 1)} for span in best]
    assert [span for span in joined if span in best] == best
    assert set(joined) - set(best) == {span for span in others if not any(of & {*range(span.first, span.last + 1)} for of in words)}
    assert all(one.last < following.first for one, following in pairwise(joined))
