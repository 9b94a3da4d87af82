"""Find shards whose content is no longer what an output was made from."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from archive.images.index.files import load, shard_file, whole_file_of
from archive.images.index.identity import holds, is_same
from archive.images.index.merge import Place
from archive.stores import Version

_THREADS = 16


def changed_shards(shards: Mapping[str, tuple[Version, Version]], folder: str, owner: str) -> list[str]:
    """Return the shards that do not hold what was indexed any more. Only grown or with another date, they do.

    Args:
        shards: files, with the version that an earlier run read, and the one that is there now.
        folder: address of the index.
        owner: address of the output.
    """
    differing = {shard: versions for shard, versions in shards.items() if versions[0] != versions[1]}
    if not differing:
        return []
    merged = load(whole_file_of(folder, owner))
    numbers = {shard.address: number for number, shard in enumerate(merged.shards)} if merged else {}

    def is_changed(shard: str) -> bool:
        then, now = differing[shard]
        own = load(shard_file(folder, shard))
        places: list[Place] = [(merged, numbers[shard])] if merged and shard in numbers else []
        places += [(own, 0)] if own and [one.address for one in own.shards] == [shard] else []
        known = next((place for place in places if is_same(place[0].shards[place[1]], *then)), None)
        try:
            return known is None or not holds(*known, now[0])
        except OSError:
            return True

    with ThreadPoolExecutor(_THREADS) as pool:
        return [shard for shard, changed in zip(differing, pool.map(is_changed, differing), strict=True) if changed]
