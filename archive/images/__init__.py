"""Index pictures in shards from headers alone, and fetch the needed ones with ranged reads.

Each shard format has one module. For a new format add a module here and an entry in `_EXTENSIONS`.
A key is a name inside the shards; it is never opened as a path.
"""

from __future__ import annotations

from collections.abc import Iterator
from glob import escape

from archive.images import folder, tar
from archive.images import zip as zip_packing
from archive.images.fetch import fetch
from archive.images.image_error import ImageError
from archive.images.member import Member, ShardProblem
from archive.stores import found_files, resolve

__all__ = ["ImageError", "Member", "ShardProblem", "fetch", "find_shards", "index_shard"]

_EXTENSIONS = {".tar": tar, ".zip": zip_packing}


def find_shards(pattern: str, option: str) -> list[str]:
    """Return the addresses of the shards that match a glob, sorted; a folder is one shard.

    Raises:
        ValueError: nothing matches; the message names the option and the value.
    """
    filesystem, path = resolve(pattern)
    if filesystem.isdir(path):
        return [pattern.rstrip("/") + "/"]
    if filesystem.exists(path):
        path = escape(path)
    return found_files(filesystem, filesystem.glob(path), pattern, option)


def index_shard(shard: str) -> Iterator[tuple[str, Member] | ShardProblem]:
    """Yield each key of a shard with the location of its bytes, from headers alone.

    Unusable members and shards are yielded as `ShardProblem`, never raised.
    """
    packing = folder if shard.endswith("/") else _EXTENSIONS.get(shard[-4:].lower(), tar)
    try:
        yield from packing.index(shard)
    except OSError as error:
        yield ShardProblem(shard, "unreadable", str(error))
