"""Index a folder of pictures; a key is the path relative to the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fsspec.implementations.local import LocalFileSystem

from archive.images.member import Member, ShardProblem, is_text
from archive.stores import resolve


def index(shard: str) -> Iterator[tuple[str, Member] | ShardProblem]:
    """Yield the files of the folder. A symbolic link is followed only to a file inside the folder."""
    filesystem, root = resolve(shard)
    root = root.rstrip("/")
    is_local = isinstance(filesystem, LocalFileSystem)
    inside = os.path.realpath(root) + os.sep
    for path, info in sorted(filesystem.find(root, detail=True).items()):
        key = path[len(root) + 1 :]
        if not is_text(key):
            yield ShardProblem(shard, "undecodable_name", key)
        elif is_local and not os.path.realpath(path).startswith(inside):
            yield ShardProblem(shard, "outside_folder", key)
        elif not (os.path.isfile(path) if is_local else info["type"] == "file"):
            yield ShardProblem(shard, "not_a_file", key)
        else:
            yield key, Member(filesystem.unstrip_protocol(path) if "://" in shard else path, 0, info["size"])
