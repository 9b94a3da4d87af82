"""The granularity of the words that stand in pictures, read from them or in their alternative texts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.tagging.granularities.copies import KINDS


class TextsNetwork(nn.Module):
    """Computes what the words of pictures add to the emissions of a post's words.

    For word i of the post and word r of its pictures, both as vectors M of the tagger, p_r the tagger's probabilities of
    the tags of r in its own text, and c_ir the kinds of copy of `copies`:

        a_i = softmax_r(W_q M_i . W_k M_r / sqrt(d) + w . c_ir)        attention
        h_i = sum_r a_ir [W_v M_r; p_r];  k_i = max_r c_ir
        g_i = sigmoid(W_g [W_q M_i; h_i; k_i] + b)                     gate
        E_i = (E of the tagger) + g_i W_o [h_i; k_i]

    W_o begins at zero, so that training begins at the tagger as it is.
    """

    def __init__(self, text_width: int, tags: int, width: int, dropout: float) -> None:
        super().__init__()
        self.query = nn.Linear(text_width, width)
        self.key = nn.Linear(text_width, width, bias=False)
        self.value = nn.Linear(text_width, width)
        self.copied = nn.Linear(KINDS, 1, bias=False)
        self.gate = nn.Linear(2 * width + tags + KINDS, 1)
        self.output = nn.Linear(width + tags + KINDS, tags, bias=False)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.output.weight)

    def forward(self, text: Tensor, rows: Tensor, tags: Tensor, copied: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from the words of B posts to those of their pictures.

        Args:
            text: (B, W, D), vectors of the words of the posts.
            rows: (B, R, D), vectors of the words of pictures.
            tags: (B, R, T), probabilities of their tags.
            copied: (B, W, R, KINDS), from `copies`.
            mask: (B, R) bool, false on padding.

        Returns:
            What is added to the emissions, (B, W, T), exactly 0 for posts without rows; and the attention weights,
            (B, W, R). Weights sum to 1 over the rows, or are all 0.
        """
        query = self.query(self.dropout(text))
        rows = self.dropout(rows)
        scores = query @ self.key(rows).transpose(1, 2) / query.shape[2] ** 0.5 + self.copied(copied).squeeze(3)
        ignored = ~mask[:, None, :]
        weights = scores.masked_fill(ignored, torch.finfo(scores.dtype).min).softmax(2).masked_fill(ignored, 0)
        kinds = copied.masked_fill(ignored[..., None], 0).amax(2)  # shape: (B, W, KINDS)
        found = torch.cat([weights @ torch.cat([self.value(rows), tags], dim=2), kinds], dim=2)
        gate = torch.sigmoid(self.gate(torch.cat([query, found], dim=2)))
        added = gate * self.output(self.dropout(found))
        return added.masked_fill(~mask.any(1)[:, None, None], 0), weights
