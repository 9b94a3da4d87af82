"""What every detector takes and gives. Imports no detector, so each detector can import it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.vision.images.canvas import Canvas
from models.vision.images.features import ImageFeatures


class DetectorError(ValueError):
    """The detector cannot be loaded; the message is one sentence with the cure."""


class Detector(Protocol):
    """A detector; it loads itself from a name that it takes.

    It asks for each picture on a square of `side` pixels, and chooses itself how many go through the network at once.

    Args:
        spec: file, folder or name for which `takes` is true.
        device: of the network.
        threads: pictures at a time on a CPU.

    Attributes:
        name: what it is called, with the beginning of its file's SHA-256.
        names: class names by id.
        side: S, pixels of the square that it reads.
        grid_width: C, channels of its grid; 0 where it makes none.
    """

    name: str
    names: tuple[str, ...]
    side: int
    grid_width: int

    def __init__(self, spec: str, device: str, threads: int) -> None: ...

    @staticmethod
    def takes(spec: str) -> bool:
        """True if the name is one that this detector loads; whether the file is there and whole is found out in loading."""
        ...

    def detect(self, canvases: Sequence[Canvas]) -> list[ImageFeatures]:
        """Features of each picture, a grid only where the detector makes one; they do not depend on the others."""
        ...


def to_tensor(canvases: Sequence[Canvas]) -> Tensor:
    """(B, 3, S, S) float32 in [0, 1], RGB."""
    stacked = torch.from_numpy(np.stack([canvas.pixels for canvas in canvases]))
    return stacked.permute(0, 3, 1, 2).float() / 255


def to_features(canvas: Canvas, found: Tensor, grid: Tensor | None) -> ImageFeatures:
    """Image features from one picture's part of a network's output; `found` as `nms.select` gives it."""
    found = found.cpu()
    return ImageFeatures(
        width=canvas.width,
        height=canvas.height,
        labels=found[:, 5].long().numpy(),
        scores=found[:, 4].numpy().copy(),
        boxes=canvas.to_original(found[:, :4].numpy()),
        grid=None if grid is None else grid.half().cpu().numpy(),
    )
