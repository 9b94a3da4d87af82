"""What decoding processes run in `bench.overlap`; apart from it, so that they import no torch."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from archive.images.decode import Limits
from models.vision.images.canvas import Canvas
from models.vision.images.preprocess import PreprocessedImage

SIDE = 640
LIMITS = Limits()


@dataclass(frozen=True)
class SleepingDecoder:
    """Takes the same time for each picture, and gives a real square."""

    seconds: float
    limits: Limits = LIMITS
    image_bytes: int = 3 * SIDE * SIDE

    def __call__(self, data: bytes) -> PreprocessedImage:
        time.sleep(self.seconds)
        return PreprocessedImage(Canvas(np.zeros((SIDE, SIDE, 3), np.uint8), 0, 0, SIDE, SIDE, SIDE, SIDE, SIDE), None)
