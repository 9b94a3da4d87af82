"""Scores against slow and independent counts."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score
from seqeval.metrics.sequence_labeling import get_entities

from models.datasets.conll import read_conll
from models.datasets.labelled_post import LabelledPost
from models.evaluation.calibration import fit_temperature, plot, reliability
from models.evaluation.predictions import Prediction, over_tokens, shuffled
from models.evaluation.scores import bootstrap, counts, score
from models.tagging.crf import CRF
from models.tagging.labels import TYPES, Span, spans_of, spans_to_tags, tags_of

TAGS = tags_of(TYPES)


@st.composite
def spans(draw: st.DrawFn, words: int) -> tuple[Span, ...]:
    """Entities that do not overlap."""
    cuts = sorted(draw(st.sets(st.integers(0, words), max_size=8)))
    return tuple(Span(a, b - 1, draw(st.integers(0, 3))) for a, b in zip(cuts[::2], cuts[1::2], strict=False))


@st.composite
def scored_posts(draw: st.DrawFn) -> tuple[list[LabelledPost], list[list[Prediction]]]:
    words = draw(st.lists(st.integers(1, 12), min_size=1, max_size=6))
    posts = [LabelledPost(None, ("w",) * n, draw(spans(n))) for n in words]
    return posts, [[Prediction(span, 0.5) for span in draw(spans(n))] for n in words]


@settings(max_examples=60, deadline=None)
@given(scored_posts())
def test_scores_equal_those_counted_span_by_span(given_posts: tuple[list[LabelledPost], list[list[Prediction]]]) -> None:
    posts, found = given_posts
    scores = score(posts, found, TYPES, resamples=10, seed=0)
    gold = {(i, *span) for i, post in enumerate(posts) for span in post.spans}
    predicted = {(i, *one.span) for i, some in enumerate(found) for one in some}
    for name, keep in {**{kind: (lambda s, k=k: s[3] == k) for k, kind in enumerate(TYPES)}, "all": lambda s: True}.items():
        a, b = {s for s in gold if keep(s)}, {s for s in predicted if keep(s)}
        f1 = 2 * len(a & b) / max(len(a) + len(b), 1)
        assert (scores["types"].get(name) or scores["lenient"])["f1"] == pytest.approx(f1), name
    assert scores["strict"]["f1"] == pytest.approx(scores["lenient"]["f1"])
    bare_gold, bare_found = {s[:3] for s in gold}, {s[:3] for s in predicted}
    assert scores["spans"]["f1"] == pytest.approx(2 * len(bare_gold & bare_found) / max(len(bare_gold) + len(bare_found), 1))
    confusion = scores["confusion"]
    assert sum(confusion[kind][kind] for kind in TYPES) == len(gold & predicted)
    assert sum(sum(row.values()) for row in confusion.values()) == len(bare_gold | bare_found)


@settings(max_examples=100, deadline=None)
@given(tags=st.lists(st.sampled_from(TAGS), min_size=1, max_size=10))
def test_repaired_gold_scores_as_lenient_seqeval_takes_orphans(tmp_path_factory: pytest.TempPathFactory, tags: list[str]) -> None:
    """What `read_conll` makes of an orphan I- is what seqeval's default mode sees in it."""
    path = tmp_path_factory.getbasetemp() / "orphans.txt"
    path.write_text("".join(f"w\t{tag}\n" for tag in tags))
    ((post,), repaired) = read_conll(path, TYPES)
    assert [(TYPES[span.type], span.first, span.last) for span in post.spans] == get_entities(tags)
    legal = [TAGS[tag] for tag in spans_to_tags(post.spans, len(tags))]
    assert repaired["orphan_inside"] == sum(a != b for a, b in zip(tags, legal, strict=True))
    if post.spans:
        assert f1_score([tags], [legal]) == 1


def test_the_interval_holds_the_score_and_narrows_with_posts() -> None:
    chance = np.random.default_rng(0)

    def width(posts: int) -> float:
        right = chance.binomial(2, 0.8, posts)
        low, high = bootstrap(np.stack([right, np.full(posts, 2), np.full(posts, 2)], 1), 500, seed=1)
        assert low <= right.sum() / (2 * posts) <= high
        return high - low

    assert width(1600) == pytest.approx(width(100) / 4, rel=0.35)


def test_counts_of_no_posts() -> None:
    assert counts([], []).shape == (0, 3)


def test_entities_are_taken_over_the_tokens_they_touch() -> None:
    post = LabelledPost(None, ("#NBA", "in", "New", "York"), ())
    found = over_tokens(post, [(1, 4, "ORG", 0.5), (0, 1, "PER", 0.1), (8, 16, "LOC", 0.9)], TYPES)
    assert [one.span for one in found] == [Span(0, 0, 2), Span(2, 3, 1)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdef")), max_size=12), st.integers())
def test_shuffled_no_post_keeps_its_picture(pictures: list[str | None], seed: int) -> None:
    posts = [LabelledPost(picture, (str(i),), ()) for i, picture in enumerate(pictures)]
    mixed = shuffled(posts, seed)
    assert [post.tokens for post in mixed] == [post.tokens for post in posts]
    assert sorted(str(post.image) for post in mixed) == sorted(str(post.image) for post in posts)
    named = [picture for picture in pictures if picture]
    if all(2 * named.count(picture) <= len(named) for picture in named):
        assert all(a.image != b.image for a, b in zip(mixed, posts, strict=True) if b.image)


def test_calibration_error_is_what_it_says(tmp_path: Path) -> None:
    chance = random.Random(0)
    scores = np.array([chance.random() for _ in range(4000)])
    honest = np.array([chance.random() < s for s in scores])
    assert reliability(scores, honest)[0] < 0.03
    boastful, table = reliability(np.full(1000, 0.95), np.arange(1000) < 600)
    assert boastful == pytest.approx(0.35)
    assert [(row["entities"], row["right"]) for row in table] == [(1000, 0.6)]
    assert reliability(np.zeros(0), np.zeros(0, bool)) == (0.0, [])
    plot(table, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_temperature_undoes_emissions_that_were_made_too_sure() -> None:
    torch.manual_seed(0)
    crf = CRF(9)
    emissions = 2 * torch.randn(400, 6, 9)
    mask = torch.ones(400, 6, dtype=torch.bool)
    tags = []
    for post in crf.log_marginals(emissions, mask).exp():  # draw gold tags from the model itself, position by position
        path = [0]
        for marginal in post:
            legal = torch.tensor([1.0 if crf.legal[path[-1], tag] else 0.0 for tag in range(9)])
            path.append(int(torch.multinomial(marginal * legal, 1)))
        tags.append(path[1:])
    gold = torch.tensor(tags)
    assert all(spans_to_tags(spans_of(path), 6) == path for path in tags)
    plain = fit_temperature(crf, [(emissions, gold, mask)])
    assert fit_temperature(crf, [(2 * emissions, gold, mask)]) == pytest.approx(2 * plain, abs=0.11)
