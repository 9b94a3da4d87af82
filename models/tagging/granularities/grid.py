"""The grid of the whole picture: V1, V2, C1, C2 and g1 of the paper."""

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
"""7 x 7 cells of a picture."""


@register("grid")
@dataclass(frozen=True)
class Grid(Granularity):
    """Features of the 49 cells of a picture.

    Attributes:
        width: C, channels of the picture grid.
    """

    width: int

    @classmethod
    def trained_with(cls, grid_width: int, object_names: Sequence[str]) -> Self | None:
        """See `Granularity`."""
        return cls(grid_width) if grid_width else None

    def network(self, width: int, dropout: float) -> nn.Module:
        """Two projections of the cells, and attention to them."""
        return GridNetwork(self.width, width, dropout)

    def rows_per_picture(self, source: Source) -> int:
        """One row per cell. Grids of another network than in training mean nothing to the tagger."""
        return GRID_REGIONS if source.reads_grid else 0

    def empty(self, *shape: int) -> np.ndarray:
        """Zeros (..., C), float32."""
        return np.zeros((*shape, self.width), np.float32)

    def encode(self, image_features: ImageFeatures, source: Source) -> np.ndarray:
        """The picture's grid, (49, C), or (0, C)."""
        return image_features.grid if source.reads_grid and image_features.grid is not None else self.empty(0)

    def pool(self, used: Tensor) -> Tensor:
        """One weight per picture, the sum over its cells: (B, L, P, 1)."""
        return used.sum(3, keepdim=True)

    def weights_per_picture(self, source: Source) -> int:
        """One."""
        return 1

    def evidence(self, image: str, image_features: ImageFeatures, weights: np.ndarray, source: Source) -> list[Evidence]:
        """The whole picture, if it was read."""
        return [Evidence(image, None, None, float(weights[0]))] if weights[0] > 0 else []


class GridNetwork(nn.Module):
    """F1 of the paper."""

    def __init__(self, grid_width: int, width: int, dropout: float) -> None:
        super().__init__()
        self.project_direct = nn.Linear(grid_width, width)
        self.project_guided = nn.Linear(grid_width, width)
        self.attention = TextGuidedAttention(width, dropout)

    def forward(self, text: Tensor, text_mask: Tensor, view: View) -> tuple[Tensor, Tensor]:
        """Attend from text (B, L, D) to cells (B, R, C): (B, L, D), and weights (B, L, R)."""
        V = view.rows.to(text.dtype)
        return self.attention(text, text_mask, self.project_direct(V), self.project_guided(V), view.mask)
