"""The vision model: an optional detector and an optional backbone that extract the features of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from archive.images.decode import Limits, decode
from models.vision.backbone import SIDE, Backbone
from models.vision.detectors import Detector, load_detector
from models.vision.images.canvas import Canvas, centre_crop, letterbox
from models.vision.images.features import ImageFeatures


@dataclass(frozen=True, slots=True)
class PreprocessedImage:
    """An image, ready for the networks.

    Attributes:
        canvas: the input of the detector.
        crop: (224, 224, 3) uint8 RGB, the input of the backbone; None without a backbone.
        is_partial: whether a part of the picture's rows is missing.
    """

    canvas: Canvas
    crop: np.ndarray | None
    is_partial: bool = False


class VisionModel:
    """A detector and a backbone, each may be None.

    Attributes:
        names: class names of the detector by id.
        detector_id: name and hash of the detector, or None.
        grid_id: name and hash of the network that makes the grids, or None if there are no grids.
        grid_width: C, channels of the grids, or 0.
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
        """Load the networks. Without a backbone the detector makes the grids, if it can. Raises DetectorError."""
        return cls(
            load_detector(detector, device, threads) if detector else None, Backbone(backbone, device, threads) if backbone else None
        )

    def preprocess(self, data: bytes, limits: Limits) -> PreprocessedImage:
        """Decode and resize one image. Safe to call from several threads. Raises ImageError."""
        picture = decode(data, limits, self._side, SIDE if self._backbone else 0)
        crop = centre_crop(picture, SIDE) if self._backbone else None
        return PreprocessedImage(letterbox(picture, self._side), crop, picture.is_partial)

    def extract(self, images: Sequence[PreprocessedImage]) -> list[ImageFeatures]:
        """Return the features of each image. They do not depend on the others of the batch."""
        canvases = [image.canvas for image in images]
        if self._detector:
            features = self._detector.detect(canvases)
        else:
            features = [ImageFeatures.empty(canvas.width, canvas.height) for canvas in canvases]
        if self._backbone:
            grids = self._backbone.grids([image.crop for image in images if image.crop is not None])
            features = [replace(of_one, grid=grid) for of_one, grid in zip(features, grids, strict=True)]
        return [replace(of_one, is_partial=image.is_partial) for of_one, image in zip(features, images, strict=True)]
