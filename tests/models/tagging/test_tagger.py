"""The whole model against the equations of the paper, written out once more with Hugging Face's BERT layers."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AlbertConfig,
    BertConfig,
    BertModel,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PretrainedConfig,
    RobertaConfig,
    XLMRobertaConfig,
)
from transformers.models.bert.modeling_bert import BertLayer

from models.tagging.granularities import View
from models.tagging.granularities.fusion import AttentionLayer
from models.tagging.tagger import Batch, Tagger, TaggerConfig
from models.training.config import TrainingConfig
from models.training.optimization import parameter_groups

D, A, C = 128, 10, 24
LAYER = {"hidden_size": D, "num_attention_heads": 2, "intermediate_size": 4 * D}
ENCODER = BertConfig(vocab_size=50, num_hidden_layers=2, max_position_embeddings=40, **LAYER)
GRID, OBJECTS = {"kind": "grid", "width": C}, {"kind": "objects"}
BOTH = (GRID, OBJECTS)
CONFIG = TaggerConfig(encoder=ENCODER.to_dict(), augmentation_width=A, granularities=BOTH)
NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attended": "attention.output.dense",
    "attended_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}


def tagger(config: TaggerConfig = CONFIG, seed: int = 0) -> Tagger:
    torch.manual_seed(seed)
    made = Tagger(config, torch.cat([torch.zeros(1, A), torch.randn(7, A)])).eval()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.3)
    return made


def batch(seed: int = 0) -> Batch:
    torch.manual_seed(seed)
    mask = torch.tensor([[1] * 9, [1] * 5 + [0] * 4, [1] * 7 + [0] * 2]).bool()
    grid_mask = torch.tensor([[True] * 49, [True] * 49, [False] * 49])
    objects = torch.tensor([[1, 1, 5, 0, 0], [80, 3, 2, 1, 7], [0] * 5])
    subwords, augmentation = torch.randint(0, 50, (3, 9)), torch.randint(0, 8, (3, 9)) * mask
    return Batch(
        subwords, mask, augmentation, torch.zeros_like(subwords), (View(torch.randn(3, 49, C), grid_mask), View(objects, objects > 0))
    )


def bert_layer(ours: AttentionLayer) -> BertLayer:
    layer = BertLayer(BertConfig(**LAYER, attn_implementation="eager")).eval()
    for name, theirs in NAMES.items():
        layer.get_submodule(theirs).load_state_dict(getattr(ours, name).state_dict())
    return layer


def cross(ours: AttentionLayer, q: Tensor, kv: Tensor, mask: Tensor) -> Tensor:
    """BERT's layer with keys and values of another sequence: its own parts, put together by hand for one post at a time."""
    layer = bert_layer(ours)
    attention = layer.attention.self
    posts = []
    for one_q, one_kv, seen in zip(q, kv, mask, strict=True):
        keys = one_kv[seen]
        heads = []
        for h in range(2):
            part = slice(64 * h, 64 * (h + 1))
            scores = attention.query(one_q)[:, part] @ attention.key(keys)[:, part].T / 8
            heads.append(scores.softmax(1) @ attention.value(keys)[:, part])
        attended = layer.attention.output(torch.cat(heads, 1), one_q)
        posts.append(layer.output(layer.intermediate(attended), attended))
    return torch.stack(posts)


def paper(t: Tagger, x: Batch) -> Tensor:
    """Emissions as method and paper write them, for posts that have a picture with objects."""
    encoder = BertModel(ENCODER, add_pooling_layer=False).eval()
    encoder.load_state_dict(t.encoder.state_dict())
    a = t.table[x.augmentation]
    added = (a @ t.augment.weight.T + t.augment.bias) * (x.augmentation > 0)[..., None]
    S = encoder(input_ids=x.subwords, attention_mask=x.mask.long()).last_hidden_state + added
    M = cross(t.encode_text, S, S, x.mask)
    grid, slots = t.granularities["grid"], t.granularities["objects"]
    (cells, grid_mask), (ids, object_mask) = x.views
    V1, V2 = (cells @ project.weight.T + project.bias for project in (grid.project_direct, grid.project_guided))
    objects = slots.embedding(ids)
    views = []
    for part, one, two, mask in ((grid.attention, V1, V2, grid_mask), (slots.attention, objects, objects, object_mask)):
        one, two = cross(part.encode_direct, one, one, mask), cross(part.encode_guided, two, two, mask)
        direct = cross(part.read_direct, M, one, mask)
        guided = cross(part.read_guided, M, cross(part.attend_text, two, M, x.mask), mask)
        views.append((part.gate, direct, guided))
    (gate1, C1, C2), (gate2, D1, D2) = views
    W1, W2 = gate1.weight[:, :D], gate1.weight[:, D:]
    W4, W3 = -gate2.weight[:, :D], -gate2.weight[:, D:]
    g1 = torch.sigmoid(C1 @ W1.T + C2 @ W2.T + gate1.bias)
    g2 = torch.sigmoid(D2 @ W3.T + D1 @ W4.T - gate2.bias)
    F1, F2 = g1 * C1 + (1 - g1) * C2, g2 * D2 + (1 - g2) * D1
    F = torch.relu(torch.cat([F1, F2], 2) @ t.fuse.weight.T + t.fuse.bias)
    combined = torch.cat([M, F], 2) @ t.combine.weight.T + t.combine.bias
    return combined @ t.emissions.weight.T + t.emissions.bias


@torch.no_grad()
@pytest.mark.parametrize("seed", range(3))
def test_emissions_are_those_of_the_paper(seed: int) -> None:
    t, x = tagger(seed=seed), batch(seed)
    seen = x.map(lambda tensor: tensor[:2])
    ours = t(seen).emissions
    theirs = paper(t, seen)
    scale = theirs.abs().max()
    torch.testing.assert_close(ours[seen.mask] / scale, theirs[seen.mask] / scale, atol=1e-5, rtol=0)


@torch.no_grad()
def test_without_pictures_the_visual_part_is_exactly_absent() -> None:
    t, x = tagger(), batch()
    textual = x.map(lambda tensor: tensor[2:])
    M = t.read_text(*textual[:4])
    F, _, (grid_used, objects_used) = t._fused(M, textual)
    assert not F.any()
    assert not grid_used.any()
    assert not objects_used.any()
    nothing = textual._replace(views=tuple(View(rows[:, :0], mask[:, :0]) for rows, mask in textual.views))
    torch.testing.assert_close(t(textual).emissions, t(nothing).emissions)


@torch.no_grad()
@pytest.mark.parametrize(
    "changes",
    [
        {"augmentation": "none"},
        {"augmentation": "gate"},
        {"granularities": (OBJECTS,)},
        {"granularities": (GRID,)},
        {"granularities": ()},
        {"auxiliary": False},
        {"fusion_width": 64},
        {"casing": True},
    ],
)
def test_a_mixed_batch_equals_its_posts_one_by_one(changes: dict) -> None:
    t, x = tagger(replace(CONFIG, **changes)), batch()
    x = x._replace(views=tuple(view for entry, view in zip(BOTH, x.views, strict=True) if entry in t.config.granularities))
    together = t(x).emissions
    for i in range(3):
        n = int(x.mask[i].sum())
        alone = t(x.map(lambda tensor, i=i: tensor[i : i + 1]))
        torch.testing.assert_close(together[i, :n], alone.emissions[0, :n], atol=1e-4, rtol=1e-4)
    assert TaggerConfig(**asdict(t.config)) == t.config


def test_padding_in_the_auxiliary_task_is_off_when_not_training() -> None:
    assert tagger()(batch()).auxiliary is None
    assert tagger().train()(batch()).auxiliary.shape == (3, 9, 3)


SMALL = LAYER | {"vocab_size": 50, "num_hidden_layers": 2, "max_position_embeddings": 40}
ENCODERS = [
    RobertaConfig(**SMALL),
    XLMRobertaConfig(**SMALL),
    DistilBertConfig(vocab_size=50, dim=D, n_layers=2, n_heads=2, hidden_dim=D, max_position_embeddings=40),
    ElectraConfig(**SMALL, embedding_size=32),
    AlbertConfig(**SMALL, embedding_size=32),
    DebertaV2Config(**SMALL),
    ModernBertConfig(**SMALL, pad_token_id=0),
]


@torch.no_grad()
@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: encoder.model_type)
def test_any_hugging_face_encoder_reads_the_text(encoder: PretrainedConfig) -> None:
    t, x = tagger(replace(CONFIG, encoder=encoder.to_dict())), batch()
    x = x._replace(subwords=x.subwords.clamp(min=3).masked_fill(~x.mask, encoder.pad_token_id or 0))
    together = t(x).emissions
    for i in range(3):
        n = int(x.mask[i].sum())
        alone = t(x.map(lambda tensor, i=i, n=n: tensor[i : i + 1, :n] if tensor.shape[1] == 9 else tensor[i : i + 1])).emissions
        assert (together[i, :n] - alone[0]).abs().max() < 1e-4 * together.abs().max()
    groups = parameter_groups(t, TrainingConfig(lr=1e-4, layer_decay=0.5))
    rates = {group["lr"] for group in groups}
    assert {1e-3, 1e-4, 5e-5, 2.5e-5} <= rates | ({5e-5, 1e-4} if encoder.model_type == "albert" else set())  # its layers are one
