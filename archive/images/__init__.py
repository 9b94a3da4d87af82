"""Index pictures in shards from headers alone, and fetch the needed ones with ranged reads.

Each shard format has a module, and `packing` tells them apart.
A key is a name inside the shards; it is never opened as a path.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from archive.images import folder, packing, tar, zip_index
from archive.images import zip as zip_packing
from archive.images.find import FoundShards, find_shards
from archive.images.image_error import ImageError
from archive.images.member import End, Link, Member, ShardProblem, is_litter
from archive.images.window import Window
from archive.stores import resolve

__all__ = [
    "End",
    "FoundShards",
    "ImageError",
    "Link",
    "Member",
    "ShardProblem",
    "fetch",
    "find_shards",
    "index_shard",
    "members_by_name",
]

_LONGEST_CHAIN = 8
"""Links that are followed from one to the next."""


def index_shard(shard: str, start: int = 0) -> Iterator[tuple[str, Member | Link] | ShardProblem | End]:
    """Yield each name in a shard with the location of its bytes, from headers alone.

    Several members of one name are all yielded, in their order. Unusable members and shards are yielded as
    `ShardProblem`, never raised. What macOS adds to archives is left out.

    Args:
        shard: address of a tar, a zip or, with "/" at its end, a folder.
        start: the `End.position` of an earlier reading of a tar, to read what was appended since.
    """
    try:
        for entry in _entries(shard, start):
            if not (isinstance(entry, tuple) and is_litter(entry[0])):
                yield entry
    except OSError as error:
        yield ShardProblem(shard, "unreadable", str(error))


def _entries(shard: str, start: int) -> Iterator[tuple[str, Member | Link] | ShardProblem | End]:
    if shard.endswith("/"):
        yield from folder.index(shard)
        return
    filesystem, path = resolve(shard)
    with filesystem.open(path, "rb", cache_type="none") as file:
        window = Window(file)
        head = window.read(0, packing.HEAD_BYTES)
        if packing.is_tar(head) or start:
            yield from tar.index(shard, window, start)
        elif packing.is_zip(head) or (not shard.lower().endswith(".tar") and zip_index.has_directory(window)):
            yield from zip_index.index(shard, window, file)
        elif how := packing.compression(head):
            yield ShardProblem(shard, "compressed_shard", f"{how.name}: unpack it with {how.cure}")
        else:
            yield from tar.index(shard, window)


def members_by_name(shards: Sequence[str]) -> tuple[dict[str, Member], list[ShardProblem]]:
    """Return the members of shards by name, and the problems of the shards.

    The last member of a name in a shard counts, the first shard that has it, and links lead to their targets. For tools
    that read few shards: everything is held in memory.
    """
    members: dict[str, Member] = {}
    problems = []
    for shard in shards:
        of_shard: dict[str, Member | Link] = {}
        for entry in index_shard(shard):
            if isinstance(entry, tuple):
                of_shard[entry[0]] = entry[1]
            elif isinstance(entry, ShardProblem):
                problems.append(entry)
        for name, place in of_shard.items():
            for _ in range(_LONGEST_CHAIN):
                if isinstance(place, Link):
                    place = of_shard.get(place.target, place)
            if isinstance(place, Member):
                members.setdefault(name, place)
    return members, problems


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
