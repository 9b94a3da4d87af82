"""Extract the image features of a training set once, and cache them in a file."""

from __future__ import annotations

import base64
import os
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from archive.images import Member, ShardProblem, fetch, find_shards, members_by_name
from archive.images.decode import Limits, decode
from archive.images.image_error import ImageError
from archive.images.index import open_index, update_index
from models.vision.images.features import ImageFeatures
from models.vision.vision_model import VisionModel

BATCH = 32
THUMBNAIL_SIDE = 240
FEATURE_FIELDS = tuple(field.name for field in fields(ImageFeatures) if field.name not in ("lines", "alt"))
SCALARS = {"width": int, "height": int, "is_partial": bool}
PLACE = "place"
"""Name of the array of `_place` in the cache."""
MAX_PROBLEMS_PRINTED = 5


def picture_features(names: Iterable[str], images: str, vision_model: VisionModel, cache: Path | None) -> dict[str, ImageFeatures]:
    """Return image features by name; the name `123` means the key `123.jpg`, else what the command would find for it.

    If `123.jpg` occurs more than once, the first shard counts, and in it the last picture. Missing and unreadable pictures are
    left out, and their number is printed to standard error.

    Args:
        names: values of `IMGID:`, or keys of pictures.
        images: glob of shards, or a folder.
        vision_model: detector and grid network.
        cache: file with features from an earlier run of the same networks; created if missing. A picture's features are
            reused if shard name, offset and size are the same. New features are added to the file.

    Raises:
        ValueError: the cache cannot be read or written, or is from other networks; or no picture is usable.
    """
    wanted = set(names)
    members, problems = _members(wanted, images)
    identity = f"{vision_model.detector_id} {vision_model.grid_id}"
    cached = _load(cache, identity) if cache else {}
    features = {name: cached[name][1] for name, member in members.items() if name in cached and cached[name][0] == _place(member)}
    limits = Limits()
    todo = sorted((member, name) for name, member in members.items() if name not in features)
    for start in tqdm(range(0, len(todo), BATCH), desc="pictures", disable=None):
        batch = dict(todo[start : start + BATCH])
        preprocessed = {}
        for member, data in fetch(list(batch), limits.max_image_bytes):
            try:
                if isinstance(data, bytes):
                    preprocessed[batch[member]] = vision_model.preprocess(data, limits)
            except ImageError:
                continue
        features |= zip(preprocessed, vision_model.extract(list(preprocessed.values())), strict=True)
    if cache and todo:
        _save(cache, identity, cached | {name: (_place(members[name]), image_features) for name, image_features in features.items()})
    _report(wanted, features, problems, images)
    return features


def thumbnails(names: Iterable[str], images: str) -> dict[str, str]:
    """Return small JPEGs of pictures by name, as `data:` addresses. Missing and unreadable pictures are left out."""
    members, _ = _members(set(names), images)
    name_of = {member: name for name, member in members.items()}
    limits = Limits()
    small = {}
    for member, data in fetch(sorted(name_of), limits.max_image_bytes):
        if isinstance(data, ImageError):
            continue
        try:
            picture = Image.fromarray(decode(data, limits, THUMBNAIL_SIDE).pixels)
        except ImageError:
            continue
        picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        file = BytesIO()
        picture.save(file, "JPEG", quality=70)
        small[name_of[member]] = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
    return small


def _members(wanted: set[str], images: str) -> tuple[dict[str, Member], list[ShardProblem]]:
    shards = find_shards([images], "--images").shards
    by_name, problems = members_by_name(shards)
    members = {name: by_name[key] for name in wanted if (key := f"{name}.jpg") in by_name}
    if others := sorted(wanted - members.keys()):
        with TemporaryDirectory(prefix="postner-index-") as folder:
            found = open_index(update_index(shards, folder, folder).file).locate(others, Limits().max_image_bytes).places
        members |= {name: place for name, place in found.items() if isinstance(place, Member)}
    return members, problems


def _report(wanted: set[str], features: dict[str, ImageFeatures], problems: list[ShardProblem], images: str) -> None:
    for problem in problems[:MAX_PROBLEMS_PRINTED]:
        print(f"{problem.shard}: {problem.reason}: {problem.detail}", file=sys.stderr)
    missing = sorted(wanted - features.keys())
    if missing and not features:
        raise ValueError(f"--images {images!r} has none of the {len(missing)} pictures that the tweets name, such as {missing[0]!r}")
    if missing:
        print(f"{len(missing)} of {len(wanted)} pictures are missing or cannot be read, such as {missing[0]!r}", file=sys.stderr)


def _place(member: Member) -> str:
    """Return a string for the place of a picture that does not depend on the folder of its shard."""
    return f"{Path(member.shard).name} {member.offset} {member.size}"


def _save(cache: Path, identity: str, features: dict[str, tuple[str, ImageFeatures]]) -> None:
    arrays: dict[str, Any] = {f"{name}/{PLACE}": np.array(place) for name, (place, _) in features.items()}
    for name, (_, image_features) in features.items():
        arrays |= {f"{name}/{field}": value for field in FEATURE_FIELDS if (value := getattr(image_features, field)) is not None}
    partial = cache.with_name(f"{cache.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez(file, identity=np.array(identity), **arrays)
    os.replace(partial, cache)


def _load(cache: Path, identity: str) -> dict[str, tuple[str, ImageFeatures]]:
    """Return place and features by name; empty if the file does not exist yet."""
    if not cache.parent.is_dir():
        raise ValueError(f"--cache {cache} cannot be written: there is no folder {cache.parent}")
    if not cache.exists():
        return {}
    parts: dict[str, dict[str, Any]] = defaultdict(lambda: dict.fromkeys(FEATURE_FIELDS))
    try:
        with np.load(cache, allow_pickle=False) as stored:
            written_by = str(stored["identity"])
            for key in stored.files:
                name, _, field = key.rpartition("/")
                parts[name][field] = stored[key]
        del parts[""]
        features = {
            name: (str(of_one.pop(PLACE)), ImageFeatures(**of_one | {field: kind(of_one[field]) for field, kind in SCALARS.items()}))
            for name, of_one in parts.items()
        }
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"--cache {cache} cannot be read as features of pictures ({error}): delete it") from error
    if written_by != identity:
        raise ValueError(f"--cache {cache} has features of other networks ({written_by}, now {identity}): give another file, or delete it")
    return features
