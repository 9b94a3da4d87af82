"""Index one shard: read its headers into the file of a segment, in bounded memory."""

from __future__ import annotations

import hashlib
import posixpath
from array import array
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from archive.images import End, Link, Member, ShardProblem, index_shard
from archive.images.index.identity import content_check
from archive.images.index.links import resolve_links
from archive.images.index.merge import Place, merge
from archive.images.index.names import LONGEST_NAME, digest, terms_of
from archive.images.index.segment import HASHES, LINK, MEMBERS, OWNERS, PACKINGS, Segment, Shard, open_segment, problem_line
from archive.images.member import SIDECARS

CHUNK_MEMBERS = 2**13
"""Members that are held in memory; then they are sorted and written. Several shards are read at the same time."""

MOST_CHUNKS = 32
"""Chunks that are merged into one, and so on: each open file costs a descriptor, of which a process has about 1,000."""

_NUMBER = {packing: number for number, packing in enumerate(PACKINGS)}


def build(shard: str, size: int, modified: str, path: Path, before: Segment | None = None) -> None:
    """Write the segment of one shard.

    Args:
        shard: its address.
        size: of the shard in bytes, before it is read.
        modified: time or ETag at that moment; ignored for a folder.
        path: local file to write.
        before: the segment of a tar that only grew: it is read on from the end.
    """
    start = (before.shards[0].end if before else None) or 0
    with TemporaryDirectory(dir=path.parent) as folder:
        reading = _Reading(shard, Path(folder))
        for entry in index_shard(shard, start):
            reading.add(entry)
        places: list[Place] = [(before, 0)] if before else []
        places += [(segment, 0) for segment in reading.finish()]
        if shard.endswith("/"):
            modified = reading.listing.hexdigest()
        elif reading.is_unread:
            modified = ""
        check = "" if shard.endswith("/") or reading.is_unread else _check(shard, reading.end, [segment for segment, _ in places])
        with path.open("wb") as file:
            merge([(Shard(shard, size, modified, reading.end, check), places)], file)
    if reading.links:
        resolve_links(path)


def _check(shard: str, end: int | None, segments: list[Segment]) -> str:
    try:
        return content_check(shard, end, np.concatenate([segment.members for segment in segments]))
    except OSError:
        return ""  # it is another one then, should it ever have another date


class _Reading:
    """Collect the entries of a shard; full chunks go to files of a folder."""

    def __init__(self, shard: str, folder: Path) -> None:
        self.shard = shard
        self.end: int | None = None
        self.links = 0
        self.is_unread = False
        self.listing = hashlib.sha256()
        self._folder = folder
        self._levels: list[list[Segment]] = []
        self._files = 0
        self._begin()

    def _begin(self) -> None:
        self._digests = bytearray()
        self._rows = array("B")
        self._offsets, self._sizes, self._name_ends = array("q"), array("q"), array("q")
        self._packings = bytearray()
        self._names = bytearray()
        self._problems = bytearray()

    def add(self, entry: tuple[str, Member | Link] | ShardProblem | End) -> None:
        if isinstance(entry, ShardProblem):
            self._problem(entry)
        elif isinstance(entry, End):
            self.end = entry.position
        else:
            self._add(*entry)

    def _problem(self, problem: ShardProblem) -> None:
        self._problems += problem_line(problem)
        self.is_unread |= problem.reason == "unreadable"
        self.listing.update(self._problems[-64:])
        if len(self._problems) > CHUNK_MEMBERS * 64:
            self._write()

    def _add(self, name: str, place: Member | Link) -> None:
        if posixpath.splitext(name)[1].lower() in SIDECARS:
            return
        if len(name) > LONGEST_NAME or "\0" in name:
            self._problem(ShardProblem(self.shard, "unusable_name", name[:LONGEST_NAME]))
            return
        member = len(self._offsets)
        terms = terms_of(name)
        self._digests += b"".join([digest(term) for term in terms])
        self._rows.append(len(terms))
        if isinstance(place, Link):
            self.links += 1
            offset, size, packing = 0, 0, LINK
            self._names += f"{name}\0{place.target}".encode()
        else:
            offset, size, packing = place.offset, place.size, _NUMBER[place.packing]
            self._names += name.encode()
        self._offsets.append(offset)
        self._sizes.append(size)
        self._packings.append(packing)
        self._name_ends.append(len(self._names))
        if self.shard.endswith("/"):
            self.listing.update(f"{size} {name}\n".encode())
        if member + 1 == CHUNK_MEMBERS:
            self._write()

    def _chunk(self) -> Segment:
        members = np.empty(len(self._offsets), MEMBERS)
        columns: dict[str, array[int] | bytearray] = {
            "offset": self._offsets,
            "size": self._sizes,
            "name_end": self._name_ends,
            "packing": self._packings,
        }
        for name, column in columns.items():
            members[name] = np.frombuffer(column, MEMBERS[name])
        hashes = np.frombuffer(self._digests, HASHES)
        owners = np.repeat(np.arange(len(members), dtype=OWNERS), np.frombuffer(self._rows, np.uint8))
        order = np.argsort(hashes, kind="stable")
        facts = Shard(self.shard, 0, "", None, "", len(members), len(hashes), len(self._names), len(self._problems))
        return Segment((facts,), hashes[order], owners[order], members, self._names, self._problems)

    def _write(self, level: int = 0) -> None:
        """Write the members that are held, or on a higher level those of all chunks of the level below, to a file."""
        chunks = self._levels[level - 1] if level else [self._chunk()]
        path = self._folder / f"{self._files}.chunk"
        self._files += 1
        with path.open("wb") as file:
            merge([(Shard(self.shard), [(chunk, 0) for chunk in chunks])], file)
        if level:
            chunks.clear()
        else:
            self._begin()
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(open_segment(str(path), is_sealed=False))
        if len(self._levels[level]) == MOST_CHUNKS:
            self._write(level + 1)

    def finish(self) -> list[Segment]:
        """Return segments with all members, in the order in which they were added."""
        return [*(chunk for level in reversed(self._levels) for chunk in level), self._chunk()]
