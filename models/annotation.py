"""What `Postner.annotate` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from archive.images.image_error import ImageError
from models.tagging.annotate import Entity
from models.tagging.picture_texts import PictureText
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
class TextEntity:
    """A named entity in a text of a picture: an `Entity` without evidence.

    Attributes:
        text: `text[start:end]` of that text.
        type: entity type, such as `PER`.
        start, end: Unicode code points.
        score: probability of the whole span with this type.
    """

    text: str
    type: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class ImageText:
    """A text that was read in a picture.

    Attributes:
        kind: `ocr`.
        text: as read, lines that belong together joined.
        box: xyxy, pixels of the picture.
        score: of the text reader.
        entities: in text order.
    """

    kind: str
    text: str
    box: tuple[float, ...] | None
    score: float | None
    entities: tuple[TextEntity, ...]

    @classmethod
    def of(cls, text: PictureText, entities: Sequence[Entity]) -> Self:
        """Return a text with the entities that were found in it."""
        found = tuple(TextEntity(one.text, one.type, one.start, one.end, one.score) for one in entities)
        return cls(text.kind, text.text, text.box, text.score, found)


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """A picture of a text.

    Attributes:
        key: its file name; `image-2` for the second picture of a text, if that has no name. Evidence refers to it.
        status: `ok`, `partial`, `missing`, `corrupt`, `unsupported` or `too_large`.
        width, height: in pixels, after EXIF rotation; None unless the picture was read.
        objects: that the detector found, best first.
        texts: that were read in the picture; none without `ocr`.
    """

    key: str
    status: str
    width: int | None = None
    height: int | None = None
    objects: tuple[DetectedObject, ...] = ()
    texts: tuple[ImageText, ...] = ()

    @classmethod
    def of(cls, key: str, outcome: ImageFeatures | ImageError, object_names: Sequence[str], texts: Sequence[ImageText] = ()) -> Self:
        """Return what is told of a picture.

        Args:
            key: of the picture.
            outcome: its features, or why it has none.
            object_names: class names of the detector, by id.
            texts: that were read in it.
        """
        if isinstance(outcome, ImageError):
            return cls(key, outcome.status)
        found = zip(outcome.labels.tolist(), outcome.scores.tolist(), outcome.boxes.tolist(), strict=True)
        objects = tuple(DetectedObject(object_names[label], score, (*box,)) for label, score, box in found)
        status = "partial" if outcome.is_partial else "ok"
        return cls(key, status, outcome.width, outcome.height, objects, tuple(texts))


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
        """Return the annotation as the columns `text`, `entities` and `images` of the command's rows, for JSON."""
        return msgspec.json.decode(msgspec.json.encode(self))
