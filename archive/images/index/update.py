"""Bring the index up to date: read what is new in the shards, and merge it into one file for look-ups."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from archive.images.index.build import build
from archive.images.index.files import IndexFile, hashed, load, publish, shard_file, whole_file_of
from archive.images.index.identity import Likeness, is_same, likeness
from archive.images.index.merge import Place, merge
from archive.images.index.segment import Segment, open_segment
from archive.stores import Version, version_of

THREADS = 8
"""Shards that are read together: on a store the time goes into waiting. Each holds a chunk of members, some 2 MB."""

OPEN_TOGETHER = 200
"""New shards whose files are open together."""

State = Literal["kept", "touched", "grown", "new", "changed"]
"""What was done with a shard: nothing; nothing but a new date; read on; read; read anew, since its content is another one."""


@dataclass(frozen=True)
class UpdatedIndex:
    """An index that is up to date.

    Attributes:
        file: for look-ups, see `open_index`.
        states: of each shard.
    """

    file: IndexFile
    states: dict[str, State]


def update_index(
    shards: Sequence[str],
    folder: str,
    owner: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
    versions: Mapping[str, Version] | None = None,
) -> UpdatedIndex:
    """Index the shards that are new or were changed. What cannot be read becomes a problem of its shard, never an error.

    Args:
        shards: their addresses, in the order in which the first one wins; each counts once.
        folder: address of the index, which several outputs may share.
        owner: address of the output; the file for its look-ups is its own.
        progress: is called with the number of finished shards, and of all.
        versions: of shards as they are now; others are looked up.

    Raises:
        OSError: the folder of the index cannot be written.
    """
    shards = list(dict.fromkeys(shards))
    address = whole_file_of(folder, owner)
    merged = load(address)
    known = {shard.address: number for number, shard in enumerate(merged.shards)} if merged else {}
    states: dict[str, State] = {}
    places: list[Place] = []
    lock = threading.Lock()
    done = 0
    with TemporaryDirectory(prefix="postner-index-", ignore_cleanup_errors=True) as name, _threads() as pool:
        scratch = Path(name)

        def place(shard: str) -> tuple[State, Place]:
            nonlocal done
            before = (merged, known[shard]) if merged and shard in known else None
            found = _place(shard, folder, before, scratch, (versions or {}).get(shard))
            with lock:
                done += 1
                progress(done, len(shards))
            return found

        for start in range(0, len(shards), OPEN_TOGETHER):
            some = shards[start : start + OPEN_TOGETHER]
            found = list(pool.map(place, some))
            states |= {shard: state for shard, (state, _) in zip(some, found, strict=True)}
            places += _joined([place for _, place in found], merged, scratch / f"part-{start}")
        if merged and list(known) == shards and all(segment is merged for segment, _ in places):
            return UpdatedIndex(IndexFile(address, merged.check), states)
        path = scratch / "all"
        _write(places, path)
        return UpdatedIndex(publish(path, address), states)


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Yield a pool that is not waited for: what interrupts the indexing need not wait for the ends of large shards."""
    pool = ThreadPoolExecutor(THREADS)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _joined(places: list[Place], merged: Segment | None, path: Path) -> list[Place]:
    """Join the new segments into one file: each open one costs a file descriptor, of which a process has about 1,000."""
    new = [place for place in places if place[0] is not merged]
    if len(new) < 2:
        return places
    joined = _write(new, path)
    numbers = iter(range(len(new)))
    return [place if place[0] is merged else (joined, next(numbers)) for place in places]


def _write(places: Sequence[Place], path: Path) -> Segment:
    with path.open("wb") as file:
        merge([(segment.shards[number], [(segment, number)]) for segment, number in places], file)
    return open_segment(str(path), is_sealed=False)


def index_one(shard: str, folder: str) -> State:
    """Bring the file of one shard up to date, for workers that share the shards; a folder of pictures has no file."""
    if shard.endswith("/"):
        return "kept"
    with TemporaryDirectory(prefix="postner-index-") as scratch:
        return _place(shard, folder, None, Path(scratch))[0]


def _place(shard: str, folder: str, before: Place | None, scratch: Path, version: Version | None = None) -> tuple[State, Place]:
    """Return where the members of a shard are, as the shard is now.

    Args:
        shard: its address.
        folder: address of the index.
        before: where they were in the file of all.
        scratch: local folder for new files.
        version: of the shard, if it is known.
    """
    path = scratch / hashed(shard)
    if shard.endswith("/"):
        build(shard, 0, "", path)
        listed = open_segment(str(path), is_sealed=False)
        if before and before[0].shards[before[1]] == listed.shards[0]:
            return "kept", before
        return "new", (listed, 0)
    size, modified = version or _version(shard)
    if before and is_same(before[0].shards[before[1]], size, modified):
        return "kept", before
    address = shard_file(folder, shard)
    kept = load(address)
    if kept is None or [one.address for one in kept.shards] != [shard]:
        build(shard, size, modified, path)
        return "new", _published(path, address)
    how = _likeness(kept, size, modified)
    if how == "same":
        return "kept", (kept, 0)
    if how == "touched":
        with path.open("wb") as file:
            merge([(replace(kept.shards[0], size=size, modified=modified), [(kept, 0)])], file)
        return "touched", _published(path, address)
    build(shard, size, modified, path, kept if how == "appended" else None)
    place = _published(path, address)
    if how == "appended":
        return "grown" if place[0].shards[0].end != kept.shards[0].end else "touched", place
    return "changed" if kept.shards[0].modified else "new", place


def _version(shard: str) -> Version:
    try:
        return version_of(shard)
    except OSError:
        return 0, ""


def _likeness(kept: Segment, size: int, modified: str) -> Likeness:
    try:
        return likeness(kept, size, modified)
    except OSError:
        return "other"


def _published(path: Path, address: str) -> Place:
    publish(path, address)
    return open_segment(str(path), is_sealed=False), 0
