"""The file of an index: members of one shard or of several, found by binary search, memory-mapped.

The arrays are plain numpy, not Arrow IPC: a search needs one contiguous column, and a merge in bounded memory writes a
file piece by piece, which Arrow can only do in record batches. A look-up of 1,000 keys among 5 million members takes
20 ms; `release` gives the touched pages back, so that memory does not grow with the number of look-ups.

Layout, little-endian: magic, bytes of the header (u64), header (JSON), then the arrays `hashes` u64 (rows), `owners` u32
(rows), `fences` u64 (every 256th hash), `members` (25 bytes each), `names`, `problems` (JSON lines), and CRC-32 (u32).
"""

from __future__ import annotations

import json
import mmap
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import BinaryIO

import numpy as np

from archive.images.member import Member, ShardProblem

MAGIC = b"POSTNER INDEX 1\n"
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
CHECK_BYTES = _CRC.size
"""Of the CRC-32 at the end of a file."""
_BLOCK_BYTES = 2**20

HASHES, OWNERS = np.dtype("<u8"), np.dtype("<u4")
MEMBERS = np.dtype([("offset", "<i8"), ("size", "<i8"), ("name_end", "<i8"), ("packing", "u1")])
"""Record of a member. Its name begins where that of the member before it ends."""

BLOCK_ROWS = 256
"""Rows from one fence to the next. A search in the fences, which are few, leaves one block, so that one page is read."""

PACKINGS = ("stored", "zip_stored", "zip_deflated", "zip_bzip2", "zip_lzma", "link")
"""`Member.packing` by its number. `link` marks a link whose target is not there; after a NUL its name holds the target."""

LINK = PACKINGS.index("link")


class IndexDamagedError(ValueError):
    """The file is not a whole index file of this version."""


@dataclass(frozen=True)
class Shard:
    """A shard as it was when it was indexed, and how much of a file belongs to it.

    Attributes:
        address: of the tar or zip file; a folder's ends with a slash.
        size: in bytes.
        modified: time or ETag; of a folder the digest of its listing; empty if the shard has to be read again.
        end: byte where the last member of a tar ends; None if no more can be appended there.
        check: digest of some headers, by which a shard that only grew or was only touched is recognised.
        members, rows, name_bytes, problem_bytes: amounts in this file.
    """

    address: str
    size: int = 0
    modified: str = ""
    end: int | None = None
    check: str = ""
    members: int = 0
    rows: int = 0
    name_bytes: int = 0
    problem_bytes: int = 0


@dataclass
class Segment:
    """Members of shards; shard by shard, in the order of `shards`.

    Attributes:
        shards: what is in it.
        hashes: (rows,) of terms, sorted.
        owners: (rows,) the member that each term leads to.
        members: (members,) of `MEMBERS`.
        names: UTF-8, one after another.
        problems: JSON lines [reason, detail].
        fences: (rows / BLOCK_ROWS,) the first hash of each block; None in memory, where nothing is looked up.
        check: CRC-32 of its file; 0 in memory.
    """

    shards: tuple[Shard, ...]
    hashes: np.ndarray
    owners: np.ndarray
    members: np.ndarray
    names: memoryview | bytes | bytearray
    problems: memoryview | bytes | bytearray
    fences: np.ndarray | None = None
    check: int = 0
    _map: mmap.mmap | None = None

    def __post_init__(self) -> None:
        self.first_members = np.array([0, *accumulate(shard.members for shard in self.shards)], np.int64)
        self._firsts = self.first_members.tolist()
        self.first_problems = [0, *accumulate(shard.problem_bytes for shard in self.shards)]

    def release(self) -> None:
        """Give the mapped pages back to the system; it keeps them in its cache as long as it has memory."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def rows_of(self, hashes: np.ndarray) -> list[tuple[int, int]]:
        """Return the first row of each hash and the one after its last; (n,) uint64, of any order."""
        assert self.fences is not None
        blocks = np.maximum(np.searchsorted(self.fences, hashes, "left") - 1, 0)
        found = []
        for block, value in zip((blocks * BLOCK_ROWS).tolist(), hashes, strict=True):
            start = block + int(self.hashes[block : block + BLOCK_ROWS].searchsorted(value, "left"))
            near = self.hashes[start : start + BLOCK_ROWS]
            after = int(near.searchsorted(value, "right")) if len(near) and near[0] == value else 0
            if after == BLOCK_ROWS:
                after = int(self.hashes[start:].searchsorted(value, "right"))
            found.append((start, start + after))
        return found

    def name_start(self, member: int) -> int:
        """Return where in `names` the name of a member begins; of the number of members, where the last one ends."""
        return int(self.members["name_end"][member - 1]) if member else 0

    def name(self, member: int) -> str:
        """Return the name of a member, as it stands in the shard."""
        return self._text(member).partition("\0")[0]

    def target(self, member: int) -> str:
        """Return the target of a link."""
        return self._text(member).partition("\0")[2]

    def _text(self, member: int) -> str:
        return str(self.names[self.name_start(member) : int(self.members["name_end"][member])], "utf-8")

    def shard_of(self, member: int) -> int:
        """Return the number of the shard that holds a member."""
        return bisect_right(self._firsts, member) - 1

    def member(self, number: int) -> Member:
        """Return where the bytes of a member are."""
        offset, size, _, packing = self.members[number].item()
        shard = self.shards[self.shard_of(number)].address
        return Member(shard + self.name(number) if shard.endswith("/") else shard, offset, size, PACKINGS[packing])

    def shard_problems(self) -> Iterator[tuple[str, list[ShardProblem]]]:
        """Yield the address and the problems of each shard that has any."""
        for shard, start, end in zip(self.shards, self.first_problems, self.first_problems[1:], strict=False):
            if lines := bytes(self.problems[start:end]).splitlines():
                yield shard.address, [ShardProblem(shard.address, *json.loads(line)) for line in lines]


def problem_line(problem: ShardProblem) -> bytes:
    """Return a problem as it stands in `Segment.problems`; ASCII, since names that are no text may be in it."""
    return json.dumps([problem.reason, problem.detail]).encode() + b"\n"


class Layout:
    """Positions of the arrays of a file, by the amounts of its shards."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        text = json.dumps([asdict(shard) for shard in shards]).encode()
        self.header = MAGIC + _LENGTH.pack(len(text)) + text
        rows, members = sum(shard.rows for shard in shards), sum(shard.members for shard in shards)
        sizes = (
            HASHES.itemsize * rows,
            OWNERS.itemsize * rows,
            HASHES.itemsize * -(-rows // BLOCK_ROWS),
            MEMBERS.itemsize * members,
            sum(shard.name_bytes for shard in shards),
            sum(shard.problem_bytes for shard in shards),
        )
        positions = accumulate(sizes, initial=len(self.header))
        self.hashes, self.owners, self.fences, self.members, self.names, self.problems, self.end = positions


def seal(source: BinaryIO, target: BinaryIO) -> int:
    """Copy a written file and add its CRC-32, which is returned."""
    check = 0
    while block := source.read(_BLOCK_BYTES):
        check = zlib.crc32(block, check)
        target.write(block)
    target.write(_CRC.pack(check))
    return check


def verify(file: BinaryIO) -> int:
    """Read a whole file; return its CRC-32. Raises IndexDamagedError if it is not the one at its end."""
    check, held = 0, b""
    while block := file.read(_BLOCK_BYTES):
        held += block
        check = zlib.crc32(held[: -_CRC.size], check)
        held = held[-_CRC.size :]
    if len(held) < _CRC.size or held != _CRC.pack(check):
        raise IndexDamagedError("the checksum is wrong")
    return check


def open_segment(path: str, is_sealed: bool = True) -> Segment:
    """Map a local file into memory.

    Args:
        path: of the file.
        is_sealed: whether the CRC-32 is at its end.

    Raises:
        IndexDamagedError: it is no index file of this version, or was cut. Its bytes are checked by `verify` alone.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise IndexDamagedError("the file is empty") from error
    if hasattr(mmap, "MADV_RANDOM"):
        mapped.madvise(mmap.MADV_RANDOM)
    try:
        start = len(MAGIC) + _LENGTH.size
        magic, (length,) = mapped[: len(MAGIC)], _LENGTH.unpack(mapped[len(MAGIC) : start])
        shards = tuple(Shard(**fields) for fields in json.loads(mapped[start : start + length])) if magic == MAGIC else ()
        layout = Layout(shards)
    except (struct.error, ValueError, TypeError) as error:
        raise IndexDamagedError("no index file of this version") from error
    size = layout.end + (_CRC.size if is_sealed else 0)
    if magic != MAGIC or size != len(mapped) or len(layout.header) != start + length:
        raise IndexDamagedError("no whole index file of this version")
    view = memoryview(mapped)
    return Segment(
        shards,
        np.frombuffer(view[layout.hashes : layout.owners], HASHES),
        np.frombuffer(view[layout.owners : layout.fences], OWNERS),
        np.frombuffer(view[layout.members : layout.names], MEMBERS),
        view[layout.names : layout.problems],
        view[layout.problems : layout.end],
        np.frombuffer(view[layout.fences : layout.members], HASHES),
        _CRC.unpack(mapped[layout.end : size])[0] if is_sealed else 0,
        mapped,
    )
