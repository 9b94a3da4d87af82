"""Windows over long posts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.tagging.encoding import _cuts
from models.tagging.word_inputs import MAX_SUBWORDS_PER_WORD


@settings(deadline=None)
@given(st.lists(st.integers(1, MAX_SUBWORDS_PER_WORD), min_size=1, max_size=300), st.integers(MAX_SUBWORDS_PER_WORD, 126))
def test_windows_hold_whole_words_within_budget_and_own_each_word_once(counts: list[int], budget: int) -> None:
    cuts = _cuts(np.array(counts), budget)
    owned = [word for _, _, first, last in cuts for word in range(first, last)]
    assert owned == list(range(len(counts)))
    for start, stop, first, last in cuts:
        assert sum(counts[start:stop]) <= budget
        assert start <= first <= last <= stop


def test_words_near_a_border_have_text_on_both_sides() -> None:
    cuts = _cuts(np.ones(400, int), 100)
    assert len(cuts) > 4
    for (start, _, first, _), (_, stop, _, last) in zip(cuts[1:], cuts[:-1], strict=True):
        assert first - start >= 10
        assert stop - last >= 10
