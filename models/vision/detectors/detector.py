"""The interface of detectors, and what they share. It imports no detector, so that each detector can import it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.vision.images.canvas import Canvas
from models.vision.images.features import ImageFeatures


class DetectorError(ValueError):
    """A detector cannot be loaded. The message is one sentence that says what to do."""


class Detector(Protocol):
    """A detector. It reads pictures on a square canvas and chooses its own batch size.

    Args:
        spec: file, folder or name that `accepts` is true for.
        device: of the network.
        threads: pictures that run in parallel on a CPU.
        precision: number format, as `usable_precision` returns it. A detector that cannot do it uses the nearest that it can.

    Attributes:
        name: name of the file, and the first digits of its SHA-256.
        names: class names by id.
        side: S, side of the canvas in pixels.
        grid_width: C, channels of its grid of features; 0 if it makes none.
        scales_pictures: whether its device scales pictures to the canvas, so that `place` is enough.
    """

    name: str
    names: tuple[str, ...]
    side: int
    grid_width: int
    scales_pictures: bool

    def __init__(self, spec: str, device: str, threads: int, precision: str = "float32") -> None: ...

    @staticmethod
    def accepts(spec: str) -> bool:
        """Return whether this detector loads such a name. The file itself is checked when it is loaded."""
        ...

    def detect(self, canvases: Sequence[Canvas]) -> list[ImageFeatures]:
        """Return the features of each picture, with a grid if the detector makes one. They do not depend on the others."""
        ...

    @property
    def engine(self) -> str:
        """What runs it, and in which number format, such as `torch float32`."""
        ...

    def compile(self) -> None:
        """Compile the network for a GPU. A detector that cannot does nothing. Raises DetectorError if torch fails."""

    def prepare(self) -> None:
        """Begin, in another thread, what the first pictures would have to wait for. Called if there are pictures."""


def to_tensor(canvases: Sequence[Canvas]) -> Tensor:
    """Return the pixels of the canvases: (B, 3, S, S) float32 in [0, 1], RGB."""
    stacked = torch.from_numpy(np.stack([canvas.pixels for canvas in canvases]))
    return stacked.permute(0, 3, 1, 2).float() / 255


def to_features(canvas: Canvas, found: Tensor, grid: Tensor | None) -> ImageFeatures:
    """Return the features of one picture.

    Args:
        canvas: of the picture.
        found: (K, 6) from `nms.select`.
        grid: (49, C), or None.
    """
    found = found.cpu()
    return ImageFeatures(
        width=canvas.width,
        height=canvas.height,
        labels=found[:, 5].long().numpy(),
        scores=found[:, 4].numpy().copy(),
        boxes=canvas.to_original(found[:, :4].numpy()),
        grid=None if grid is None else grid.half().cpu().numpy(),
    )
