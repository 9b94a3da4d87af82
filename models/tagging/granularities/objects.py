"""The detected objects: O1, O2, D1, D2 and g2 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from torch import Tensor, nn

from models.tagging.granularities import Evidence, Granularity, Source, View, register
from models.tagging.granularities.fusion import TextGuidedAttention
from models.vision.images.features import ImageFeatures

OBJECT_CLASSES = 80
"""COCO classes; object id 0 is the empty slot, so class c is embedded as c + 1."""


@register("objects")
@dataclass(frozen=True)
class Objects(Granularity):
    """Classes of the K best objects of a picture; a row is COCO class + 1, or 0 for an empty slot."""

    @classmethod
    def trained_with(cls, grid_width: int, object_names: Sequence[str]) -> Self | None:
        """See `Granularity`."""
        return cls() if object_names else None

    def network(self, width: int, dropout: float) -> nn.Module:
        """An embedding of the classes, and attention to them."""
        return ObjectsNetwork(width, dropout)

    def rows_per_picture(self, source: Source) -> int:
        """One row per object slot."""
        return source.max_objects

    def empty(self, *shape: int) -> np.ndarray:
        """Empty slots, int64."""
        return np.zeros(shape, np.int64)

    def encode(self, image_features: ImageFeatures, source: Source) -> np.ndarray:
        """Classes of the objects that are read, (n,), n at most K."""
        return source.class_map[image_features.labels[_read(image_features, source)]] + 1

    def evidence(self, image: str, image_features: ImageFeatures, weights: np.ndarray, source: Source) -> list[Evidence]:
        """Each object that was read, with its name and box."""
        evidence = []
        for slot, k in enumerate(_read(image_features, source)):
            x1, y1, x2, y2 = image_features.boxes[k].tolist()
            evidence.append(Evidence(image, source.object_names[int(image_features.labels[k])], (x1, y1, x2, y2), float(weights[slot])))
        return evidence


class ObjectsNetwork(nn.Module):
    """F2 of the paper."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(OBJECT_CLASSES + 1, width, padding_idx=0)
        self.attention = TextGuidedAttention(width, dropout)

    def forward(self, text: Tensor, text_mask: Tensor, view: View) -> tuple[Tensor, Tensor]:
        """Attend from text (B, L, D) to slots (B, S): (B, L, D), and weights (B, L, S)."""
        slots = self.embedding(view.rows)
        return self.attention(text, text_mask, slots, slots, view.mask)


def _read(image_features: ImageFeatures, source: Source) -> np.ndarray:
    """Indices of the objects of a picture that the tagger reads: the best ones whose class it knows."""
    return np.flatnonzero(source.class_map[image_features.labels] >= 0)[: source.max_objects]
