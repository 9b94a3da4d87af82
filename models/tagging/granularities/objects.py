"""The granularity of detected objects: O1, O2, D1, D2 and g2 of the paper."""

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
"""Number of COCO classes. Class c has row c + 1 of the embedding; row 0 is for empty rows."""


@register("objects")
@dataclass(frozen=True)
class Objects(Granularity):
    """Reads the classes of the K best objects of a picture. A row is the COCO class + 1, or 0 if it is empty."""

    @classmethod
    def for_training(cls, grid_width: int, object_names: Sequence[str]) -> Self | None:
        """See `Granularity`."""
        return cls() if object_names else None

    def network(self, width: int, dropout: float) -> nn.Module:
        """Return an `ObjectsNetwork`."""
        return ObjectsNetwork(width, dropout)

    def rows_per_picture(self, source: Source) -> int:
        """Return K, one row per object."""
        return source.max_objects

    def empty(self, *shape: int) -> np.ndarray:
        """Return zeros, int64."""
        return np.zeros(shape, np.int64)

    def encode(self, image_features: ImageFeatures, source: Source) -> np.ndarray:
        """Return the rows of the objects that the tagger reads, (n,), n at most K."""
        return source.class_map[image_features.labels[_chosen(image_features, source)]] + 1

    def evidence(self, image: str, image_features: ImageFeatures, weights: np.ndarray, source: Source) -> list[Evidence]:
        """Return the objects that the tagger reads as evidence, each with its name and box."""
        evidence = []
        for row, k in enumerate(_chosen(image_features, source)):
            x1, y1, x2, y2 = image_features.boxes[k].tolist()
            evidence.append(Evidence(image, source.object_names[int(image_features.labels[k])], (x1, y1, x2, y2), float(weights[row])))
        return evidence


class ObjectsNetwork(nn.Module):
    """Computes F2 of the paper: features of the objects for each subword."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(OBJECT_CLASSES + 1, width, padding_idx=0)
        self.attention = TextGuidedAttention(width, dropout)

    def forward(self, text: Tensor, text_mask: Tensor, view: View) -> tuple[Tensor, Tensor]:
        """Attend from text (B, L, D) to objects (B, R). Return features (B, L, D) and weights (B, L, R)."""
        objects = self.embedding(view.rows)
        return self.attention(text, text_mask, objects, objects, view.mask)


def _chosen(image_features: ImageFeatures, source: Source) -> np.ndarray:
    """Return the indices of the objects that the tagger reads: the K best ones of classes that it knows."""
    return np.flatnonzero(source.class_map[image_features.labels] >= 0)[: source.max_objects]
