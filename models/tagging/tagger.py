"""The model of MGCMT: augmented text encoder, granularities, gates, CRF. docs/model.md has its equations."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.tagging.crf import CRF
from models.tagging.granularities import View, granularities_of
from models.tagging.granularities.fusion import AttentionLayer
from models.tagging.granularities.texts import TextsNetwork
from models.tagging.labels import TYPES, tags_of
from models.tagging.words import SHAPES

TEXT_PARTS = ("encoder", "table", "augment", "augment_gate", "shape_embedding", "encode_text")
"""The modules and buffers that `Tagger.read_text` alone uses."""


@dataclass(frozen=True)
class TaggerConfig:
    """Sizes and optional parts of the model.

    Attributes:
        encoder: a Hugging Face text encoder's configuration, as `config.to_dict()` gives it.
        types: entity types, in the order of the tags.
        augmentation: `none`, `sum` (S = encoder + W_a a) or `gate` (a learned gate on W_a a).
        augmentation_width: A, width of the augmentation vectors.
        casing: whether the shape of a word (capitals, digits, signs) is embedded and added to S.
        granularities: how pictures are read, as `models.tagging.granularities` describes; empty for text alone.
        fusion_width: width of the cross-modal part; 0 for the width of the encoder, as in the paper.
        texts_width: width of the attention to the words of pictures; 0 if they are not read.
        auxiliary: whether training adds the paper's auxiliary task: entity boundaries (B, I, O) without types.
        dropout: rate in the encoder's output and in attention layers.
    """

    encoder: dict[str, Any]
    types: tuple[str, ...] = TYPES
    augmentation: str = "sum"
    augmentation_width: int = 200
    casing: bool = False
    granularities: tuple[dict[str, Any], ...] = ()
    fusion_width: int = 0
    texts_width: int = 0
    auxiliary: bool = True
    dropout: float = 0.1


class Batch(NamedTuple):
    """B windows of posts of L subwords, the input of the tagger.

    Attributes:
        subwords: (B, L) int64, ids of the tokenizer, special tokens included.
        mask: (B, L) bool, false on padding.
        augmentation: (B, L) int64, row of the augmentation table at the first subword of a word; else, or if the word is
            not in the table, 0 (the zero vector).
        shapes: (B, L) int64, `word_shape` at the first subword of a word, else 0.
        views: input of each granularity of the configuration, in its order: of B posts, or of one post, whose pictures
            are then computed once for all of its windows.
    """

    subwords: Tensor
    mask: Tensor
    augmentation: Tensor
    shapes: Tensor
    views: tuple[View, ...]

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Return a batch of `change(tensor)` for each tensor."""
        views = tuple(View(change(rows), change(mask)) for rows, mask in self.views)
        return type(self)(change(self.subwords), change(self.mask), change(self.augmentation), change(self.shapes), views)


class TaggerOutput(NamedTuple):
    """Output of the tagger for a batch.

    Attributes:
        emissions: (B, L, tags).
        auxiliary: (B, L, 3) emissions of the auxiliary task, or None.
        used: (B, L, R) per granularity, the weight (attention times gate) of each row for each subword. Weights sum to 1
            over the rows; all are 0 for a post without rows.
        text: (B, L, D), M of the paper; None unless the words of pictures are read.
        visual: (B, L, G, tags), what each of G granularities adds to the emissions; None in training. Without its
            pictures a post has the emissions `emissions - visual.sum(2)`.
    """

    emissions: Tensor
    auxiliary: Tensor | None
    used: tuple[Tensor, ...]
    text: Tensor | None = None
    visual: Tensor | None = None


class Tagger(nn.Module):
    """Computes emissions over tags for each subword. Only those at the first subword of a word are used.

    Args:
        config: sizes and optional parts.
        table: (V + 1, A) augmentation vectors, row 0 zero; None if `config.augmentation` is `none`.
        reads_text: whether it has the parts of `TEXT_PARTS`, without which it has `emit` alone.

    Raises:
        ValueError: the configuration needs a table and none is given, or a granularity is not known.
    """

    table: Tensor

    def __init__(self, config: TaggerConfig, table: Tensor | None = None, reads_text: bool = True) -> None:
        super().__init__()
        self.config = config
        self.reads_text = reads_text
        width = _width(config)
        narrow = config.fusion_width or width
        tags = len(tags_of(config.types))
        self.dropout = nn.Dropout(config.dropout)
        if reads_text:
            self._add_text_parts(config, table, width)
        self.narrow = nn.Linear(width, narrow) if narrow != width else nn.Identity()
        if config.auxiliary:
            self.encode_auxiliary = AttentionLayer(width, config.dropout)
            self.auxiliary_emissions = nn.Linear(width, 3)
            self.auxiliary_crf = CRF(3)
        granularities = granularities_of(config.granularities)
        self.granularities = nn.ModuleDict({kind: one.network(narrow, config.dropout) for kind, one in granularities.items()})
        if granularities:
            self.fuse_dropout = nn.Dropout(0.5)
            self.fuse = nn.Linear(len(granularities) * narrow, narrow)
        if config.texts_width:
            self.texts = TextsNetwork(width, tags, config.texts_width, config.dropout)
        self.combine = nn.Linear(width + narrow, width)
        self.emissions = nn.Linear(width, tags)
        self.crf = CRF(tags)

    def _add_text_parts(self, config: TaggerConfig, table: Tensor | None, width: int) -> None:
        from transformers import AutoConfig, AutoModel  # takes a second, and most processes have the text parts compiled

        encoder = AutoConfig.for_model(**config.encoder)
        self.encoder = AutoModel.from_config(encoder, dtype=torch.float32, **_without_pooler(config))
        if config.augmentation != "none":
            if table is None:
                raise ValueError(f"augmentation {config.augmentation!r} needs a table of augmentation vectors")
            self.register_buffer("table", table, persistent=False)
            self.augment = nn.Linear(config.augmentation_width, width)
            if config.augmentation == "gate":
                self.augment_gate = nn.Linear(2 * width, width)
        if config.casing:
            self.shape_embedding = nn.Embedding(SHAPES, width, padding_idx=0)
            nn.init.zeros_(self.shape_embedding.weight)
        self.encode_text = AttentionLayer(width, config.dropout)

    def forward(self, batch: Batch) -> TaggerOutput:
        """Return emissions and weights, see `TaggerOutput`."""
        S = self._augmented(batch.subwords, batch.mask, batch.augmentation, batch.shapes)
        auxiliary = None
        if self.config.auxiliary and self.training:
            A, _ = self.encode_auxiliary(S, S, batch.mask)
            auxiliary = self.auxiliary_emissions(A)
        M, _ = self.encode_text(S, S, batch.mask)
        return self.emit(M, batch)._replace(auxiliary=auxiliary)

    def read_text(self, subwords: Tensor, mask: Tensor, augmentation: Tensor, shapes: Tensor) -> Tensor:
        """Return M of the paper, what the text alone gives: (B, L, D). The arguments are those of `Batch`.

        Nearly all of the computation is here, in the modules and buffers of `TEXT_PARTS`.
        """
        S = self._augmented(subwords, mask, augmentation, shapes)
        M, _ = self.encode_text(S, S, mask)
        return M

    def emit(self, M: Tensor, batch: Batch) -> TaggerOutput:
        """Return the output for the texts M (B, L, D) of `read_text` and the pictures of the batch."""
        F, parts, used = self._fused(self.narrow(M), batch)
        visual = None if self.training else self._visual(F, parts, batch)
        text = M if self.config.texts_width else None
        return TaggerOutput(self.emissions(self.combine(torch.cat([M, F], dim=2))), None, used, text, visual)

    def without_text_parts(self) -> Self:
        """Return the part of this model that `emit` needs, with the same parameters."""
        rest = copy(self)
        rest.reads_text = False
        rest._modules = {name: module for name, module in self._modules.items() if name not in TEXT_PARTS}
        rest._buffers = {name: buffer for name, buffer in self._buffers.items() if name not in TEXT_PARTS}
        return rest

    def _augmented(self, subwords: Tensor, mask: Tensor, augmentation: Tensor, shapes: Tensor) -> Tensor:
        """S = dropout(TextEncoder(tokens) + W_a a): (B, L, D)."""
        encoded = self.encoder(input_ids=subwords, attention_mask=mask.long()).last_hidden_state
        if self.config.augmentation != "none":
            known = (augmentation > 0)[..., None]
            added = self.augment(self.table[augmentation].to(encoded.dtype)) * known
            if self.config.augmentation == "gate":
                added = added * torch.sigmoid(self.augment_gate(torch.cat([encoded, added], dim=2)))
            encoded = encoded + added
        if self.config.casing:
            encoded = encoded + self.shape_embedding(shapes)
        return self.dropout(encoded)

    def _fused(self, M: Tensor, batch: Batch) -> tuple[Tensor, list[Tensor], tuple[Tensor, ...]]:
        """F = ReLU(Linear([F1; F2; ...])): (B, L, narrow), exactly 0 for a post without rows; F1, F2, ...; and the weights of the rows."""
        parts, used = [], []
        has_rows = torch.zeros_like(batch.mask[:, 0])  # shape: (B,)
        for network, view in zip(self.granularities.values(), batch.views, strict=True):
            F, weights = network(M, batch.mask, view) if view.mask.shape[1] else (torch.zeros_like(M), M.new_zeros(*M.shape[:2], 0))
            parts.append(F)
            used.append(weights)
            has_rows = has_rows | view.mask.any(1)
        if not parts:
            return torch.zeros_like(M), [], ()
        F = torch.relu(self.fuse(self.fuse_dropout(torch.cat(parts, dim=2))))
        return F.masked_fill(~has_rows[:, None, None], 0), parts, tuple(used)

    def _visual(self, F: Tensor, parts: list[Tensor], batch: Batch) -> Tensor:
        """Split what F adds to the emissions by granularity: (B, L, G, tags).

        From F to the emissions all is linear, and so is the ReLU on its active units:

            E = (E of the text alone) + sum_g A (active * (W_g F_g + b_g)),  A = the weights of F in `emissions(combine)`

        The bias of `fuse` counts in equal parts b_g for the granularities that have rows.
        """
        to_tags = self.emissions.weight @ self.combine.weight[:, -F.shape[2] :]  # shape: (tags, narrow)
        if not parts:
            return F.new_zeros(*F.shape[:2], 0, len(to_tags))
        has_rows = torch.stack([view.mask.any(1) for view in batch.views]).to(F.dtype)  # shape: (G, B)
        of_bias = has_rows / has_rows.sum(0).clamp(min=1)
        weights = self.fuse.weight.chunk(len(parts), dim=1)
        terms = [
            (functional.linear(part, weight) + share[:, None, None] * self.fuse.bias) * (F > 0)
            for part, weight, share in zip(parts, weights, of_bias, strict=True)
        ]
        return torch.stack([functional.linear(term, to_tags) for term in terms], dim=2)


def _width(config: TaggerConfig) -> int:
    """Return the width of the encoder, for which some have a name of their own."""
    if "hidden_size" in config.encoder:
        return config.encoder["hidden_size"]
    from transformers import AutoConfig

    return AutoConfig.for_model(**config.encoder).hidden_size


def _without_pooler(config: TaggerConfig) -> dict[str, bool]:
    """Leave out BERT's pooler, which the tagger does not use. Other encoders have none."""
    return {"add_pooling_layer": False} if config.encoder["model_type"] in ("bert", "roberta", "xlm-roberta") else {}
