"""Masked-language training: shares of masking, and losses against the model's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from models.training.masking import mask_subwords, masked_losses
from models.training.optimization import mixed_precision


def test_shares_of_masking() -> None:
    torch.manual_seed(0)
    pieces = torch.randint(5, 1000, (200, 500))
    special = torch.zeros_like(pieces, dtype=torch.bool)
    special[:, 0] = True
    inputs, judged = mask_subwords(pieces, special, 4, 1000)
    assert not judged[:, 0].any()
    assert torch.equal(inputs[~judged], pieces[~judged])
    assert judged[:, 1:].float().mean() == pytest.approx(0.15, abs=0.003)
    assert (inputs[judged] == 4).float().mean() == pytest.approx(0.8, abs=0.01)
    assert (inputs[judged] == pieces[judged]).float().mean() == pytest.approx(0.1, abs=0.01)


def test_the_losses_are_those_that_the_model_gives_for_its_labels() -> None:
    torch.manual_seed(0)
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(45))]
    tokenizer = BertTokenizer(vocab={name: i for i, name in enumerate(names)})
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    model = BertForMaskedLM(BertConfig(vocab_size=50, initializer_range=0.5, **sizes)).eval()
    texts = [np.array([2, *range(5, 5 + length), 3], np.int32) for length in (40, 7, 23)]
    torch.manual_seed(1)
    losses = masked_losses(model, texts, tokenizer)
    padded = torch.tensor([[*text.tolist(), *[0] * (42 - len(text))] for text in texts])
    torch.manual_seed(1)
    inputs, judged = mask_subwords(padded, padded < 5, 4, 50)
    labels = padded.masked_fill(~judged, -100)
    with mixed_precision(torch.device("cpu")):
        wanted = model(input_ids=inputs, attention_mask=(padded != 0).long(), labels=labels).loss
    assert len(losses) == judged.sum() > 5
    assert losses.mean().item() == pytest.approx(wanted.item(), rel=1e-2)
