"""Masked-language training: which subwords are hidden, and what hiding them costs (Devlin et al. 2019, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

MASKED, BECOMES_MASK, BECOMES_RANDOM = 0.15, 0.8, 0.1


def mask_subwords(subwords: Tensor, special: Tensor, mask_id: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    """What the encoder reads, and which subwords it is judged on: of those 80 % are hidden, 10 % are others, 10 % stay.

    Args:
        subwords: (B, L) int64.
        special: (B, L) bool, subwords that are left alone.
        mask_id: the subword that hides.
        vocabulary: number of subwords.

    Returns:
        (B, L) int64 inputs and (B, L) bool judged, 15 % of what is not special.
    """
    # Not transformers' DataCollatorForLanguageModeling: it draws differently from one seed, so held-out losses would change.
    chance = torch.rand(subwords.shape).masked_fill(special, 1)
    becomes_other = chance < MASKED * (BECOMES_MASK + BECOMES_RANDOM)
    inputs = torch.where(becomes_other, torch.randint(vocabulary, subwords.shape), subwords)
    return inputs.masked_fill(chance < MASKED * BECOMES_MASK, mask_id), chance < MASKED


def masked_losses(model: PreTrainedModel, texts: Sequence[np.ndarray], tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Cross-entropy, (N,) float32, of the N subwords of a batch that are judged; masks are drawn from torch's global generator.

    Args:
        model: encoder with a masked-language head.
        texts: subword ids of each text, (L,) int32.
        tokenizer: of the model.
    """
    lengths = torch.tensor([len(text) for text in texts])
    subwords = nn.utils.rnn.pad_sequence([torch.from_numpy(text).long() for text in texts], True, tokenizer.pad_token_id)
    is_text = torch.arange(subwords.shape[1]) < lengths[:, None]  # shape: (B, L)
    special = torch.isin(subwords, torch.tensor(tokenizer.all_special_ids))
    inputs, judged = mask_subwords(subwords, special, tokenizer.mask_token_id, len(tokenizer))
    inputs, judged, is_text, subwords = (tensor.to(model.device) for tensor in (inputs, judged, is_text, subwords))
    # Scores over the vocabulary are a quarter of a small encoder's work, so they are made for judged subwords alone.
    only_judged = model.get_output_embeddings().register_forward_pre_hook(lambda _, hidden: (hidden[0][judged],))
    with only_judged, torch.autocast(model.device.type, torch.bfloat16):
        scores = model(input_ids=inputs, attention_mask=is_text.long()).logits  # shape: (N, vocabulary)
    return nn.functional.cross_entropy(scores.float(), subwords[judged], reduction="none")
