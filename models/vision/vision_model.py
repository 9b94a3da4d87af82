"""The vision model: an optional detector and an optional backbone that extract the features of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from archive.images.decode import Limits, Picture
from models.vision.backbone import SIDE, Backbone
from models.vision.detectors import Detector, load_detector
from models.vision.images.features import ImageFeatures, TextLine
from models.vision.images.preprocess import Preprocess, PreprocessedImage
from models.vision.text_readers import TextReader, load_text_reader


class VisionModel:
    """A detector, a backbone and a text reader, each may be None.

    Attributes:
        names: class names of the detector by id.
        detector_id: name and hash of the detector, or None.
        text_reader_id: name and hash of the text reader, or None.
        grid_id: name and hash of the network that makes the grids, or None if there are no grids.
        grid_width: C, channels of the grids, or 0.
    """

    def __init__(self, detector: Detector | None, backbone: Backbone | None, text_reader: TextReader | None = None) -> None:
        self._detector = detector
        self._text_reader = text_reader
        self.text_reader_id = text_reader.name if text_reader else None
        self._backbone = backbone
        self.names = detector.names if detector else ()
        self.detector_id = detector.name if detector else None
        makes_grids = backbone or (detector if detector and detector.grid_width else None)
        self.grid_id = makes_grids.name if makes_grids else None
        self.grid_width = makes_grids.grid_width if makes_grids else 0
        self._side = detector.side if detector else SIDE

    @property
    def engine(self) -> str | None:
        """What runs the detector, and in which number format; None without a detector."""
        return self._detector.engine if self._detector else None

    @classmethod
    def load(
        cls,
        detector: str | None,
        backbone: str | None = None,
        device: str = "cpu",
        threads: int = 1,
        text_reader: str | None = None,
        precision: str = "float32",
    ) -> Self:
        """Load the networks. Without a backbone the detector makes the grids, if it can. Raises DetectorError, TextReaderError.

        `precision` is that of the detector, a value that `usable_precision` returns.
        """
        return cls(
            load_detector(detector, device, threads, precision) if detector else None,
            Backbone(backbone, device, threads) if backbone else None,
            load_text_reader(text_reader, device, threads) if text_reader else None,
        )

    def compile(self) -> None:
        """Compile the detector for a GPU: see `Detector.compile`."""
        if self._detector:
            self._detector.compile()

    def prepare(self) -> None:
        """Begin, in another thread, what the first pictures would have to wait for."""
        if self._detector:
            self._detector.prepare()

    def preprocess(self, data: bytes, limits: Limits) -> PreprocessedImage:
        """Decode and resize one image in this process. Safe to call from several threads. Raises ImageError."""
        return self.preprocessing(limits)(data)

    def preprocessing(self, limits: Limits) -> Preprocess:
        """Return what `preprocess` does, without the networks: for other processes."""
        by_device = self._detector is not None and self._detector.scales_pictures
        return Preprocess(limits, self._side, SIDE if self._backbone else 0, self._text_reader is not None, by_device)

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

    def read_texts(self, images: Sequence[PreprocessedImage]) -> list[list[TextLine]]:
        """Return the lines of text in each image, none without a text reader. They do not depend on the others of the batch."""
        if not self._text_reader:
            return [[] for _ in images]
        pages = [Picture(image.page, image.canvas.width, image.canvas.height) for image in images if image.page is not None]
        return self._text_reader.read(pages)
