"""Make small pictures for the page from those in the shards."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from io import BytesIO
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from archive.images import ImageError, Member, fetch, find_shards
from archive.images.decode import Limits
from archive.images.index import open_index, update_index
from models.vision.images.canvas import Canvas
from models.vision.images.decode_process import DecodeProcess
from models.vision.images.preprocess import Preprocess

SIDE = 320
"""Longer side of a thumbnail in pixels."""

QUALITY = 72
USABLE = ("ok", "partial")


@dataclass(frozen=True)
class Thumbnail:
    """A small JPEG, and the size of the original in pixels as a viewer shows it."""

    jpeg: bytes
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The whole picture as an address that needs no network."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()


@dataclass
class Thumbnails:
    """Thumbnails by key, and why the others are not there.

    Attributes:
        by_key: those that were made.
        reasons: by key, why a picture that the run had used is not shown.
        problems: one sentence for each place of pictures that could not be used.
    """

    by_key: dict[str, Thumbnail] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def shards_of(patterns: Sequence[str], summary: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the shards to look in, and one sentence for each shard of the run that is not there any more.

    Args:
        patterns: values of --images; empty for the shards in `run.json`.
        summary: content of `run.json`.

    Raises:
        ValueError: a pattern matches nothing.
    """
    if patterns:
        return find_shards(patterns, "--images").shards, []
    inputs = summary.get("inputs")
    named = inputs.get("shards") if isinstance(inputs, dict) else None
    found, gone = [], []
    for shard in map(str, named or ()):
        try:
            found += find_shards([shard], "--images").shards
        except (OSError, ValueError):
            gone.append(f"The shard {shard} is not there any more.")
    return found, gone


def locate(keys: AbstractSet[str], shards: Sequence[str]) -> dict[str, Member]:
    """Return where these pictures lie, found as by a run. The index of a run is left alone: another run may write it."""
    with TemporaryDirectory(prefix="postner-report-") as folder:
        index = open_index(update_index(shards, folder, folder).file)
        places = index.locate(sorted(keys), Limits.max_image_bytes).places if keys else {}
    return {key: place for key, place in places.items() if isinstance(place, Member)}


def thumbnails(rows: Iterable[dict[str, Any]], shards: Sequence[str], most_per_post: int, most_bytes: int) -> Thumbnails:
    """Make the thumbnails of the pictures that a run could use.

    Args:
        rows: of annotations.
        shards: where the pictures lie.
        most_per_post: pictures of a post that are shown, the first ones.
        most_bytes: of all data URIs together; further pictures are left out.
    """
    wanted = {
        image["key"]: (image["width"], image["height"])
        for row in rows
        for image in row["images"][:most_per_post]
        if image["status"] in USABLE
    }
    made = Thumbnails()
    members = locate(wanted.keys(), shards)
    not_found = "not found in the shards" if shards else "no shards to look in, give --images"
    made.reasons = dict.fromkeys(sorted(wanted.keys() - members.keys()), not_found)
    keys_of: dict[Member, list[str]] = defaultdict(list)
    for key in sorted(members):
        keys_of[members[key]].append(key)
    spent = 0
    for member, outcome in _decoded(sorted(keys_of)):
        for key in keys_of[member]:
            if not isinstance(outcome, Thumbnail):
                made.reasons[key] = str(outcome)
            elif (outcome.width, outcome.height) != wanted[key]:
                made.reasons[key] = "the shard holds another picture now"
            elif spent + len(outcome.uri) > most_bytes:
                made.reasons[key] = "left out to keep this file small"
            else:
                spent += len(outcome.uri)
                made.by_key[key] = outcome
    return made


def thumbnail_of(canvas: Canvas) -> Thumbnail:
    """Return the picture in a square, without the grey around it, as a small JPEG."""
    file = BytesIO()
    pixels = canvas.pixels[canvas.top : canvas.bottom, canvas.left : canvas.right]
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, optimize=True)
    return Thumbnail(file.getvalue(), canvas.width, canvas.height)


def _decoded(members: Sequence[Member]) -> Iterator[tuple[Member, Thumbnail | ImageError]]:
    limits = Limits()
    process = DecodeProcess(Preprocess(limits, SIDE))
    try:
        for member, data in fetch(members, limits.max_image_bytes):
            image = data if isinstance(data, ImageError) else process.decode(data)
            yield member, image if isinstance(image, ImageError) else thumbnail_of(image.canvas)
    finally:
        process.close()
