"""Evidence means what docs/model.md says: the text's share is an ablation, and the rest is what the pictures add."""

from __future__ import annotations

import json
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from archive.images.decode import Limits
from models.loading import ModelOptions, load_annotator, load_vision_model
from models.pretrained import PRETRAINED
from models.tagging.annotate import Annotator, Entity
from models.tagging.bundle import load_bundle
from models.tagging.evidence import visual_share, weighed
from models.tagging.granularities import Evidence
from models.tagging.labels import begin
from models.tagging.words import split_words
from models.vision.images.features import ImageFeatures
from tests.models.tagging.test_tagger import CONFIG, batch, tagger

DEMO = Path(__file__).parents[3] / "demo" / "archive"
PICTURES = ("grace-hopper.jpg", "summer-palace.jpg")
probabilities = st.floats(0, 1, width=32)


def text_weight(entity: Entity) -> float:
    return 1 - sum(one.weight for one in entity.evidence)


@given(probabilities, probabilities)
def test_the_visual_share_is_a_share_whichever_score_is_larger(score: float, text_score: float) -> None:
    share = visual_share(score, text_score)
    assert 0 <= share <= 1
    assert share == visual_share(text_score, score)
    assert max(score, text_score) * (1 - share) == pytest.approx(min(score, text_score))


@given(st.lists(st.lists(st.floats(0.01, 1), max_size=5), min_size=1, max_size=3), probabilities, st.integers(0, 2**32 - 1))
def test_weights_are_shares_of_one(attention: list[list[float]], share: float, seed: int) -> None:
    chance = np.random.default_rng(seed)
    found = [[Evidence("a.jpg", f"{g} {k}", None, one / sum(of_one)) for k, one in enumerate(of_one)] for g, of_one in enumerate(attention)]
    visual = np.stack([chance.normal(size=(2, 9)) * bool(of_one) for of_one in attention], 1).astype(np.float32)
    evidence = weighed(found, visual, share)
    if not any(attention):
        assert evidence == ()
        return
    assert all(0 <= one.weight <= 1 for one in evidence)
    assert sum(one.weight for one in evidence) == pytest.approx(share)
    assert {one.object for one in evidence} == {one.object for of_one in found for one in of_one}


def test_pictures_that_add_nothing_weigh_nothing() -> None:
    evidence = weighed([[Evidence("a.jpg", None, None, 1.0)]], np.zeros((1, 1, 9), np.float32), 0.0)
    assert [(one.image, one.weight) for one in evidence] == [("a.jpg", 0.0)]


@torch.no_grad()
@pytest.mark.parametrize("seed", range(3))
def test_emissions_without_what_the_pictures_add_are_those_of_the_text(seed: int) -> None:
    t, x = tagger(seed=seed), batch(seed)
    output = t(x)
    alone = t(x._replace(views=tuple(type(view)(view.rows, torch.zeros_like(view.mask)) for view in x.views))).emissions
    scale = output.emissions.abs().max()
    torch.testing.assert_close((output.emissions - output.visual.sum(2)) / scale, alone / scale, atol=1e-5, rtol=0)
    assert not output.visual[2].any()  # a post without pictures
    assert output.visual[:2].any(3).any(1).all()


@pytest.mark.parametrize("kind", CONFIG.granularities, ids=lambda entry: entry["kind"])
def test_what_a_granularity_adds_is_the_derivative_by_its_scale(kind: dict) -> None:
    """Autograd as the oracle: the emissions are linear in a granularity's features while no unit of the ReLU switches."""
    t, x = tagger(), batch()
    g = CONFIG.granularities.index(kind)

    def emissions(scale: Tensor) -> Tensor:
        def scaled(_module: object, _inputs: object, result: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return result[0] * scale, result[1]

        hook = t.granularities[kind["kind"]].register_forward_hook(scaled)
        with hook:
            return t(x).emissions

    torch.nn.init.zeros_(t.fuse.bias)  # which belongs to no granularity
    _, slope = torch.autograd.functional.jvp(emissions, torch.ones(()), torch.ones(()))
    with torch.no_grad():
        visual = t(x).visual[:, :, g]
    scale = slope.abs().max()
    torch.testing.assert_close(visual[:2] / scale, slope[:2] / scale, atol=1e-4, rtol=0)


@cache
def demo() -> list[tuple[str, dict[str, ImageFeatures]]]:
    """Posts of the demo with a picture that can be read."""
    vision_model = load_vision_model(ModelOptions(device="cpu", threads=1, precision="float32"))
    data = {}
    for path in DEMO.glob("images-*.tar"):
        with tarfile.open(path) as shard:
            data |= {name: shard.extractfile(name).read() for name in shard.getnames() if name in PICTURES}
    features = {key: vision_model.extract([vision_model.preprocess(one, Limits())])[0] for key, one in data.items()}
    posts = [json.loads(line) for line in (DEMO / "posts-00000.jsonl").read_text().splitlines()[:4]]
    found = [(post["text"], {key: features[key] for key in post.get("images", []) if key in features}) for post in posts]
    return [(text, pictures) for text, pictures in found if pictures]


def test_the_text_s_weight_is_the_ablation_of_the_pictures_in_the_demo() -> None:
    annotator = load_annotator(ModelOptions(device="cpu", threads=1))
    with_pictures = annotator.annotate(demo())
    without = annotator.annotate([(text, {}) for text, _ in demo()])
    compared = 0
    for entities, of_text in zip(with_pictures, without, strict=True):
        scores = {(entity.start, entity.end, entity.type): entity.score for entity in of_text}
        for entity in entities:
            alone = scores[entity.start, entity.end, entity.type]
            assert text_weight(entity) == pytest.approx(min(alone, entity.score) / max(alone, entity.score), abs=1e-4)
            assert text_weight(entity) > 0.9
            compared += 1
    assert compared >= 3
    hopper = next(entity for entities in with_pictures for entity in entities if entity.text == "Grace Hopper")
    ties = [one.weight for one in hopper.evidence if one.object == "tie"]
    assert ties == [pytest.approx(ties[0], rel=1e-4)] * 2
    assert 0 < ties[0] < 0.1


def test_an_entity_that_only_the_picture_makes_has_little_weight_of_its_text() -> None:
    """The shipped tagger, made to listen to pictures far too much."""
    bundle = load_bundle(PRETRAINED / "default")
    with torch.no_grad():
        bundle.tagger.fuse.weight *= -40
    annotator = Annotator(bundle, bundle.settings.object_names, bundle.settings.grid)
    decided = 0
    of_text = annotator.marginals([(text, {}) for text, _ in demo()])
    for (text, _), entities, marginals in zip(demo(), annotator.annotate(demo()), of_text, strict=True):
        firsts = {start: word for word, (start, _) in enumerate(split_words(text))}
        for entity in entities:
            bound = marginals[firsts[entity.start], begin(bundle.tagger.config.types.index(entity.type))]  # of P(span | text alone)
            if bound < 0.1 * entity.score:
                decided += 1
                assert text_weight(entity) <= bound / entity.score + 1e-4
    assert decided
