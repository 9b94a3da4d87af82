"""Case noise: words of a training example in another case."""

from __future__ import annotations

import random

import numpy as np
import pytest

from models.pretrained import PRETRAINED
from models.tagging.bundle import load_bundle
from models.tagging.encoding import Encoder
from models.tagging.granularities import Source
from models.tagging.words import word_shape
from models.training.case_noise import with_case_noise
from models.training.examples import Example, distilled_examples


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    bundle = load_bundle(PRETRAINED / "default")
    source = Source((), np.zeros(0, np.int64), reads_grid=True, max_objects=5)
    return Encoder(bundle.tokenizer, bundle.tagger.config, bundle.table, 40, 4, source)


def example_of(text: str, encoder: Encoder) -> list[Example]:
    return distilled_examples([text], [np.full((len(text.split()), 9), 1 / 9, np.float16)], encoder)


def test_words_get_the_shapes_of_one_other_case_and_keep_their_targets(encoder: Encoder) -> None:
    [example] = example_of("Anna met bob in PARIS", encoder)
    seen = set()
    for seed in range(30):
        [changed] = with_case_noise([example], encoder, 1.0, random.Random(seed))
        assert changed.target is example.target
        assert changed.window.owned.tolist() == [0, 1, 2, 3, 4]
        seen.add(tuple(changed.window.shapes[changed.window.first_subwords].tolist()))
    capitals, lower, title = (word_shape(word) for word in ("PARIS", "paris", "Paris"))
    assert seen == {(shape,) * 5 for shape in (capitals, lower, title)}


def test_the_share_is_that_of_changed_examples(encoder: Encoder) -> None:
    examples = example_of("aB cD", encoder) * 400
    changed = with_case_noise(examples, encoder, 0.25, random.Random(1))
    assert 70 < sum(one is not other for one, other in zip(changed, examples, strict=True)) < 130


def test_each_window_of_a_long_post_changes_for_itself(encoder: Encoder) -> None:
    examples = example_of("wOrd " * 100, encoder)
    changed = with_case_noise(examples, encoder, 1.0, random.Random(0))
    assert len(examples) > 2
    for before, after in zip(examples, changed, strict=True):
        np.testing.assert_array_equal(before.window.owned, after.window.owned)
        assert len(set(after.window.shapes[after.window.first_subwords].tolist())) == 1
        assert after.window.shapes.tolist() != before.window.shapes.tolist()
