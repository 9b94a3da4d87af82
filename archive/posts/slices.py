"""Cut a posts file into slices, the unit of work and of output."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator

from archive.posts.fields.post import parse
from archive.posts.fields.presets import PRESETS
from archive.posts.lines import DamagedError, TooLong, read_lines
from archive.posts.records import Entry, Post, Reject, Skipped, Slice
from archive.stores import open_file

FIRST_SLICE_LINES, LARGEST_SLICE_LINES, LARGEST_SLICE_BYTES = 64, 1024, 4 * 2**20
"""Slices double from 64 lines: the first rows are written within seconds, and large files give few output files."""

_POSTNER = PRESETS["postner"].fields("postner")

_BOM = b"\xef\xbb\xbf"


def parse_post(line: bytes, source: str, number: int) -> Post | Reject:
    """Return the post of a line of JSON, or why there is none. Never raises."""
    parsed = parse(Entry(line, source, number), _POSTNER)
    assert not isinstance(parsed, Skipped)  # this preset skips nothing
    return parsed


def read_slices(source: str, max_line_bytes: int, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[Slice]:
    """Yield the slices of one file, in order, in bounded memory.

    A damaged compressed file yields its readable lines, and one reject of stage `shard`, which has no line number.

    Args:
        source: address of the file.
        max_line_bytes: longer lines become rejects and are not kept in memory.
        wanted: returns True for the name of a slice to yield. The lines of other slices are counted, not parsed.

    Raises:
        OSError: the file cannot be read. This may be temporary, so it is not recorded as damage.
    """
    building = _Building(source, 1)
    broken: Reject | None = None
    try:
        with open_file(source) as file:
            for line in read_lines(file, source, max_line_bytes):
                building.add(line)
                if building.is_full():
                    if wanted(building.name):
                        yield building.slice()
                    building = building.following()
    except DamagedError as error:
        broken = Reject.cut("shard", "unreadable_posts", source, None, str(error))
    if (building.lines or broken) and wanted(building.name):
        yield building.slice(broken)


class _Building:
    """Collect the lines of one slice."""

    def __init__(self, source: str, first_line: int, target_lines: int = FIRST_SLICE_LINES) -> None:
        self.source = source
        self.first_line = first_line
        self.target_lines = target_lines
        self.lines: list[bytes] = []
        self.bytes = 0

    @property
    def name(self) -> str:
        stem = re.sub(r"[^A-Za-z0-9_-]", "_", self.source.rstrip("/").rsplit("/", 1)[-1].split(".")[0])[:60]
        return f"{stem}-{hashlib.sha256(self.source.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}-{self.first_line:09d}"

    def add(self, line: bytes) -> None:
        self.lines.append(line)
        self.bytes += len(line)

    def is_full(self) -> bool:
        return len(self.lines) >= self.target_lines or self.bytes >= LARGEST_SLICE_BYTES

    def following(self) -> _Building:
        return _Building(self.source, self.first_line + len(self.lines), min(2 * self.target_lines, LARGEST_SLICE_LINES))

    def slice(self, broken: Reject | None = None) -> Slice:
        posts: list[Post] = []
        rejects: list[Reject] = []
        blanks = 0
        for number, line in enumerate(self.lines, start=self.first_line):
            if isinstance(line, TooLong):
                rejects.append(Reject.cut("post", "too_long", self.source, number, bytes(line)))
                continue
            if number == 1:
                line = line.removeprefix(_BOM)
            if not line.strip():
                blanks += 1
                continue
            parsed = parse_post(line, self.source, number)
            if isinstance(parsed, Post):
                posts.append(parsed)
            else:
                rejects.append(parsed)
        if broken:
            rejects.append(broken)
        return Slice(self.name, self.source, self.first_line, len(self.lines), blanks, tuple(posts), tuple(rejects))
