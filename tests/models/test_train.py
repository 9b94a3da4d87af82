"""Training end to end on a handful of tweets, with networks of a few thousand weights."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gensim.models import KeyedVectors
from transformers import BertConfig, BertModel, BertTokenizer, ResNetConfig, ResNetModel

from models.annotate import Seen
from models.bundle import load_bundle
from models.labels import TYPES
from models.loading import ModelOptions, load_annotator, load_looker
from models.train import main
from models.training.conll import read_conll, text_of
from models.vision.pictures import Limits

PEOPLE, PLACES, REST = ["anna", "bob", "carla", "dan"], ["paris", "rome", "oslo", "lima"], ["loves", "sees", "in", "and", "the", "again"]


def tweets(count: int, seed: int) -> str:
    chance = random.Random(seed)
    made = []
    for number in range(count):
        words = [(chance.choice(PEOPLE).title(), "B-PER"), (chance.choice(REST), "O"), (chance.choice(PLACES).title(), "B-LOC"), ("!", "O")]
        made.append(f"IMGID:{number % 3}\n" + "".join(f"{word}\t{tag}\n" for word, tag in words))
    return "\n".join(made)


@pytest.fixture
def material(tmp_path: Path, jpeg: Callable[..., bytes]) -> Path:
    """A text encoder, a vision backbone, word vectors, pictures and tweets."""
    torch.manual_seed(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *PEOPLE, *PLACES, *REST, "!"]
    BertTokenizer(vocab={word: i for i, word in enumerate(vocabulary)}).save_pretrained(tmp_path / "encoder")
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 128}
    config = BertConfig(vocab_size=len(vocabulary), **sizes)
    BertModel(config).save_pretrained(tmp_path / "encoder")
    backbone = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 24], depths=[1, 1, 1, 1], layer_type="basic")
    ResNetModel(backbone).save_pretrained(tmp_path / "backbone")
    vectors = KeyedVectors(8)
    vectors.add_vectors(PEOPLE + PLACES + REST, torch.randn(14, 8).numpy())
    vectors.save_word2vec_format(str(tmp_path / "vectors.bin"), binary=True)
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        (tmp_path / "pictures" / f"{i}.jpg").write_bytes(jpeg(i))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.txt").write_text(tweets(150, 1))
    (tmp_path / "data" / "valid.txt").write_text(tweets(20, 2))
    return tmp_path


def command(material: Path, *more: str) -> list[str]:
    fixed = ["--threads=1", "--epochs=4", "--lr=1e-3", f"--cache={material}/sights.npz", f"--output={material}/bundle"]
    paths = [f"--encoder={material}/encoder", f"--vectors={material}/vectors.bin", f"--images={material}/pictures"]
    return ["--data", str(material / "data"), *paths, *fixed, *more]


def test_a_bundle_with_its_own_backbone_learns_and_reads_pictures(material: Path) -> None:
    assert main(command(material, f"--backbone={material}/backbone")) == 0
    bundle = load_bundle(material / "bundle")
    assert bundle.settings.backbone == "backbone"
    assert bundle.tagger.config.grid_width == 24
    options = ModelOptions(model=str(material / "bundle"), detector=None)
    annotator, looker = load_annotator(options), load_looker(options)
    assert looker.grid_id == bundle.settings.grid
    posts, _ = read_conll(material / "data" / "valid.txt", TYPES)
    picture = (material / "pictures" / "0.jpg").read_bytes()
    (sight,) = looker.look([looker.prepare(picture, Limits())])
    inputs = [(text_of(post)[0], [Seen("0.jpg", sight)]) for post in posts]
    for post, entities in zip(posts, annotator.annotate(inputs), strict=True):
        assert [(e.text, e.type) for e in entities] == [(post.tokens[0], "PER"), (post.tokens[2], "LOC")]
        assert all(e.evidence[0].image == "0.jpg" and e.evidence[0].weight == pytest.approx(1, abs=1e-4) for e in entities)
    card = (material / "bundle" / "README.md").read_text()
    assert "--backbone" in card
    assert json.loads(card.split("```\n")[1].splitlines()[-1])["epoch"] == 4


def test_the_same_seed_gives_the_same_bundle_also_from_the_cache(material: Path) -> None:
    assert main(command(material, "--epochs=1")) == 0
    first = load_bundle(material / "bundle")
    assert first.settings.backbone is None
    assert main(command(material, "--epochs=1")) == 0
    second = load_bundle(material / "bundle")
    for (name, one), two in zip(first.tagger.state_dict().items(), second.tagger.state_dict().values(), strict=True):
        assert torch.equal(one, two), name


def test_orphans_are_repaired_and_counted_and_other_is_misc(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("IMGID:7\na\tI-PER\nb\tI-PER\nc\tI-OTHER\nd\tO\n\nIMGID:8\ne\tB-LOC\n")
    posts, repaired = read_conll(path, TYPES)
    assert [post.image for post in posts] == ["7", "8"]
    assert posts[0].spans == ((0, 1, TYPES.index("PER")), (2, 2, TYPES.index("MISC")))
    assert repaired == {"orphan_inside": 2}


@pytest.mark.parametrize(("line", "words"), [("token", "token<TAB>tag"), ("token\tB-DOG", "B-DOG"), ("token\tX", "'X'")])
def test_a_bad_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "a.txt").write_text(f"good\tO\n{line}\n")
    with pytest.raises(ValueError, match=r"a\.txt:2: .*" + words):
        read_conll(tmp_path / "a.txt", TYPES)
