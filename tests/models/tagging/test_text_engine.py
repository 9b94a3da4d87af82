"""The text side by OpenVINO: nearly what torch gives, the same bits whatever is beside a text, and torch where it fails."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import BertConfig, DebertaV2Config, DistilBertConfig, PretrainedConfig, RobertaConfig

from models.pretrained import PRETRAINED
from models.tagging import text_engine
from models.tagging.annotate import Annotator, Entity
from models.tagging.augmentation import AugmentationTable
from models.tagging.bundle import Bundle, load_bundle, save_bundle
from models.tagging.granularities import View
from models.tagging.settings import BundleSettings
from models.tagging.tagger import TEXT_PARTS, Batch, Tagger, TaggerConfig
from models.tagging.text_engine import TextEngine, TextEngineError
from models.vision.images.features import ImageFeatures

SIZES = {"vocab_size": 30522, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 256}
BERT = BertConfig(**SIZES, max_position_embeddings=130)
GRANULARITIES = ({"kind": "grid", "width": 24}, {"kind": "objects"})
PRECISIONS = ["float32", "bfloat16", "int8"]


@cache
def tokenizer() -> object:
    return load_bundle(PRETRAINED / "default").tokenizer


@pytest.fixture(scope="module", autouse=True)
def cache_of_compiled_networks(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def make_bundle(encoder: PretrainedConfig, augmentation: str) -> Bundle:
    """A small bundle with random weights."""
    torch.manual_seed(0)
    words = ["good", "morning", "paris"]
    table = AugmentationTable(words, torch.cat([torch.zeros(1, 200), torch.randn(len(words), 200)]))
    config = TaggerConfig(encoder.to_dict(), augmentation=augmentation, casing=True, granularities=GRANULARITIES, fusion_width=32)
    given = BundleSettings("small", object_names=("cat", "dog"), grid="network")
    return Bundle(given, "of no file", Tagger(config, table.vectors).eval(), tokenizer(), table, Path())


@cache
def bundle() -> Bundle:
    return make_bundle(BERT, "gate")


def stored(made: Bundle, folder: Path) -> Bundle:
    save_bundle(folder, made.settings, made.tagger, made.tokenizer, made.table)
    return load_bundle(folder)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return stored(bundle(), tmp_path_factory.mktemp("small") / "bundle")


def batch(rows: int, length: int, seed: int = 0) -> Batch:
    chance = np.random.default_rng(seed)
    mask = np.arange(length) < chance.integers(length // 2, length + 1, (rows, 1))
    ids = [chance.integers(0, many, (rows, length)) * mask for many in (30522, 4, 12)]
    return Batch(torch.from_numpy(ids[0]), torch.from_numpy(mask), torch.from_numpy(ids[1]), torch.from_numpy(ids[2]), ())


def differences(engine: TextEngine, tagger: Tagger, x: Batch) -> torch.Tensor:
    """In standard deviations of what torch gives, where there are texts."""
    with torch.inference_mode():
        wanted = tagger.read_text(*x[:4])[x.mask]
    return (engine(x)[x.mask] - wanted).abs() / wanted.std()


@pytest.mark.parametrize(("precision", "mean"), [("float32", 1e-5), ("bfloat16", 0.02), ("int8", 0.05)])
def test_it_gives_what_torch_gives(small: Bundle, precision: str, mean: float) -> None:
    engine = TextEngine(small, lambda: small.tagger, precision, threads=1)
    for rows, length in ((1, 8), (5, 24), (2, 128)):
        assert differences(engine, small.tagger, batch(rows, length)).mean() < mean
    assert precision in engine.name


@pytest.mark.parametrize(
    "encoder",
    [
        RobertaConfig(**SIZES, max_position_embeddings=140),
        DistilBertConfig(vocab_size=30522, dim=64, n_layers=2, n_heads=2, hidden_dim=256),
        DebertaV2Config(**SIZES, relative_attention=True, pos_att_type=["c2p", "p2c"]),
    ],
    ids=lambda encoder: encoder.model_type,
)
def test_other_encoders_give_what_torch_gives(encoder: PretrainedConfig) -> None:
    made = replace(make_bundle(encoder, "sum"), sha256=encoder.model_type)
    engine = TextEngine(made, lambda: made.tagger, "float32", 1)
    assert differences(engine, made.tagger, batch(3, 56)).max() < 1e-3


def test_int8_keeps_the_weights_of_the_bundle(small: Bundle) -> None:
    """Of a stored bundle all matrices are held in int8, so the compiled network is about as large as the file."""
    constants = [one for one in text_engine._convert(small.tagger, 128).get_ops() if one.get_type_name() == "Constant"]
    held = sum(int(np.prod(one.shape)) for one in constants if one.get_element_type().get_type_name() == "i8")
    parameters = sum(parameter.numel() for name, parameter in small.tagger.named_parameters() if name.split(".")[0] in TEXT_PARTS)
    assert held > 0.95 * parameters


FEATURES = [
    ImageFeatures(
        640,
        480,
        np.array([1, 0]),
        np.ones(2, np.float32),
        np.ones((2, 4), np.float32),
        np.random.default_rng(i).random((49, 24)).astype(np.float16),
    )
    for i in range(3)
]
WORDS = ["Paris", "good", "morning", "#NBA", "http://t.co/x", "Zoë", "🙂", "LeBron James plays in Boston tonight"]


@cache
def annotator(precision: str, threads: int, batch_size: int) -> Annotator:
    torch.set_num_threads(1)
    return Annotator(bundle(), ("cat", "dog"), "network", "cpu", batch_size, threads, precision)


def annotate(posts: list[tuple[str, int]], precision: str, threads: int, batch_size: int) -> list[list[Entity]]:
    pictures = [{f"{i}.jpg": FEATURES[i] for i in range(count)} for _, count in posts]
    return annotator(precision, threads, batch_size).annotate([(text, of) for (text, _), of in zip(posts, pictures, strict=True)])


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    posts=st.lists(
        st.tuples(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join) | st.just("Boston and Paris " * 90), st.integers(0, 3)),
        max_size=8,
        unique=True,
    )
)
def test_rows_are_equal_bit_by_bit(posts: list[tuple[str, int]], precision: str) -> None:
    """Whatever the batch size, the threads, the order and the neighbours."""
    alone = [annotate([post], precision, 1, 1)[0] for post in posts]
    assert annotate(posts, precision, 2, 7) == alone
    assert annotate(posts[::-1], precision, 1, 32) == alone[::-1]


def test_the_pictures_of_a_long_post_are_computed_once() -> None:
    posts = [("Boston and Paris " * 150, {"a.jpg": FEATURES[0]})]
    batches = annotator("float32", 1, 32).batches(posts)
    assert max(len(one.subwords) for one in batches) > 1
    assert {len(view.rows) for one in batches for view in one.views} == {1}
    tagger = bundle().tagger
    for one in batches:
        rows = len(one.subwords)
        each = one._replace(views=tuple(View(*(tensor.expand(rows, *tensor.shape[1:]) for tensor in view)) for view in one.views))
        with torch.inference_mode():
            once, again = tagger(one), tagger(each)
        torch.testing.assert_close(once.emissions, again.emissions)
        torch.testing.assert_close(once.used, again.used)
        torch.testing.assert_close(once.visual, again.visual)


def test_torch_runs_what_openvino_cannot(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such operation")

    made = replace(bundle(), sha256="fails")
    monkeypatch.setattr(text_engine, "_convert", fail)
    with caplog.at_level(logging.WARNING):
        model = Annotator(made, ("cat", "dog"), "network", precision="int8")
    assert model.engine == "torch float32"
    assert [record.message for record in caplog.records] == [
        f"the text encoder of {made.label} runs in float32 on torch, not in int8 on OpenVINO: RuntimeError: no such operation"
    ]
    posts = [("LeBron James plays in Boston", {})]
    assert model.annotate(posts) == annotator("float32", 1, 32).annotate(posts)


def test_a_network_that_gives_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    convert = text_engine._convert
    torch.manual_seed(1)
    other = Tagger(bundle().tagger.config, bundle().table.vectors).eval()
    monkeypatch.setattr(text_engine, "_convert", lambda tagger, longest: convert(other, longest))
    with pytest.raises(TextEngineError, match="differ from those of torch"):
        TextEngine(replace(bundle(), sha256="other"), lambda: bundle().tagger, "float32", 1)


def test_the_annotator_lets_go_of_what_the_engine_holds() -> None:
    model = annotator("int8", 1, 1)
    assert not set(TEXT_PARTS) & (model.bundle.tagger._modules.keys() | model.bundle.tagger._buffers.keys())
    assert hasattr(bundle().tagger, "encoder"), "the bundle that was given is whole"
