"""The features of one image, the output of the vision model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRID_SIDE = 7
"""The grid of features has 7 x 7 cells."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text in a picture.

    Attributes:
        text: as read, never empty, without spaces at its ends.
        box: (4,) float32, xyxy, pixels of the original; the hull where the line is rotated.
        score: mean probability of its characters.
    """

    text: str
    box: np.ndarray
    score: float


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """Features of one image.

    Attributes:
        width, height: of the original in pixels, after its EXIF rotation.
        labels: (K,) int64, class ids of the detected objects, best first.
        scores: (K,) float32, confidences.
        boxes: (K, 4) float32, xyxy, pixels of the original.
        grid: (49, C) float16, features of the 7 x 7 cells, row by row from the top left; or None.
        is_partial: whether a part of the picture's rows is missing.
        lines: text in the picture, in reading order; None if the text reader failed on it.
        alt: alternative text that the post gives for the picture, or None.
    """

    width: int
    height: int
    labels: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    grid: np.ndarray | None = None
    is_partial: bool = False
    lines: tuple[TextLine, ...] | None = ()
    alt: str | None = None

    @classmethod
    def empty(cls, width: int, height: int) -> ImageFeatures:
        """Return features without objects and without a grid."""
        return cls(width, height, np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))
