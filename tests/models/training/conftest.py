"""What tests of training train from: networks of a few thousand weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gensim.models import KeyedVectors
from transformers import BertConfig, BertModel, BertTokenizer, ResNetConfig, ResNetModel

from tests.models.training.material import PEOPLE, PLACES, REST, tweets


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
