"""Cropping a canvas keeps the picture, enough grey, and the cells of feature maps where they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.images.decode import Picture
from models.vision.images.canvas import GREY, MARGIN, crop, letterbox

SIDES = st.one_of(st.integers(1, 800), st.integers(1, 20_000))


@settings(deadline=None, max_examples=60)
@given(SIDES, SIDES)
def test_crop_keeps_the_picture_and_grey_around_it(width: int, height: int) -> None:
    square = letterbox(Picture(np.zeros((2, 2, 3), np.uint8), width, height), 640)
    part = crop(square)
    shown = part.pixels[part.top : part.bottom, part.left : part.right]
    assert np.array_equal(shown, square.pixels[square.top : square.bottom, square.left : square.right])
    assert (part.pixels == GREY).all(axis=2).sum() == part.pixels.shape[0] * part.pixels.shape[1] - shown.shape[0] * shown.shape[1]
    x, y = square.left - part.left, square.top - part.top
    assert x % 32 == y % 32 == 0
    assert part.pixels.shape[:2] == (640 - 2 * y, 640 - 2 * x)
    for cut, low, high, size in ((x, part.left, part.right, 640 - 2 * x), (y, part.top, part.bottom, 640 - 2 * y)):
        assert cut == 0 or min(low, size - high) >= MARGIN


def test_there_are_seven_shapes() -> None:
    sizes = [(side, 640) for side in range(1, 641)] + [(640, side) for side in range(1, 641)]
    shapes = {crop(letterbox(Picture(np.zeros((2, 2, 3), np.uint8), *size), 640)).pixels.shape[:2] for size in sizes}
    assert shapes == {(640, 640)} | {(640, side) for side in (448, 512, 576)} | {(side, 640) for side in (448, 512, 576)}


@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(0, 10_000))
@settings(deadline=None, max_examples=40)
def test_boxes_of_the_crop_are_those_of_the_square(width: int, height: int, seed: int) -> None:
    square = letterbox(Picture(np.zeros((2, 2, 3), np.uint8), width, height), 640)
    part = crop(square)
    boxes = np.random.default_rng(seed).uniform(0, 640, (5, 4)).astype(np.float32)
    moved = boxes - np.array([square.left - part.left, square.top - part.top] * 2, np.float32)
    np.testing.assert_allclose(part.to_original(moved), square.to_original(boxes), rtol=1e-3, atol=1e-2 * max(width, height) / 640)


@pytest.mark.parametrize("size", [(1, 1), (20_000, 3), (3, 20_000), (641, 640), (17, 900)])
def test_letterbox_equals_ultralytics(size: tuple[int, int]) -> None:
    from ultralytics.data.augment import LetterBox

    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    canvas = letterbox(Picture(pixels, *size), 640)
    assert np.array_equal(canvas.pixels, LetterBox((640, 640))(image=pixels))
    whole = np.array([[canvas.left, canvas.top, canvas.right, canvas.bottom]], np.float32)
    np.testing.assert_allclose(canvas.to_original(whole)[0], [0, 0, *size], atol=max(size) / 640)
