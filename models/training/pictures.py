"""What is seen in the pictures of a training set: looked at once, kept in a file."""

from __future__ import annotations

import os
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from models.shards import Member, fetch, find_shards, index_shard
from models.vision.look import Looker, Sight
from models.vision.pictures import Limits, PictureError

BATCH = 32
FIELDS = tuple(field.name for field in fields(Sight))


def look_at_pictures(names: Iterable[str], images: str, looker: Looker, cache: Path | None) -> dict[str, Sight]:
    """Sights by name, where name `123` is the member `123.jpg` of a shard or file of a folder; absent ones are left out.

    Args:
        names: as after `IMGID:`.
        images: glob of shards, or a folder.
        looker: detector and grid.
        cache: file with the sights of an earlier run by the same networks; it is used, and completed.

    Raises:
        ValueError: the cache cannot be read.
    """
    wanted = set(names)
    identity = f"{looker.detector_id} {looker.grid_id}"
    sights: dict[str, Sight] = {}
    if cache and cache.exists():
        sights = _load(cache, identity)
    members = {member: name for name, member in _members(images) if name in wanted and name not in sights}
    limits = Limits()
    todo = sorted(members)
    for start in tqdm(range(0, len(todo), BATCH), desc="pictures", disable=None):
        prepared = {}
        for member, data in fetch(todo[start : start + BATCH], limits.max_image_bytes):
            try:
                if isinstance(data, bytes):
                    prepared[members[member]] = looker.prepare(data, limits)
            except PictureError:
                continue
        sights |= zip(prepared, looker.look(list(prepared.values())), strict=True)
    if cache and todo:
        _save(cache, identity, sights)
    return {name: sight for name, sight in sights.items() if name in wanted}


def _members(images: str) -> Iterable[tuple[str, Member]]:
    for shard in find_shards(images, "--images"):
        for entry in index_shard(shard):
            if isinstance(entry, tuple):
                yield Path(entry[0]).stem, entry[1]


def _save(cache: Path, identity: str, sights: dict[str, Sight]) -> None:
    arrays = {
        f"{name}/{field}": value for name, sight in sights.items() for field in FIELDS if (value := getattr(sight, field)) is not None
    }
    partial = cache.with_name(f"{cache.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez(file, identity=np.array(identity), **arrays)
    os.replace(partial, cache)


def _load(cache: Path, identity: str) -> dict[str, Sight]:
    parts: dict[str, dict[str, Any]] = defaultdict(lambda: dict.fromkeys(FIELDS))
    try:
        with np.load(cache, allow_pickle=False) as stored:
            if str(stored["identity"]) != identity:
                return {}
            for key in stored.files:
                name, _, field = key.rpartition("/")
                parts[name][field] = stored[key]
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"--cache {cache} cannot be read as what an earlier run saw in pictures ({error}): delete it") from error
    del parts[""]
    return {name: Sight(**of_one | {"width": int(of_one["width"]), "height": int(of_one["height"])}) for name, of_one in parts.items()}
