"""Errors of a model: their kinds, and a page that shows hostile posts as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.datasets.labelled_post import LabelledPost
from models.evaluation.candidates import Labelled
from models.evaluation.errors import MISSED, SPURIOUS, WRONG_BOUNDARY, WRONG_TYPE, errors_of, render, sorted_errors
from models.evaluation.predictions import Prediction
from models.evaluation.scores import difference
from models.tagging.labels import Span


def predictions(*spans: tuple[int, int, int]) -> list[Prediction]:
    return [Prediction(Span(*span), 0.5) for span in spans]


def test_each_kind_of_error() -> None:
    gold = [Span(0, 0, 0), Span(2, 3, 0), Span(5, 6, 1), Span(8, 8, 1)]
    found = predictions((0, 0, 0), (2, 3, 1), (6, 6, 1), (10, 10, 0))
    assert [(kind, span, one and one.span) for kind, span, one in sorted_errors(gold, found)] == [
        (WRONG_TYPE, gold[1], found[1].span),
        (WRONG_BOUNDARY, gold[2], found[2].span),
        (MISSED, gold[3], None),
        (SPURIOUS, None, found[3].span),
    ]


SPANS = st.sets(st.integers(0, 9)).map(lambda cuts: [Span(a, a, a % 2) for a in sorted(cuts)])


@given(SPANS, SPANS)
def test_every_wrong_span_is_in_one_error(gold: list[Span], found: list[Span]) -> None:
    errors = sorted_errors(gold, [Prediction(span, 0.5) for span in found])
    assert sorted(span for _, span, _ in errors if span) == sorted({*gold} - {*found})
    assert sorted(one.span for _, _, one in errors if one) == sorted({*found} - {*gold})


def test_a_hostile_post_is_text() -> None:
    post = LabelledPost("<b>.jpg", ("<script>alert(1)</script>", "\u202eevil", "x"), (Span(0, 0, 0),))
    labelled = Labelled({"<i>": post}, ("<u>",), {})
    page = render("<model>", errors_of(labelled, [predictions((1, 1, 0))]), {})
    assert "<script" not in page
    assert "\u202e" not in page
    assert "\\u202eevil" in page
    for tag in ("<i>", "<u>", "<b>", "<model>"):
        assert tag not in page
    for kind in ("missed 1", "spurious 1", "wrong type 0", "wrong boundary 0"):
        assert f"> {kind}</label>" in page


def test_a_model_does_not_differ_from_itself_and_a_better_one_does() -> None:
    posts = [LabelledPost(None, ("a", "b"), (Span(0, 0, 0),)) for _ in range(50)]
    right = [predictions((0, 0, 0)) for _ in posts]
    wrong = [predictions((1, 1, 0)) if number % 2 else predictions((0, 0, 0)) for number in range(50)]
    same = difference(posts, [wrong, wrong], [True], 200, 0)
    assert (same["difference"], same["ci95"]) == (0, [0, 0])
    better = difference(posts, [right, wrong], [True], 200, 0)
    assert better["f1"] == [1, 0.5]
    assert 0 < better["ci95"][0] < better["difference"] == 0.5 < better["ci95"][1]
    assert difference(posts, [right, wrong], [False], 200, 0)["difference"] == 0
