"""What the vision networks give of one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRID_SIDE = 7
"""Cells on each side of the grid of features; a row of the grid is one cell."""


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """Features of one image.

    Attributes:
        width, height: of the original as a viewer shows it.
        labels: (K,) int64, class ids of the detector, best first.
        scores: (K,) float32.
        boxes: (K, 4) float32, xyxy, pixels of the original.
        grid: (49, C) float16, rows of a 7 x 7 grid from the top left, or None.
        is_partial: whether a part of the picture's rows is missing.
    """

    width: int
    height: int
    labels: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    grid: np.ndarray | None = None
    is_partial: bool = False

    @classmethod
    def empty(cls, width: int, height: int) -> ImageFeatures:
        """No objects and no grid."""
        return cls(width, height, np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))
