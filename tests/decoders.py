"""What decoding processes run in tests, in place of a real decoder. Imported there: no torch."""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archive.images.decode import Limits
from archive.images.image_error import ImageError
from models.vision.images.canvas import Canvas
from models.vision.images.preprocess import PreprocessedImage

SIDE = 8
LIMITS = Limits()


@dataclass(frozen=True)
class StandIn:
    """The first byte of a picture is its number: its width in the result, and what happens to it.

    Attributes:
        limits: as of a real decoder.
        seconds: that each picture takes.
        damaged, fails, crashes, aborts, hangs, grows: numbers of the pictures that do so.
        crash_once: file that a crash leaves behind, so that the next time is a success.
        image_bytes: as of a real decoder.
    """

    limits: Limits = LIMITS
    seconds: float = 0.0
    damaged: frozenset[int] = frozenset()
    fails: frozenset[int] = frozenset()
    crashes: frozenset[int] = frozenset()
    aborts: frozenset[int] = frozenset()
    hangs: frozenset[int] = frozenset()
    grows: frozenset[int] = frozenset()
    crash_once: str | None = None
    image_bytes: int = 3 * SIDE * SIDE

    def __call__(self, data: bytes) -> PreprocessedImage:
        number = data[0]
        time.sleep(self.seconds)
        if number in self.damaged:
            raise ImageError("corrupt", "undecodable")
        if number in self.fails:
            raise ZeroDivisionError
        if number in self.hangs:
            while True:
                ctypes.PyDLL(None).sleep(60)  # holds the interpreter's lock, as native code may
        if number in self.aborts:
            os.abort()
        if number in self.grows:
            bytearray(2**36)
        if number in self.crashes and not (self.crash_once and Path(self.crash_once).exists()):
            if self.crash_once:
                Path(self.crash_once).touch()
            ctypes.string_at(0)
        return result(number)


def result(number: int) -> PreprocessedImage:
    """What a picture of that number becomes."""
    pixels = np.full((SIDE, SIDE, 3), number, np.uint8)
    return PreprocessedImage(Canvas(pixels, 0, 0, SIDE, SIDE, number + 1, 1, SIDE), None, None, number % 2 == 1)


def number_of(image: PreprocessedImage | ImageError) -> int | str:
    """The number of a picture that was decoded right, else the reason."""
    if isinstance(image, ImageError):
        return image.reason
    number = image.canvas.width - 1
    assert (image.canvas.pixels == number).all()
    assert image.is_partial == (number % 2 == 1)
    return number
