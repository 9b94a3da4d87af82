"""The granularity of the whole picture, a 7 x 7 grid of features: V1, V2, C1, C2 and g1 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from torch import Tensor, nn

from models.tagging.granularities import Evidence, Granularity, Source, View, register
from models.tagging.granularities.fusion import TextGuidedAttention
from models.vision.images.features import GRID_SIDE, ImageFeatures

GRID_REGIONS = GRID_SIDE**2
"""Cells of the grid of a picture."""


@register("grid")
@dataclass(frozen=True)
class Grid(Granularity):
    """Reads the features of the 49 cells of a picture.

    Attributes:
        width: C, channels of the picture grid.
    """

    width: int

    @classmethod
    def for_training(cls, grid_width: int, object_names: Sequence[str]) -> Self | None:
        """See `Granularity`."""
        return cls(grid_width) if grid_width else None

    def network(self, width: int, dropout: float) -> nn.Module:
        """Return a `GridNetwork`."""
        return GridNetwork(self.width, width, dropout)

    def rows_per_picture(self, source: Source) -> int:
        """Return 49, one row per cell; 0 if the grids are from another network than in training."""
        return GRID_REGIONS if source.reads_grid else 0

    def empty(self, *shape: int) -> np.ndarray:
        """Return zeros (..., C), float32."""
        return np.zeros((*shape, self.width), np.float32)

    def encode(self, image_features: ImageFeatures, source: Source) -> np.ndarray:
        """Return the grid of the picture, (49, C), or (0, C) if it has none."""
        return image_features.grid if source.reads_grid and image_features.grid is not None else self.empty(0)

    def pool(self, used: Tensor) -> Tensor:
        """Return the sum of the weights of all cells of each picture: (B, L, P, 1)."""
        return used.sum(3, keepdim=True)

    def weights_per_picture(self, source: Source) -> int:
        """Return 1: the weight of the whole picture."""
        return 1

    def evidence(self, image: str, image_features: ImageFeatures, weights: np.ndarray, source: Source) -> list[Evidence]:
        """Return the whole picture as evidence, if it was read."""
        return [Evidence(image, None, None, float(weights[0]))] if weights[0] > 0 else []


class GridNetwork(nn.Module):
    """Computes F1 of the paper: features of the grid for each subword."""

    def __init__(self, grid_width: int, width: int, dropout: float) -> None:
        super().__init__()
        self.project_direct = nn.Linear(grid_width, width)
        self.project_guided = nn.Linear(grid_width, width)
        self.attention = TextGuidedAttention(width, dropout)

    def forward(self, text: Tensor, text_mask: Tensor, view: View) -> tuple[Tensor, Tensor]:
        """Attend from text (B, L, D) to cells (B, R, C). Return features (B, L, D) and weights (B, L, R)."""
        V = view.rows.to(text.dtype)
        return self.attention(text, text_mask, self.project_direct(V), self.project_guided(V), view.mask)
