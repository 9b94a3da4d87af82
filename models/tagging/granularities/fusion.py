"""Cross-modal attention between words and the rows of a granularity.

Equations and names: Liu et al., *Multi-granularity cross-modality representation learning for named entity
recognition on social media* (arXiv 2210.14163), section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

HEAD_WIDTH = 64


class AttentionLayer(nn.Module):
    """A post-norm BERT layer whose queries may come from another sequence than its keys and values.

    `SelfEnc(x)` is `layer(x, x, mask)`, `Cross(q, kv)` is `layer(q, kv, mask)`.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.heads = next(heads for heads in range(max(1, width // HEAD_WIDTH), 0, -1) if width % heads == 0)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.attended = nn.Linear(width, width)
        self.attended_norm = nn.LayerNorm(width, eps=1e-12)
        self.intermediate = nn.Linear(width, 4 * width)
        self.output = nn.Linear(4 * width, width)
        self.output_norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, q: Tensor, kv: Tensor, kv_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from q to kv.

        Args:
            q: (B, Q, D).
            kv: (B, K, D).
            kv_mask: (B, K) bool, false on keys that are ignored.

        Returns:
            The output (B, Q, D), and the attention weights, mean over heads, (B, Q, K). Weights sum to 1 over the keys,
            or are all 0 if the mask is false for every key.
        """
        query, key, value = (self._split(layer(x)) for layer, x in ((self.query, q), (self.key, kv), (self.value, kv)))
        scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5  # shape: (B, heads, Q, K)
        ignored = ~kv_mask[:, None, None, :]
        weights = scores.float().masked_fill(ignored, torch.finfo(torch.float32).min).softmax(-1).masked_fill(ignored, 0)
        context = self.dropout(weights.to(value.dtype)) @ value  # shape: (B, heads, Q, head width)
        context = self.dropout(self.attended(context.transpose(1, 2).flatten(2)))
        x = self.attended_norm(q + context)
        x = self.output_norm(x + self.dropout(self.output(functional.gelu(self.intermediate(x)))))
        return x, weights.mean(1)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class TextGuidedAttention(nn.Module):
    """Attends from words to the rows of a view, directly and guided by the text, and combines both by a gate.

    direct  = Cross(M, SelfEnc(x1));  guided = Cross(M, Cross(SelfEnc(x2), M))
    g = sigmoid(W [direct; guided] + b);  result = g * direct + (1 - g) * guided

    For the grid these are C1, C2, g1 and F1 of the paper. For objects they are D1, D2 and F2, with g = 1 - g2, since the
    paper's second gate weights D2. Both can express the same functions (W = -[W4 W3], b = -b2).
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.encode_direct = AttentionLayer(width, dropout)
        self.encode_guided = AttentionLayer(width, dropout)
        self.read_direct = AttentionLayer(width, dropout)
        self.attend_text = AttentionLayer(width, dropout)
        self.read_guided = AttentionLayer(width, dropout)
        self.gate = nn.Linear(2 * width, width)

    def forward(self, text: Tensor, text_mask: Tensor, x1: Tensor, x2: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend to two projections of a view.

        Args:
            text: (B, L, D), M of the paper.
            text_mask: (B, L) bool.
            x1, x2: (B, R, D), two projections of the same rows: cells or objects.
            mask: (B, R) bool.

        Returns:
            Features (B, L, D), exactly 0 for posts without rows; and the weight of each row for each subword, (B, L, R).
            That is the attention weight of both paths, averaged by the mean of the gate. Weights sum to 1, or are all 0.
        """
        v1, _ = self.encode_direct(x1, x1, mask)
        v2, _ = self.encode_guided(x2, x2, mask)
        direct, direct_weights = self.read_direct(text, v1, mask)
        guided_view, _ = self.attend_text(v2, text, text_mask)
        guided, guided_weights = self.read_guided(text, guided_view, mask)
        g = torch.sigmoid(self.gate(torch.cat([direct, guided], dim=2)))
        combined = g * direct + (1 - g) * guided
        g_mean = g.float().mean(2, keepdim=True)  # shape: (B, L, 1)
        used = g_mean * direct_weights + (1 - g_mean) * guided_weights
        has_rows = mask.any(1)[:, None, None]
        return combined.masked_fill(~has_rows, 0), used.masked_fill(~has_rows, 0)
