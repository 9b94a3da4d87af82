"""Decode a picture and scale it as the networks read it. Needs no torch, so that decoding processes start fast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archive.images.decode import Limits, Picture, decode
from models.vision.images.canvas import Canvas, centre_crop, letterbox


@dataclass(frozen=True, slots=True)
class PreprocessedImage:
    """An image as the networks read it: a square for the detector, and a crop for the backbone where there is one.

    `is_partial` tells whether a part of its rows is missing.
    """

    canvas: Canvas
    crop: np.ndarray | None
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Turn the bytes of a picture into a `PreprocessedImage`.

    Attributes:
        limits: on bytes and pixels.
        side: of the detector's square, in pixels.
        crop_side: of the backbone's crop, in pixels; 0 for none.
    """

    limits: Limits
    side: int
    crop_side: int = 0

    @property
    def image_bytes(self) -> int:
        """Bytes of the pixels of one result."""
        return 3 * (self.side**2 + self.crop_side**2)

    def __call__(self, data: bytes) -> PreprocessedImage:
        """Raises ImageError."""
        return self.scale(decode(data, self.limits, self.side, self.crop_side))

    def scale(self, picture: Picture) -> PreprocessedImage:
        """Return a decoded picture as the networks read it."""
        crop = centre_crop(picture, self.crop_side) if self.crop_side else None
        return PreprocessedImage(letterbox(picture, self.side), crop, picture.is_partial)
