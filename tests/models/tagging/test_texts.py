"""The granularity of the words in pictures: copies, the network against its equations, and what it does to posts."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.pretrained import PRETRAINED
from models.tagging import tag_texts
from models.tagging.annotate import Annotator
from models.tagging.blocks import MIN_SCORE
from models.tagging.bundle import Bundle, load_bundle, save_bundle
from models.tagging.granularities.copies import KINDS, copies
from models.tagging.granularities.texts import TextsNetwork
from models.tagging.tag_texts import MAX_WORDS, words_of
from models.tagging.tagger import Tagger
from models.vision.images.features import ImageFeatures, TextLine

SAME, NEAR, PART = range(KINDS)


@pytest.mark.parametrize(
    ("word", "of_picture", "kind"),
    [
        ("Hampi", "HAMPI", SAME),
        ("straße", "STRASSE", SAME),
        ("Hampi", "HAMPl", NEAR),
        ("Manson", "MANSON5", NEAR),
        ("Cubs", "cub", NEAR),
        ("Bieber", "Bieber's".removesuffix("'s") + "s", NEAR),
        ("JustinBieber", "bieber", PART),
        ("manson", "CharlesManson", PART),
        ("NBAFinals2016", "finals", PART),
        ("the", "then", None),
        ("car", "cat", None),
        ("!", "!", None),
        ("_", "_", None),
        ("Paris", "London", None),
    ],
)
def test_kinds_of_copies(word: str, of_picture: str, kind: int | None) -> None:
    expected = np.zeros((3, 2, KINDS), np.float32)
    if kind is not None:
        expected[1, 1, kind] = 1
    np.testing.assert_array_equal(copies(["zzz", word, "?"], ["qqq", of_picture]), expected)


@given(st.lists(st.text("abAB1-_é", min_size=1, max_size=9), max_size=4), st.lists(st.text("abAB1-_é", min_size=1, max_size=9), max_size=4))
def test_a_word_is_one_kind_of_copy_at_most_and_the_same_word_always_is(words: list[str], of_pictures: list[str]) -> None:
    found = copies(words, of_pictures)
    assert found.shape == (len(words), len(of_pictures), KINDS)
    assert set(np.unique(found.sum(2))) <= {0, 1}
    for (i, word), (r, other) in product(enumerate(words), enumerate(of_pictures)):
        same = word.casefold() == other.casefold() and any(character.isalnum() for character in word)
        assert bool(found[i, r, SAME]) == same


def test_words_without_end_are_no_work_without_end() -> None:
    found = copies(["ab" * 500_000, "x"], ["ab" * 500_000, "ab" * 499_999 + "a"])
    assert found[0, 0].tolist() == [1, 0, 0]
    assert not found[1].any()


def network(width: int = 6, tags: int = 5, size: int = 4) -> TextsNetwork:
    torch.manual_seed(0)
    made = TextsNetwork(width, tags, size, 0.1).eval()
    torch.nn.init.normal_(made.output.weight)
    return made


def test_the_network_is_its_equations() -> None:
    made, chance = network(), np.random.default_rng(1)
    text, rows, tags = (chance.normal(size=shape).astype(np.float32) for shape in ((2, 3, 6), (2, 4, 6), (2, 4, 5)))
    copied = chance.integers(0, 2, (2, 3, 4, KINDS)).astype(np.float32)
    mask = np.array([[True, True, True, False], [True] * 4])
    with torch.inference_mode():
        added, used = (result.numpy() for result in made(*map(torch.from_numpy, (text, rows, tags, copied, mask))))
    of = {name: weight.detach().numpy().astype(np.float64) for name, weight in made.named_parameters()}
    for b, i in product(range(2), range(3)):
        read = range(mask[b].sum())
        q = of["query.weight"] @ text[b, i] + of["query.bias"]
        s = np.array([q @ (of["key.weight"] @ rows[b, r]) / 2 + of["copied.weight"][0] @ copied[b, i, r] for r in read])
        a = np.exp(s) / np.exp(s).sum()
        h = sum(a[r] * np.concatenate([of["value.weight"] @ rows[b, r] + of["value.bias"], tags[b, r]]) for r in read)
        k = copied[b, i, : len(read)].max(0)
        g = 1 / (1 + np.exp(-(of["gate.weight"][0] @ np.concatenate([q, h, k]) + of["gate.bias"][0])))
        np.testing.assert_allclose(added[b, i], g * (of["output.weight"] @ np.concatenate([h, k])), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(used[b, i], [*a, *[0] * (4 - len(read))], rtol=1e-4, atol=1e-6)


def test_a_new_network_adds_nothing_and_without_words_no_network_does() -> None:
    inputs = torch.randn(1, 3, 6), torch.randn(1, 4, 6), torch.randn(1, 4, 5), torch.ones(1, 3, 4, KINDS)
    assert not TextsNetwork(6, 5, 4, 0.1).eval()(*inputs, torch.ones(1, 4, dtype=torch.bool))[0].any()
    added, used = network()(*inputs, torch.zeros(1, 4, dtype=torch.bool))
    assert not added.any()
    assert not used.any()


@cache
def shipped() -> Bundle:
    torch.set_num_threads(1)
    return load_bundle(PRETRAINED / "default")


@cache
def with_texts() -> Bundle:
    """Return the shipped bundle with a granularity of random weights."""
    base = shipped()
    assert base.table is not None
    tagger = Tagger(replace(base.tagger.config, texts_width=8), base.table.vectors)
    tagger.load_state_dict(base.tagger.state_dict(), strict=False)
    torch.manual_seed(3)
    torch.nn.init.normal_(tagger.texts.output.weight, std=4)
    return replace(base, tagger=tagger.eval())


def annotator(bundle: Bundle) -> Annotator:
    return Annotator(bundle, bundle.settings.object_names, bundle.settings.grid)


def line(text: str, top: float, score: float = 0.95) -> TextLine:
    return TextLine(text, np.array([10, top, 200, top + 20], np.float32), score)


def picture(alt: str | None = None, *lines: TextLine) -> ImageFeatures:
    return replace(ImageFeatures.empty(640, 480), alt=alt, lines=lines)


POST = "Charles Manson cover story , listen now"
PLAIN = [
    ("Barack Obama in Nairobi", {}),
    (POST, {}),
    ("Taylor Swift at Wembley", {"a.jpg": picture(None)}),
    ("", {"b.jpg": picture("Rome")}),
]
WRITTEN = {"c.jpg": picture(None, line("CHARLES", 10), line("MANSON", 34), line("1969", 300)), "d.jpg": picture("a man called Manson")}


def test_posts_without_words_in_their_pictures_are_exactly_those_of_the_base() -> None:
    posts = [*PLAIN, (POST, WRITTEN)]
    assert annotator(with_texts()).annotate(posts)[: len(PLAIN)] == annotator(shipped()).annotate(PLAIN)


def test_a_post_does_not_depend_on_others_nor_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = annotator(with_texts())
    alone = tagger.marginals([(POST, WRITTEN)])[0]
    among = tagger.marginals([*PLAIN, (POST, WRITTEN), ("Rome", {"e.jpg": picture("Rome " * 500)})])[len(PLAIN)]
    np.testing.assert_allclose(alone, among, atol=1e-6)
    assert np.abs(alone - annotator(shipped()).marginals([(POST, {})])[0]).max() > 0.01
    monkeypatch.setattr(tag_texts, "WORDS_AT_ONCE", 2)
    np.testing.assert_allclose(alone, tagger.marginals([(POST, WRITTEN)])[0], atol=1e-6)


def test_evidence_names_the_texts_and_their_boxes() -> None:
    entities = annotator(with_texts()).annotate([(POST, WRITTEN)])[0]
    assert entities
    for entity in entities:
        assert {(one.image, one.object) for one in entity.evidence} == {("c.jpg", "ocr"), ("d.jpg", "alt")}
        assert {one.box for one in entity.evidence if one.object == "ocr"} == {(10, 10, 200, 54), (10, 300, 200, 320)}
        assert 0 <= sum(one.weight for one in entity.evidence) <= 1.0001


def test_a_picture_gives_a_bounded_number_of_legible_words() -> None:
    read = words_of(
        [picture("word " * 10_000, line("clear", 10), line("unclear", 300, MIN_SCORE - 0.1)), picture("\u200b"), picture("x" * 10_000)]
    )
    assert [(text.picture, len(text.words)) for text in read] == [(0, 1), (0, MAX_WORDS - 1), (2, 1)]
    assert len(read[2].words[0]) == tag_texts.MAX_CHARACTERS


def test_it_is_stored_in_a_bundle(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    bundle = with_texts()
    save_bundle(folder, bundle.settings, bundle.tagger, bundle.tokenizer, bundle.table)
    stored = annotator(load_bundle(folder))
    np.testing.assert_allclose(stored.marginals([(POST, WRITTEN)])[0], annotator(bundle).marginals([(POST, WRITTEN)])[0], atol=0.01)
    assert stored.annotate(PLAIN) == annotator(shipped()).annotate(PLAIN)
