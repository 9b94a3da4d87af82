"""Labelled and taught tweets as examples."""

from __future__ import annotations

import numpy as np

from models.pretrained import PRETRAINED
from models.tagging.bundle import load_bundle
from models.tagging.encoding import Encoder
from models.tagging.granularities import Source
from models.training.examples import distilled_examples


def test_an_entity_that_began_before_a_window_begins_with_it() -> None:
    bundle = load_bundle(PRETRAINED / "default")
    source = Source(bundle.settings.object_names, np.arange(80), reads_grid=True, max_objects=5)
    encoder = Encoder(bundle.tokenizer, bundle.tagger.config, bundle.table, 40, 4, source)
    said = np.tile(np.array([0.2, 0.1, 0.7, 0, 0, 0, 0, 0, 0], np.float16), (100, 1))
    made = distilled_examples(["word " * 100], [said], encoder)
    assert len(made) > 2
    for example in made:
        np.testing.assert_allclose(example.target[0, :3], [0.2, 0.8, 0], atol=1e-3)
        np.testing.assert_array_equal(example.target[1:], said[1 : len(example.target)])
    assert said[0, 2] == np.float16(0.7)
