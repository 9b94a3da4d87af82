"""Attention layers: masks, and the weights that are reported."""

from __future__ import annotations

import torch
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

from models.tagging.granularities.fusion import AttentionLayer, TextGuidedAttention

WIDTH = 128


def copy_of_bert_layer(layer: AttentionLayer) -> BertLayer:
    """Hugging Face's layer with the same weights: an independent implementation of SelfEnc."""
    config = BertConfig(hidden_size=WIDTH, num_attention_heads=layer.heads, intermediate_size=4 * WIDTH, attn_implementation="eager")
    bert = BertLayer(config).eval()
    pairs = {
        "query": bert.attention.self.query,
        "key": bert.attention.self.key,
        "value": bert.attention.self.value,
        "attended": bert.attention.output.dense,
        "attended_norm": bert.attention.output.LayerNorm,
        "intermediate": bert.intermediate.dense,
        "output": bert.output.dense,
        "output_norm": bert.output.LayerNorm,
    }
    for name, theirs in pairs.items():
        theirs.load_state_dict(getattr(layer, name).state_dict())
    return bert


@torch.no_grad()
def test_self_attention_equals_a_bert_layer() -> None:
    torch.manual_seed(0)
    layer = AttentionLayer(WIDTH, 0.1).eval()
    x, mask = torch.randn(3, 6, WIDTH), torch.tensor([[1] * 6, [1] * 4 + [0] * 2, [1] + [0] * 5]).bool()
    additive = torch.where(mask, 0.0, torch.finfo(torch.float32).min)[:, None, None, :]
    theirs = copy_of_bert_layer(layer)(x, attention_mask=additive)
    theirs = theirs[0] if isinstance(theirs, tuple) else theirs
    torch.testing.assert_close(layer(x, x, mask)[0], theirs, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_weights_sum_to_one_over_the_mask_and_are_zero_elsewhere() -> None:
    layer = AttentionLayer(WIDTH, 0.0).eval()
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]]).bool()
    _, weights = layer(torch.randn(2, 3, WIDTH), torch.randn(2, 4, WIDTH), mask)
    torch.testing.assert_close(weights[0].sum(1), torch.ones(3))
    assert weights[0, :, 2:].eq(0).all()
    assert weights[1].eq(0).all()


@torch.no_grad()
def test_nothing_to_look_at_contributes_exactly_zero() -> None:
    attention = TextGuidedAttention(WIDTH, 0.0).eval()
    text, mask = torch.randn(2, 3, WIDTH), torch.ones(2, 3, dtype=torch.bool)
    regions = torch.randn(2, 4, WIDTH)
    read, used = attention(text, mask, regions, regions, torch.tensor([[True] * 4, [False] * 4]))
    assert read[1].eq(0).all()
    assert used[1].eq(0).all()
    assert read[0].ne(0).any()
    torch.testing.assert_close(used[0].sum(1), torch.ones(3))


@torch.no_grad()
def test_what_the_mask_hides_changes_nothing() -> None:
    attention = TextGuidedAttention(WIDTH, 0.0).eval()
    text, mask = torch.randn(1, 3, WIDTH), torch.ones(1, 3, dtype=torch.bool)
    shown = torch.tensor([[True, True, False]])
    one, two = torch.randn(1, 3, WIDTH), torch.randn(1, 3, WIDTH)
    two[:, :2] = one[:, :2]
    first, second = (attention(text, mask, x, x, shown) for x in (one, two))
    torch.testing.assert_close(first, second)


def test_any_width_has_as_many_heads_as_divide_it() -> None:
    x, mask = torch.randn(2, 3, 200), torch.ones(2, 3, dtype=torch.bool)
    layer = AttentionLayer(200, 0.0)
    assert layer.heads == 2
    assert layer(x, x, mask)[0].shape == x.shape
    assert [AttentionLayer(width, 0.0).heads for width in (768, 384, 128, 32, 250)] == [12, 6, 2, 1, 2]
