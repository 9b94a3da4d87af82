"""The whole model of MGCMT: augmented encoder, granularities, gates, CRF. Equations in docs and in `fusion`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from transformers import AutoModel
from transformers.models.auto.configuration_auto import AutoConfig

from models.tagging.crf import CRF
from models.tagging.granularities import View, granularities_of
from models.tagging.granularities.fusion import AttentionLayer
from models.tagging.labels import TYPES, tags_of
from models.tagging.words import SHAPES


@dataclass(frozen=True)
class TaggerConfig:
    """Sizes and ablations of the model.

    Attributes:
        encoder: a Hugging Face text encoder's configuration, as `config.to_dict()` gives it.
        types: entity types, in the order of the tags.
        augmentation: `none`, `sum` (S = encoder + W_a a) or `gate` (a learned gate on W_a a).
        augmentation_width: A, width of the augmentation vectors.
        casing: whether the shape of a word (capitals, digits, signs) is embedded and added to S.
        granularities: what is read of the pictures, as `models.tagging.granularities` describes; none for text alone.
        fusion_width: width of the cross-modal part; 0 means the encoder's own, as in the paper.
        auxiliary: whether training adds the span task (B, I, O) of the paper.
        dropout: of encoder output and attention layers.
    """

    encoder: dict[str, Any]
    types: tuple[str, ...] = TYPES
    augmentation: str = "sum"
    augmentation_width: int = 200
    casing: bool = False
    granularities: tuple[dict[str, Any], ...] = ()
    fusion_width: int = 0
    auxiliary: bool = True
    dropout: float = 0.1


class Batch(NamedTuple):
    """Windows of posts, ready for the model. L subwords; the rows of a view may end in padding.

    Attributes:
        subwords: (B, L) int64, subword ids of the encoder's tokenizer, specials included.
        mask: (B, L) bool, true on subwords.
        augmentation: (B, L) int64, row of the augmentation table; 0 (the zero vector) where no word begins or none is known.
        shapes: (B, L) int64, `word_shape` of the word that begins here, else 0.
        views: what each granularity of the configuration reads.
    """

    subwords: Tensor
    mask: Tensor
    augmentation: Tensor
    shapes: Tensor
    views: tuple[View, ...]

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Return the batch with each of its tensors changed."""
        views = tuple(View(change(rows), change(mask)) for rows, mask in self.views)
        return type(self)(change(self.subwords), change(self.mask), change(self.augmentation), change(self.shapes), views)


class TaggerOutput(NamedTuple):
    """Output of the tagger for a batch.

    Attributes:
        emissions: (B, L, tags).
        auxiliary: (B, L, 3) emissions of the span task, or None.
        used: of each granularity (B, L, R), attention and gate weight of each row in each subword; sums to 1 or is 0.
    """

    emissions: Tensor
    auxiliary: Tensor | None
    used: tuple[Tensor, ...]


class Tagger(nn.Module):
    """Emissions over tags for each subword; only those at the first subword of a word count.

    Args:
        config: sizes and ablations.
        table: (V + 1, A) augmentation vectors, row 0 zero, or None where `config.augmentation` is `none`.
    """

    table: Tensor

    def __init__(self, config: TaggerConfig, table: Tensor | None = None) -> None:
        super().__init__()
        self.config = config
        self.encoder = AutoModel.from_config(_encoder_config(config), dtype=torch.float32, **_without_pooler(config))
        width = self.encoder.config.hidden_size
        narrow = config.fusion_width or width
        tags = len(tags_of(config.types))
        self.dropout = nn.Dropout(config.dropout)
        if config.augmentation != "none":
            if table is None:
                raise ValueError(f"augmentation {config.augmentation!r} needs a table of vectors")
            self.register_buffer("table", table, persistent=False)
            self.augment = nn.Linear(config.augmentation_width, width)
            if config.augmentation == "gate":
                self.augment_gate = nn.Linear(2 * width, width)
        if config.casing:
            self.shape_embedding = nn.Embedding(SHAPES, width, padding_idx=0)
            nn.init.zeros_(self.shape_embedding.weight)
        self.encode_text = AttentionLayer(width, config.dropout)
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
        self.combine = nn.Linear(width + narrow, width)
        self.emissions = nn.Linear(width, tags)
        self.crf = CRF(tags)

    def forward(self, batch: Batch) -> TaggerOutput:
        """Emissions and the weights behind them, see `TaggerOutput`."""
        S = self._augmented(batch)
        auxiliary = None
        if self.config.auxiliary and self.training:
            A, _ = self.encode_auxiliary(S, S, batch.mask)
            auxiliary = self.auxiliary_emissions(A)
        M, _ = self.encode_text(S, S, batch.mask)
        F, used = self._fused(self.narrow(M), batch)
        return TaggerOutput(self.emissions(self.combine(torch.cat([M, F], dim=2))), auxiliary, used)

    def _augmented(self, batch: Batch) -> Tensor:
        """S = dropout(TextEncoder(tokens) + W_a a): (B, L, D)."""
        encoded = self.encoder(input_ids=batch.subwords, attention_mask=batch.mask.long()).last_hidden_state
        if self.config.augmentation != "none":
            known = (batch.augmentation > 0)[..., None]
            added = self.augment(self.table[batch.augmentation].to(encoded.dtype)) * known
            if self.config.augmentation == "gate":
                added = added * torch.sigmoid(self.augment_gate(torch.cat([encoded, added], dim=2)))
            encoded = encoded + added
        if self.config.casing:
            encoded = encoded + self.shape_embedding(batch.shapes)
        return self.dropout(encoded)

    def _fused(self, M: Tensor, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
        """F = ReLU(Linear([F1; F2; ...])): (B, L, narrow), exactly 0 for a post with nothing to look at; weights used."""
        read, used = [], []
        seen = torch.zeros_like(batch.mask[:, 0])
        for network, view in zip(self.granularities.values(), batch.views, strict=True):
            F, weights = network(M, batch.mask, view) if view.mask.shape[1] else (torch.zeros_like(M), M.new_zeros(*M.shape[:2], 0))
            read.append(F)
            used.append(weights)
            seen = seen | view.mask.any(1)
        if not read:
            return torch.zeros_like(M), ()
        F = torch.relu(self.fuse(self.fuse_dropout(torch.cat(read, dim=2))))
        return F.masked_fill(~seen[:, None, None], 0), tuple(used)


def _encoder_config(config: TaggerConfig) -> Any:
    return AutoConfig.for_model(**config.encoder)


def _without_pooler(config: TaggerConfig) -> dict[str, bool]:
    """BERT's pooler is never read here; other encoders have none to leave out."""
    return {"add_pooling_layer": False} if config.encoder["model_type"] in ("bert", "roberta", "xlm-roberta") else {}
