"""What a program says of a post, and how the rows of two programs differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from models.vision.images.features import ImageFeatures

SCORE, PIXELS = 0.01, 1.0
"""Scores and coordinates of equal rows differ by less."""


class Found(NamedTuple):
    """An entity: its type, first and last code point, and score; or an object: its label, score and box."""

    name: str
    place: tuple[float, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Row:
    """The row of a post.

    Attributes:
        id: of the post.
        entities: place is start and end, in code points.
        pictures: objects of each picture, in the order of the post; place is x1, y1, x2, y2 in pixels.
    """

    id: str
    entities: tuple[Found, ...]
    pictures: tuple[tuple[Found, ...], ...]

    @classmethod
    def of(cls, post_id: str, entities: list[dict[str, Any]], images: list[dict[str, Any]]) -> Row:
        """Return a row of the columns `entities` and `images` of our rows."""
        return cls(
            post_id,
            tuple(Found(one["type"], (one["start"], one["end"]), one["score"]) for one in entities),
            tuple(tuple(Found(one["label"], tuple(one["box"]), one["score"]) for one in image["objects"]) for image in images),
        )

    def to_json(self) -> str:
        """Return the row as a line of JSON."""
        return json.dumps(asdict(self))


def read_json(path: Path) -> dict[str, Row]:
    """Return the rows of a file with lines of JSON, by the id of their post. Raises ValueError if a post has two."""
    return _by_id(_parsed(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())


def read_output(folder: Path) -> dict[str, Row]:
    """Return the rows that the command wrote into a folder, by the id of their post. Raises ValueError if a post has two."""
    rows = pq.read_table(folder / "annotations", columns=["post_id", "entities", "images"]).to_pylist()
    return _by_id(Row.of(row["post_id"], row["entities"], row["images"]) for row in rows)


def _by_id(rows: Iterator[Row]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in rows:
        if row.id in found:
            raise ValueError(f"post {row.id} has two rows")
        found[row.id] = row
    return found


def _parsed(row: dict[str, Any]) -> Row:
    def all_of(values: list[Any]) -> tuple[Found, ...]:
        return tuple(Found(name, tuple(place), score) for name, place, score in values)

    return Row(row["id"], all_of(row["entities"]), tuple(map(all_of, row["pictures"])))


def differences(ours: Mapping[str, Row], theirs: Mapping[str, Row]) -> list[str]:
    """Return a sentence for each post whose rows differ: entities, objects, or a row that is not there."""
    found = [f"post {post_id} has no row" for post_id in ours.keys() - theirs.keys()]
    found += [f"post {post_id} is none of the input" for post_id in theirs.keys() - ours.keys()]
    for post_id in sorted(ours.keys() & theirs.keys()):
        mine, other = ours[post_id], theirs[post_id]
        if not _same(mine.entities, other.entities):
            found.append(f"post {post_id} has other entities: {_short(other.entities)}, ours {_short(mine.entities)}")
        elif len(mine.pictures) != len(other.pictures) or not all(map(_same, mine.pictures, other.pictures)):
            found.append(f"post {post_id} has other objects")
    return found


def _same(mine: tuple[Found, ...], other: tuple[Found, ...]) -> bool:
    """Compare regardless of order: two objects of nearly one score may change places."""

    def near(one: Found, two: Found) -> bool:
        places = zip(one.place, two.place, strict=True)
        return one.name == two.name and abs(one.score - two.score) < SCORE and all(abs(a - b) < PIXELS for a, b in places)

    rest = list(other)
    for one in mine:
        match = next((two for two in rest if near(one, two)), None)
        if match is None:
            return False
        rest.remove(match)
    return not rest


def _short(entities: tuple[Found, ...]) -> str:
    return ", ".join(f"{one.name} {one.place[0]:.0f}-{one.place[1]:.0f}" for one in entities) or "none"


def entity_f1(ours: Mapping[str, Row], theirs: Mapping[str, Row]) -> float:
    """Return the F1 of their entities (type, start and end) against ours; 1.0 if there are none."""
    mine, other = ({(post_id, one.name, one.place) for post_id, row in rows.items() for one in row.entities} for rows in (ours, theirs))
    return 2 * len(mine & other) / (len(mine) + len(other)) if mine or other else 1.0


def object_map50(ours: Mapping[str, Row], theirs: Mapping[str, Row]) -> float:
    """Return the mAP at IoU 0.5 of their objects against ours, over the posts that both have."""
    from models.vision.detection_scores import agreement  # takes seconds: torch

    both = sorted(ours.keys() & theirs.keys())
    pairs = [pair for post_id in both for pair in zip(ours[post_id].pictures, theirs[post_id].pictures, strict=True)]
    names = sorted({one.name for pair in pairs for objects in pair for one in objects})
    mine, other = ([_features(pair[place], names) for pair in pairs] for place in (0, 1))
    return agreement(other, mine, names)["map50"]


def _features(objects: tuple[Found, ...], names: list[str]) -> ImageFeatures:
    from models.vision.images.features import ImageFeatures

    boxes = np.array([one.place for one in objects], np.float32).reshape(-1, 4)
    labels = np.array([names.index(one.name) for one in objects], np.int64)
    return ImageFeatures(0, 0, labels, np.array([one.score for one in objects], np.float32), boxes)
