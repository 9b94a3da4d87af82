"""Index a folder of pictures; a key is the path relative to the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fsspec.implementations.local import LocalFileSystem

from archive.images.member import SIDECARS, Member, ShardProblem, is_text
from archive.stores import resolve

SHARDS = (".tar", ".zip", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".tar.zst", ".txz", ".tar.xz")
"""Endings of the files in a folder that may be shards. A folder may hold a million files, so their bytes are not read."""


def kind(path: str) -> str:
    """Return what a file in a folder is by its path below it: `picture`, `shard`, `hidden`, or an ending of a sidecar."""
    if path.startswith((".", "__MACOSX/")) or "/." in path:
        return "hidden"
    lower = path.lower()
    if lower.endswith(SHARDS):
        return "shard"
    ending = os.path.splitext(lower)[1]
    return ending if ending in SIDECARS else "picture"


def index(shard: str) -> Iterator[tuple[str, Member] | ShardProblem]:
    """Yield the pictures of the folder. A symbolic link is followed only to a file inside the folder."""
    filesystem, root = resolve(shard)
    root = root.rstrip("/")
    is_local = isinstance(filesystem, LocalFileSystem)
    inside = os.path.realpath(root) + os.sep
    for path, info in sorted(filesystem.find(root, detail=True).items()):
        key = path[len(root) + 1 :]
        if kind(key) != "picture":
            continue
        if not is_text(key):
            yield ShardProblem(shard, "undecodable_name", key)
        elif is_local and not os.path.realpath(path).startswith(inside):
            yield ShardProblem(shard, "outside_folder", key)
        elif not (os.path.isfile(path) if is_local else info["type"] == "file"):
            yield ShardProblem(shard, "not_a_file", key)
        else:
            yield key, Member(filesystem.unstrip_protocol(path) if "://" in shard else path, 0, info["size"])
