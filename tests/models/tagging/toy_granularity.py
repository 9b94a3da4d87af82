"""A toy granularity, as one adds it from outside: the width and height of a picture, on one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from torch import Tensor, nn

from models.tagging.granularities import Evidence, Granularity, Source, View, register
from models.tagging.granularities.fusion import TextGuidedAttention
from models.vision.images.features import ImageFeatures


@register("shape")
@dataclass(frozen=True)
class Shape(Granularity):
    """Width and height of a picture, in units of `unit` pixels."""

    unit: int

    @classmethod
    def for_training(cls, grid_width: int, object_names: Sequence[str]) -> Self:
        return cls(1000)

    def network(self, width: int, dropout: float) -> nn.Module:
        return ShapeNetwork(width, dropout)

    def rows_per_picture(self, source: Source) -> int:
        return 1

    def empty(self, *shape: int) -> np.ndarray:
        return np.zeros((*shape, 2), np.float32)

    def encode(self, image_features: ImageFeatures, source: Source) -> np.ndarray:
        return np.array([[image_features.width, image_features.height]], np.float32) / self.unit

    def evidence(self, image: str, image_features: ImageFeatures, weights: np.ndarray, source: Source) -> list[Evidence]:
        return [Evidence(image, "shape", (0, 0, image_features.width, image_features.height), float(weights[0]))]


class ShapeNetwork(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Linear(2, width)
        self.attention = TextGuidedAttention(width, dropout)

    def forward(self, text: Tensor, text_mask: Tensor, view: View) -> tuple[Tensor, Tensor]:
        rows = self.project(view.rows)
        return self.attention(text, text_mask, rows, rows, view.mask)
