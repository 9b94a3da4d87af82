"""Arrange one row of annotations for the page: pieces of its text, boxes on its pictures, evidence."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.report.dates import day_of
from pipeline.report.thumbnails import Thumbnail, Thumbnails

MEANINGS = {
    "missing": "not in the shards of the run",
    "ambiguous": "several pictures of this name",
    "corrupt": "could not be decoded",
    "unsupported": "of a format that is not read",
    "too_large": "over the limits of the run",
}
"""Of the statuses of pictures that a run could not use."""

LONGEST_TEXT = 1500
LONGEST_READ = 160
MOST_ENTITIES = 24
MOST_EVIDENCE = 3
MOST_PICTURES = 4
MOST_OBJECTS = 8
MOST_TEXTS = 4
"""So that the HTML of a post stays below 75 kB without its pictures."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the original picture. `weight` is 0 to 1, its share of the entity's score."""

    x: str
    y: str
    width: str
    height: str
    label: str = ""
    score: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True)
class Evidence:
    """One thing that the score of an entity rests on, and its share of it."""

    what: str
    weight: float


@dataclass(frozen=True)
class Mention:
    """An entity of a text; `number` ties it to its evidence and boxes, None in the words of a picture."""

    text: str
    type: str
    score: float
    number: int | None = None
    evidence: Sequence[Evidence] = ()
    more_evidence: int = 0


@dataclass(frozen=True)
class Piece:
    """Text between entities, or one entity."""

    text: str
    mention: Mention | None = None


@dataclass(frozen=True)
class Words:
    """A text of a picture: read in it (`ocr`) or written for it (`alt`)."""

    kind: str
    pieces: Sequence[Piece]
    box: Box | None


@dataclass(frozen=True)
class Picture:
    """A picture of a post; without a thumbnail, `reason` says why."""

    key: str
    status: str
    width: int
    height: int
    thumbnail: Thumbnail | None
    reason: str
    objects: Sequence[Box]
    more_objects: int
    evidence: dict[int, list[Box]]
    words: Sequence[Words]
    more_words: int


@dataclass
class ShownPost:
    """A post as the page shows it."""

    id: str
    where: str
    day: str
    pieces: Sequence[Piece]
    more_characters: int
    more_entities: int
    statuses: Sequence[str]
    pictures: Sequence[Picture]
    more_pictures: int
    types: Sequence[str] = field(default_factory=list)

    @property
    def mentions(self) -> list[Mention]:
        """The entities that are shown."""
        return [piece.mention for piece in self.pieces if piece.mention]


def arrange(row: dict[str, Any], thumbnails: Thumbnails) -> ShownPost:
    """Return a row of annotations as the page shows it; whatever is long is cut, and what is left out is counted."""
    text = row["text"][:LONGEST_TEXT]
    pieces = split(text, row["entities"][:MOST_ENTITIES], lambda number, entity: _mention(number, entity, row["images"]))
    shown = sum(piece.mention is not None for piece in pieces)
    images = row["images"][:MOST_PICTURES]
    return ShownPost(
        id=row["post_id"],
        where=f"{posixpath.basename(row['source'])}:{row['line']}",
        day=str(day_of(row["extra"]) or ""),
        pieces=pieces,
        more_characters=len(row["text"]) - len(text),
        more_entities=len(row["entities"]) - shown,
        statuses=sorted({image["status"] for image in row["images"]}),
        pictures=[_picture(image, row["entities"][:MOST_ENTITIES], thumbnails) for image in images],
        more_pictures=len(row["images"]) - len(images),
        types=sorted({entity["type"] for entity in row["entities"]}),
    )


def split(text: str, entities: Sequence[dict[str, Any]], mention: Callable[[int, dict[str, Any]], Mention]) -> list[Piece]:
    """Return a text in pieces. Entities outside the text, or in one another, are left out."""
    pieces, position = [], 0
    for number, entity in sorted(enumerate(entities), key=lambda numbered: numbered[1]["start"]):
        if position <= entity["start"] < entity["end"] <= len(text):
            pieces += [Piece(text[position : entity["start"]]), Piece(text[entity["start"] : entity["end"]], mention(number, entity))]
            position = entity["end"]
    return [piece for piece in [*pieces, Piece(text[position:])] if piece.text]


def _mention(number: int, entity: dict[str, Any], images: Sequence[dict[str, Any]]) -> Mention:
    strongest = _strongest(entity)
    evidence = [Evidence(_what(found, images), found["weight"]) for found in strongest[:MOST_EVIDENCE]]
    return Mention(entity["text"], entity["type"], entity["score"], number, evidence, len(strongest) - len(evidence))


def _strongest(entity: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(entity.get("evidence") or (), key=lambda found: -found["weight"])


def _what(found: dict[str, Any], images: Sequence[dict[str, Any]]) -> str:
    if found["image"] is None:
        return "the text itself"
    what = found["object"] or "the whole picture"
    numbers = [number for number, image in enumerate(images, 1) if image["key"] == found["image"]]
    return f"{what}, picture {numbers[0]}" if len(images) > 1 and numbers else what


def _picture(image: dict[str, Any], entities: Sequence[dict[str, Any]], thumbnails: Thumbnails) -> Picture:
    objects = [box for found in image["objects"] if (box := _box(found["box"], found["label"], found["score"]))]
    texts = image.get("texts") or []
    evidence = {}
    for number, entity in enumerate(entities):
        looked_at = [found for found in _strongest(entity)[:MOST_EVIDENCE] if found["image"] == image["key"] and found["weight"] > 0]
        boxes = [_box(found["box"], weight=found["weight"]) or _whole(image, found["weight"]) for found in looked_at]
        if shown := [box for box in boxes if box]:
            evidence[number] = shown
    return Picture(
        key=image["key"],
        status=image["status"],
        width=image["width"] or 0,
        height=image["height"] or 0,
        thumbnail=thumbnails.by_key.get(image["key"]),
        reason=thumbnails.reasons.get(image["key"]) or MEANINGS.get(image["status"], ""),
        objects=objects[:MOST_OBJECTS],
        more_objects=len(objects[MOST_OBJECTS:]),
        evidence=evidence,
        words=[_words(found) for found in texts[:MOST_TEXTS]],
        more_words=len(texts[MOST_TEXTS:]),
    )


def _words(found: dict[str, Any]) -> Words:
    entities = found.get("entities") or []
    pieces = split(found["text"][:LONGEST_READ], entities, lambda _, entity: Mention(entity["text"], entity["type"], entity["score"]))
    return Words(found["kind"], pieces, _box(found["box"]))


def _whole(image: dict[str, Any], weight: float) -> Box | None:
    return _box([0, 0, image["width"], image["height"]], weight=weight) if image["width"] and image["height"] else None


def _box(corners: Sequence[float] | None, label: str = "", score: float = 0.0, weight: float = 1.0) -> Box | None:
    if not corners or len(corners) != 4 or not all(map(math.isfinite, corners)):
        return None
    left, top, right, bottom = corners
    if right <= left or bottom <= top:
        return None
    return Box(f"{left:.1f}", f"{top:.1f}", f"{right - left:.1f}", f"{bottom - top:.1f}", label, score, min(1.0, max(0.0, weight)))
