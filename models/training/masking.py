"""Masked-language modelling: mask subwords and compute the loss of predicting them (Devlin et al. 2019, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from models.training.optimization import mixed_precision

SELECTED, MASKED, REPLACED = 0.15, 0.8, 0.1
"""Share of the subwords that are predicted; of these, shares that become the mask token or a random subword."""


def mask_subwords(subwords: Tensor, special: Tensor, mask_id: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Select 15 % of the subwords for prediction. Of these 80 % are masked, 10 % become random ones, 10 % stay.

    Args:
        subwords: (B, L) int64.
        special: (B, L) bool, true on special tokens and padding, which are never selected.
        mask_id: id of the mask token.
        vocabulary: number of subwords of the tokenizer.

    Returns:
        Inputs of the encoder, (B, L) int64, and which subwords are selected, (B, L) bool.
    """
    # Not transformers' DataCollatorForLanguageModeling: it draws differently from one seed, so held-out losses would change.
    chance = torch.rand(subwords.shape).masked_fill(special, 1)
    is_changed = chance < SELECTED * (MASKED + REPLACED)
    inputs = torch.where(is_changed, torch.randint(vocabulary, subwords.shape), subwords)
    return inputs.masked_fill(chance < SELECTED * MASKED, mask_id), chance < SELECTED


def masked_losses(model: PreTrainedModel, texts: Sequence[np.ndarray], tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Return the cross-entropy of the N selected subwords of a batch, (N,) float32. Draws from torch's global generator.

    Args:
        model: encoder with a masked-language head.
        texts: subword ids of each text, (L,) int32.
        tokenizer: of the model.
    """
    lengths = torch.tensor([len(text) for text in texts])
    subwords = nn.utils.rnn.pad_sequence([torch.from_numpy(text).long() for text in texts], True, tokenizer.pad_token_id)
    is_text = torch.arange(subwords.shape[1]) < lengths[:, None]  # shape: (B, L)
    special = torch.isin(subwords, torch.tensor(tokenizer.all_special_ids))
    inputs, selected = mask_subwords(subwords, special, tokenizer.mask_token_id, len(tokenizer))
    inputs, selected, is_text, subwords = (tensor.to(model.device) for tensor in (inputs, selected, is_text, subwords))
    # Logits over the vocabulary are a quarter of a small encoder's work, so they are computed for selected subwords only.
    only_selected = model.get_output_embeddings().register_forward_pre_hook(lambda _, hidden: (hidden[0][selected],))
    with only_selected, mixed_precision(model.device):
        logits = model(input_ids=inputs, attention_mask=is_text.long()).logits  # shape: (N, vocabulary)
    return nn.functional.cross_entropy(logits.float(), subwords[selected], reduction="none")
