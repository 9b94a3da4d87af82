"""Everything that is seen in a picture: objects, and features on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from archive.images.decode import Limits, decode
from models.vision.backbone import SIDE, Backbone
from models.vision.canvas import Canvas, centre_crop, letterbox
from models.vision.detector import Detector, load_detector


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen in one picture.

    Attributes:
        width, height: of the original as a viewer shows it.
        labels: (K,) int64, class ids of the detector, best first.
        scores: (K,) float32.
        boxes: (K, 4) float32, xyxy, pixels of the original.
        grid: (49, C) float16, rows of a 7 x 7 grid from the top left, or None.
    """

    width: int
    height: int
    labels: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    grid: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture ready for the networks: a square for the detector, and a crop for the backbone where there is one."""

    canvas: Canvas
    crop: np.ndarray | None


class Looker:
    """Detector and backbone at work; either may be absent.

    Attributes:
        names: class names of the detector by id.
        detector_id: name and hash of the detector, or None.
        grid_id: name of the network that makes the grids, or None where nothing does.
        grid_width: C, channels of the grid, or 0.
    """

    def __init__(self, detector: Detector | None, backbone: Backbone | None) -> None:
        self._detector = detector
        self._backbone = backbone
        self.names = detector.names if detector else ()
        self.detector_id = detector.name if detector else None
        makes_grids = backbone or (detector if detector and detector.grid_width else None)
        self.grid_id = makes_grids.name if makes_grids else None
        self.grid_width = makes_grids.grid_width if makes_grids else 0
        self._side = detector.side if detector else SIDE

    @classmethod
    def load(cls, detector: str | None, backbone: str | None = None, device: str = "cpu", threads: int = 1) -> Self:
        """Load the networks; without a backbone, grids are the detector's own. Raises DetectorError."""
        return cls(
            load_detector(detector, device, threads) if detector else None, Backbone(backbone, device, threads) if backbone else None
        )

    def prepare(self, data: bytes, limits: Limits) -> Prepared:
        """Decode one picture, safe to call from many threads. Raises ImageError."""
        picture = decode(data, limits, self._side, SIDE if self._backbone else 0)
        return Prepared(letterbox(picture, self._side), centre_crop(picture, SIDE) if self._backbone else None)

    def look(self, prepared: Sequence[Prepared]) -> list[Sight]:
        """What is in each picture; it does not depend on the others of the batch."""
        canvases = [one.canvas for one in prepared]
        sights = [_nothing(canvas) for canvas in canvases]
        if self._detector:
            found = self._detector.detect(canvases)
            sights = [
                replace(sight, labels=d.labels, scores=d.scores, boxes=d.boxes, grid=d.grid) for sight, d in zip(sights, found, strict=True)
            ]
        if self._backbone:
            grids = self._backbone.grids([one.crop for one in prepared if one.crop is not None])
            sights = [replace(sight, grid=grid) for sight, grid in zip(sights, grids, strict=True)]
        return sights


def _nothing(canvas: Canvas) -> Sight:
    empty = np.zeros(0, np.float32)
    return Sight(canvas.width, canvas.height, empty.astype(np.int64), empty, empty.reshape(0, 4), None)
