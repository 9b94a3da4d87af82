"""Index pictures in shards from headers alone, and fetch the needed ones with ranged reads.

Each shard format has one module. For a new format add a module here and an entry in `_EXTENSIONS`.
A key is a name inside the shards; it is never opened as a path.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from glob import escape
from itertools import groupby
from operator import attrgetter

from archive.images import folder, tar
from archive.images import zip as zip_packing
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


def fetch(members: Sequence[Member], max_bytes: int) -> Iterator[tuple[Member, bytes | ImageError]]:
    """Yield the bytes of members, in the order of shards and offsets. Each shard is opened once.

    Args:
        members: what to read.
        max_bytes: larger members are not read, and no more than this is unpacked.
    """
    for shard, of_shard in groupby(sorted(members), key=attrgetter("shard")):
        wanted = deque(of_shard)
        try:
            filesystem, path = resolve(shard)
            with filesystem.open(path, "rb", block_size=2**18) as file:
                size = file.seek(0, 2)
                while wanted:
                    found = _read(file, size, wanted[0], max_bytes)
                    yield wanted.popleft(), found
        except OSError:
            lost = ImageError("missing", "unreadable_shard")
            yield from ((member, lost) for member in wanted)


def _read(file, size: int, member: Member, max_bytes: int) -> bytes | ImageError:  # type: ignore[no-untyped-def]
    if member.offset + member.size > size:
        return ImageError("corrupt", "truncated")
    if member.size > max_bytes:
        return ImageError("too_large", "too_many_bytes")
    if member.packing == "stored":
        file.seek(member.offset)
        return file.read(member.size)
    return zip_packing.read(file, member, max_bytes)
