"""Decode a picture and scale it as the networks read it. Needs no torch, so that decoding processes start fast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archive.images.decode import Limits, Picture, decode
from models.vision.images.canvas import Canvas, centre_crop, fit_area, letterbox, place

PAGE_LONGER, PAGE_SHORTER = 1280, 480
"""Pixels that a decoder keeps of the sides of a picture for a text reader, where the picture has them."""

PAGE_PIXELS, PAGE_SIDE = 960 * 960, 4096
"""A text reader gets a larger picture reduced to this area and this length of its longer side; a smaller one is not enlarged."""


@dataclass(frozen=True, slots=True)
class PreprocessedImage:
    """An image as the networks read it.

    Attributes:
        canvas: the input of the detector.
        crop: (224, 224, 3) uint8 RGB, the input of the backbone; None without a backbone.
        page: (h, w, 3) uint8 RGB, the input of the text reader; None without a text reader.
        is_partial: whether a part of the picture's rows is missing.
    """

    canvas: Canvas
    crop: np.ndarray | None = None
    page: np.ndarray | None = None
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Turn the bytes of a picture into a `PreprocessedImage`.

    Attributes:
        limits: on bytes and pixels.
        side: of the detector's square, in pixels.
        crop_side: of the backbone's crop, in pixels; 0 for none.
        for_text: whether a text reader reads the picture too.
        by_device: whether a picture with fewer pixels than the square stays as it is, for the device to scale it.
    """

    limits: Limits
    side: int
    crop_side: int = 0
    for_text: bool = False
    by_device: bool = False

    @property
    def image_bytes(self) -> int:
        """Bytes of the pixels of one result, at most."""
        return 3 * (self.side**2 + self.crop_side**2 + (PAGE_PIXELS if self.for_text else 0))

    def __call__(self, data: bytes) -> PreprocessedImage:
        """Raises ImageError."""
        longer, shorter = (max(self.side, PAGE_LONGER), max(self.crop_side, PAGE_SHORTER)) if self.for_text else (self.side, self.crop_side)
        return self.scale(decode(data, self.limits, longer, shorter))

    def scale(self, picture: Picture) -> PreprocessedImage:
        """Return a decoded picture as the networks read it."""
        crop = centre_crop(picture, self.crop_side) if self.crop_side else None
        page = fit_area(picture, PAGE_PIXELS, PAGE_SIDE).pixels if self.for_text else None
        height, width = picture.pixels.shape[:2]
        canvas = (place if self.by_device and height * width < self.side**2 else letterbox)(picture, self.side)
        return PreprocessedImage(canvas, crop, page, picture.is_partial)
