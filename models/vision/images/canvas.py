"""Resize pictures to the square inputs of the networks, and map boxes back to the original picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from archive.images.decode import Picture

GREY = 114

STEP, MAX_STEPS, MARGIN = 32, 3, 24
"""`crop` cuts off up to 3 x 32 pixels at each of two sides, and leaves 24 of grey: seven shapes of 640 x 640 pixels."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture on a grey square, its longer side scaled to S, as by ultralytics' LetterBox.

    Attributes:
        pixels: (S, S, 3) uint8 RGB. A cropped canvas has less height or width. Where the device does the scaling, these
            are the pixels of the picture, (h, w, 3).
        left, top, right, bottom: bounds of the picture on the canvas, in pixels.
        width, height: of the original picture, in pixels.
        side: S, in pixels.
    """

    pixels: np.ndarray
    left: int
    top: int
    right: int
    bottom: int
    width: int
    height: int
    side: int

    def to_original(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes (K, 4) xyxy from pixels of the canvas to pixels of the original picture, clipped to it."""
        ratio = min(self.side / self.width, self.side / self.height)
        moved = (boxes - np.array([self.left, self.top] * 2, np.float32)) / np.float32(ratio)
        return moved.clip(0, np.array([self.width, self.height] * 2, np.float32))


def place(picture: Picture, side: int) -> Canvas:
    """Return the place of a picture on a grey square of `side` pixels, and its pixels as they are: a device scales them."""
    ratio = min(side / picture.width, side / picture.height)
    w, h = max(round(picture.width * ratio), 1), max(round(picture.height * ratio), 1)
    left, top = round((side - w) / 2 - 0.1), round((side - h) / 2 - 0.1)
    return Canvas(picture.pixels, left, top, left + w, top + h, picture.width, picture.height, side)


def letterbox(picture: Picture, side: int) -> Canvas:
    """Scale a picture to fit a grey square of `side` pixels. Its width and height stay at least 1 pixel."""
    canvas = place(picture, side)
    pixels = np.full((side, side, 3), GREY, np.uint8)
    _resize_into(pixels[canvas.top : canvas.bottom, canvas.left : canvas.right], picture.pixels)
    return replace(canvas, pixels=pixels)


def crop(canvas: Canvas) -> Canvas:
    """Cut grey off a square canvas, the same at two opposite sides.

    What is cut off is a multiple of the stride of detectors, so the cells of their feature maps show the same pixels as
    before, and the grey that stays is what the outermost of them see of it. On photos the objects agree far better with
    those of the square than where the grey is cut to the next multiple, as ultralytics does (docs/performance.md).
    """
    height, width = canvas.pixels.shape[:2]
    x, y = (_cut(min(low, size - high)) for low, high, size in ((canvas.left, canvas.right, width), (canvas.top, canvas.bottom, height)))
    return replace(
        canvas,
        pixels=canvas.pixels[y : height - y, x : width - x],
        left=canvas.left - x,
        top=canvas.top - y,
        right=canvas.right - x,
        bottom=canvas.bottom - y,
    )


def cropped_sizes(side: int) -> list[tuple[int, int]]:
    """Return the heights and widths that `crop` makes of a square."""
    cuts = [2 * STEP * steps for steps in range(MAX_STEPS + 1)]
    return [(side - cut, side) for cut in cuts] + [(side, side - cut) for cut in cuts[1:]]


def _cut(grey: int) -> int:
    return STEP * min(max(0, grey - MARGIN) // STEP, MAX_STEPS)


def fit_area(picture: Picture, max_pixels: int, max_side: int) -> Picture:
    """The picture reduced, if it is larger, to an area and a length of its longer side; no side is scaled below 1 pixel."""
    height, width = picture.pixels.shape[:2]
    ratio = min(1.0, (max_pixels / (width * height)) ** 0.5, max_side / max(width, height))
    if ratio == 1:
        return picture
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    return replace(picture, pixels=cv2.resize(picture.pixels, size, interpolation=cv2.INTER_AREA))


def centre_crop(picture: Picture, side: int) -> np.ndarray:
    """Scale the shorter side of a picture to `side` and crop the centre: (side, side, 3) uint8 RGB."""
    height, width = picture.pixels.shape[:2]
    ratio = side / min(width, height)
    cut_w, cut_h = (max(1, min(size, round(side / ratio))) for size in (width, height))
    x, y = (width - cut_w) // 2, (height - cut_h) // 2
    cropped = np.empty((side, side, 3), np.uint8)
    _resize_into(cropped, picture.pixels[y : y + cut_h, x : x + cut_w])
    return cropped


def _resize_into(target: np.ndarray, pixels: np.ndarray) -> None:
    if pixels.shape == target.shape:
        target[:] = pixels
    else:
        cv2.resize(pixels, target.shape[1::-1], dst=target, interpolation=cv2.INTER_LINEAR)
