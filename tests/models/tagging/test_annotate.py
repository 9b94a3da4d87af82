"""The shipped bundle at work: a post's result is its own, offsets are exact, evidence is what was used."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.pretrained import PRETRAINED
from models.tagging.annotate import MAX_CRF_WORDS, Annotator
from models.tagging.bundle import load_bundle
from models.tagging.labels import TYPES
from models.vision.images.features import ImageFeatures

SHIPPED = PRETRAINED / "default"
NAMES = load_bundle(SHIPPED).settings.object_names

TEXTS = [
    "Barack Obama visits Nairobi and meets students at the University of Nairobi",
    "",
    "good morning",
    "👩‍👩‍👧‍👦 with Zoe\u0308 Kravitz in Paris 🇫🇷",
    "שלום מתל אביב עם Madonna",
    "zero\u200bwidth Madrid\u200b",
    "LeBron James and the Lakers in Boston " * 40,
    "\u200b",
    "Taylor Swift at Wembley",
]


@cache
def annotator(batch_size: int = 32) -> Annotator:
    torch.set_num_threads(1)
    bundle = load_bundle(SHIPPED)
    return Annotator(bundle, NAMES, bundle.settings.grid, batch_size=batch_size)


def image_features(seed: int, objects: int = 3) -> ImageFeatures:
    chance = np.random.default_rng(seed)
    width = annotator().bundle.tagger.config.granularities[0]["width"]
    return ImageFeatures(
        640,
        480,
        labels=chance.integers(0, len(NAMES), objects),
        scores=np.sort(chance.random(objects).astype(np.float32))[::-1],
        boxes=chance.random((objects, 4)).astype(np.float32) * 400,
        grid=chance.random((49, width)).astype(np.float16),
    )


def posts() -> list[tuple[str, dict[str, ImageFeatures]]]:
    return [(text, {f"{i}-{j}.jpg": image_features(10 * i + j, objects=3 * j) for j in range(i % 4)}) for i, text in enumerate(TEXTS)]


@pytest.mark.parametrize("batch_size", [2, 7, 32])
def test_a_post_does_not_depend_on_its_batch(batch_size: int) -> None:
    alone = [annotator(1).annotate([post])[0] for post in posts()]
    assert annotator(batch_size).annotate(posts()) == alone
    assert annotator(batch_size).annotate(posts()[::-1]) == alone[::-1]


def test_finds_what_anybody_would() -> None:
    (entities,) = annotator().annotate([("Taylor Swift sings in London", {})])
    assert [(e.text, e.type) for e in entities] == [("Taylor Swift", "PER"), ("London", "LOC")]


@pytest.mark.parametrize("least", [0.0, 0.6, 0.9])
def test_entities_below_the_least_score_are_left_out(least: float) -> None:
    shipped = annotator().bundle
    assert 0.3 < shipped.settings.min_score < 0.5
    bundle = replace(shipped, settings=replace(shipped.settings, min_score=least))
    texts = [(text, {}) for text in (*TEXTS, *POSTERS)]
    everything = annotator().annotate(texts, doubtful=True)
    chosen = Annotator(bundle, NAMES, bundle.settings.grid).annotate(texts)
    assert all(entity.score >= least for of_text in chosen for entity in of_text)
    assert all({*some} <= {*every} for some, every in zip(chosen, everything, strict=True))
    sure = [[entity for entity in every if entity.score >= max(least, 0.6)] for every in everything]
    assert all({*some} <= {*of_text} for some, of_text in zip(sure, chosen, strict=True))


POSTERS = [
    "LIVE AT THE FOX",
    "Kings of Convenience & friends",
    "THE MIDNIGHT HOUR tour",
    "Sunset Bar, open till 2",
    "MAY 5 DELTA SPIRIT",
    "good morning",
]


def test_doubtful_names_come_beside_those_of_the_best_reading() -> None:
    inputs = [*((text, {}) for text in POSTERS), *posts()]
    best, more = annotator().annotate(inputs), annotator().annotate(inputs, doubtful=True)
    gained = 0
    for (text, _), sure, both in zip(inputs, best, more, strict=True):
        assert set(sure) <= set(both)
        assert all(one.end <= following.start for one, following in pairwise(both))
        for entity in set(both) - set(sure):
            assert text[entity.start : entity.end] == entity.text
            assert 0 < entity.score < 1
            gained += 1
    assert gained
    assert [annotator().annotate([post], doubtful=True)[0] for post in inputs] == more


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(max_size=200), max_size=4))
def test_offsets_are_exact_for_any_text(texts: list[str]) -> None:
    for text, entities in zip(texts, annotator().annotate([(text, {}) for text in texts]), strict=True):
        assert all(text[e.start : e.end] == e.text and e.text for e in entities)
        assert all(a.end <= b.start for a, b in pairwise(entities))
        assert all(0 < e.score <= 1 and e.evidence == () for e in entities)


def test_every_part_of_a_long_post_is_read() -> None:
    text = "Barack Obama met Angela Merkel in Berlin . " * 300
    (entities,) = annotator().annotate([(text, {})])
    starts = {e.start for e in entities if e.text == "Berlin"}
    assert len(starts) >= 290
    assert max(starts) > len(text) - 20


@pytest.mark.parametrize("text", ["a" * 50_000, "\u0301" * 5000, "😀", "\x00\x01", "x " * 20_000])
def test_strange_texts_cost_nothing_but_time(text: str) -> None:
    found, neighbour = annotator().annotate([(text, {}), ("Taylor Swift sings in London", {})])
    assert all(text[e.start : e.end] == e.text and e.text and e.type in TYPES for e in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert [(e.text, e.type) for e in neighbour] == [("Taylor Swift", "PER"), ("London", "LOC")]


def test_evidence_leaves_the_rest_to_the_text() -> None:
    seen = {"a.jpg": image_features(1), "b.jpg": image_features(2)}
    (entities,) = annotator().annotate([("Taylor Swift sings in London", seen)])
    assert entities
    for entity in entities:
        assert 0 < sum(e.weight for e in entity.evidence) < 1
        assert {e.image for e in entity.evidence} == {"a.jpg", "b.jpg"}
    assert all(NAMES[image_features(1).labels[0]] in {e.object for e in entity.evidence} for entity in entities)


def test_pictures_change_the_scores_and_their_absence_is_not_a_picture() -> None:
    text = "Jordan at the Garden"
    without, with_one, empty = (
        annotator().annotate([(text, seen)])[0] for seen in ({}, {"a.jpg": image_features(1)}, {"a.jpg": image_features(1, 0)})
    )
    assert [e.score for e in without] != [e.score for e in with_one]
    assert all(e.object is None for entity in empty for e in entity.evidence)


def test_another_detector_s_classes_are_matched_by_name_and_its_grid_is_not_read() -> None:
    bundle = load_bundle(SHIPPED)
    other = Annotator(bundle, ("unicorn", *reversed(NAMES)), "another-network")
    mine = image_features(1)
    theirs = ImageFeatures(mine.width, mine.height, len(NAMES) - mine.labels, mine.scores, mine.boxes, None)
    seen = {"a.jpg": ImageFeatures(mine.width, mine.height, mine.labels, mine.scores, mine.boxes, None)}
    text = "Taylor Swift sings in London"
    assert other.annotate([(text, {"a.jpg": theirs})]) == annotator().annotate([(text, seen)])


def test_a_long_post_does_not_make_its_neighbours_long() -> None:
    posts = [(text + " !" * i, {}) for i in range(20) for text in ("Anna in Paris", "Bob in Rome")] + [("a " * 2000, {})]
    asked: list[tuple[int, int]] = []
    crf = annotator().bundle.tagger.crf
    decode = crf.decode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crf, "decode", lambda emissions, mask: asked.append(tuple(mask.shape)) or decode(emissions, mask))
        found = annotator().annotate(posts)
    assert [[entity.text for entity in entities] for entities in found[:2]] == [["Anna", "Paris"], ["Bob", "Rome"]]
    assert sum(rows for rows, _ in asked) == len(posts)
    assert all(rows * words <= MAX_CRF_WORDS for rows, words in asked)


def test_int8_says_nearly_the_same() -> None:
    bundle = load_bundle(SHIPPED)
    model = Annotator(bundle, NAMES, bundle.settings.grid, precision="int8")
    assert model.engine.split()[::2] == ["openvino", "int8"]
    moved = [np.abs(one - other).max(1) for one, other in zip(model.marginals(posts()), annotator().marginals(posts()), strict=True)]
    assert 0 < np.concatenate(moved).max() < 0.1
    assert np.concatenate(moved).mean() < 0.01


def test_a_text_that_posts_share_is_tagged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = annotator()
    posts: list[tuple[str, dict[str, ImageFeatures]]] = [("Anna in Paris", {}), ("", {}), ("Anna in Paris", {}), ("Tom", {})]
    expected = [model.annotate([post])[0] for post in posts]
    tagged: list[int] = []
    tag = model._words.tag
    monkeypatch.setattr(model._words, "tag", lambda words, features: (tagged.append(len(words)), tag(words, features))[1])
    assert model.annotate(posts) == expected
    assert tagged == [3]
    assert model.annotate([]) == []
