"""What `Postner.annotate` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from archive.images.image_error import ImageError
from models.tagging.annotate import Entity
from models.vision.images.features import ImageFeatures


@dataclass(frozen=True, slots=True)
class DetectedObject:
    """An object in a picture.

    Attributes:
        label: class name of the detector.
        score: confidence of the detector.
        box: xyxy, pixels of the picture.
    """

    label: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """A picture of a text.

    Attributes:
        key: its file name; `image-2` for the second picture of a text, if that has no name. Evidence refers to it.
        status: `ok`, `partial`, `missing`, `corrupt`, `unsupported` or `too_large`.
        width, height: in pixels, after EXIF rotation; None unless the picture was read.
        objects: that the detector found, best first.
    """

    key: str
    status: str
    width: int | None = None
    height: int | None = None
    objects: tuple[DetectedObject, ...] = ()

    @classmethod
    def of(cls, key: str, outcome: ImageFeatures | ImageError, object_names: Sequence[str]) -> Self:
        """Return what is told of a picture.

        Args:
            key: of the picture.
            outcome: its features, or why it has none.
            object_names: class names of the detector, by id.
        """
        if isinstance(outcome, ImageError):
            return cls(key, outcome.status)
        found = zip(outcome.labels.tolist(), outcome.scores.tolist(), outcome.boxes.tolist(), strict=True)
        objects = tuple(DetectedObject(object_names[label], score, (*box,)) for label, score, box in found)
        return cls(key, "partial" if outcome.is_partial else "ok", outcome.width, outcome.height, objects)


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotated text.

    Attributes:
        text: as it was read: half a surrogate pair is U+FFFD.
        entities: in text order.
        images: in the order in which they were given.
    """

    text: str
    entities: tuple[Entity, ...]
    images: tuple[AnnotatedImage, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the annotation as the columns `text`, `entities` and `images` (without `texts`) of the command's rows, for JSON."""
        return msgspec.json.decode(msgspec.json.encode(self))
