"""Shards that tests write, and what the index says of them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from archive.images import ImageError, Member
from archive.images.index import (
    Index,
    UpdatedIndex,
    open_index,
    update_index,
)


def tar(path: Path, *members: tuple[str, bytes], mode: str = "w") -> str:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


def link(path: Path, name: str, target: str, kind: bytes) -> None:
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        archive.addfile(info)


def places(index: Index, *keys: str) -> list[object]:
    """For each key its offset, or the status."""
    located = index.locate(keys, 100).places
    return [place.status if isinstance(place, ImageError) else place.offset for place in map(located.__getitem__, keys)]


def updated(folder: Path, *shards: str) -> UpdatedIndex:
    return update_index(shards, f"{folder}/index", "out")


def states(folder: Path, *shards: str) -> list[str]:
    return list(updated(folder, *shards).states.values())


def index_of(folder: Path, *shards: str) -> Index:
    return open_index(updated(folder, *shards).file)


def entries(index: Index) -> list[tuple[str, Member]]:
    return [(index._segment.name(number), index._segment.member(number)) for number in range(len(index))]
