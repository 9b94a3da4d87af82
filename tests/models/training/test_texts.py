"""Training of the granularity of the words in pictures, on made-up outputs of a tagger."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.tagging.crf import CRF
from models.tagging.labels import Span
from models.tagging.tag_texts import TextRows
from models.training.config import TextsConfig
from models.training.text_examples import TextExample
from models.training.texts import cross_validated

TAGS, WIDTH = 3, 4


def example(seed: int) -> TextExample:
    """A post of three words of which the tagger says nothing; one is a name, and stands in the picture as a name."""
    chance = np.random.default_rng(seed)
    words = [f"{chance.integers(10**9)}" for _ in range(3)]
    name = int(chance.integers(3))
    target = np.array([int(i == name) for i in range(3)])
    rows = TextRows([words[name], "picture"], np.zeros((2, WIDTH), np.float32), np.array([[0, 1, 0], [1, 0, 0]], np.float32))
    return TextExample(words, target, np.zeros((3, TAGS), np.float32), np.zeros((3, WIDTH), np.float32), (rows, rows))


def test_it_learns_copies_and_leaves_posts_alone_whose_pictures_do_not_have_their_words() -> None:
    crf = CRF(TAGS)
    with torch.no_grad():
        crf.start.zero_(), crf.transitions.zero_(), crf.end.zero_()
    data = [example(seed) for seed in range(80)]
    found = cross_validated(crf, 1.0, data, TextsConfig(epochs=30, lr=5e-2, others=0.3), folds=2)
    gold = [[Span(int(one.target.argmax()), int(one.target.argmax()), 0)] for one in data]
    assert np.mean([a == b for a, b in zip(found["own"], gold, strict=True)]) > 0.95
    assert np.mean([a == b for a, b in zip(found["another"], found["none"], strict=True)]) > 0.95
    assert all(parameter.grad is None for parameter in crf.parameters())


@pytest.mark.parametrize(("name", "value"), [("width", 0), ("lr", float("nan")), ("others", 1.5), ("noise", -0.1)])
def test_odd_hyperparameters_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"--{name}"):
        TextsConfig(**{name: value})  # type: ignore[arg-type]
