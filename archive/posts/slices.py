"""Cut a posts file into slices, the unit of work and of output."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from archive.posts.entries import read_entries
from archive.posts.fields.post import parse
from archive.posts.fields.presets import Fields
from archive.posts.formats.too_long import TooLong
from archive.posts.other_members import without_other_members
from archive.posts.packing import DamagedError
from archive.posts.records import Entry, Post, Reject, Skipped, Slice

FIRST_SLICE_LINES, LARGEST_SLICE_LINES, LARGEST_SLICE_BYTES = 64, 1024, 4 * 2**20
"""Slices double from 64 lines: the first rows are written within seconds, and large files give few output files."""


def read_slices(
    source: str, max_line_bytes: int, fields: Fields, wanted: Callable[[str, int], bool] = lambda name, lines: True
) -> Iterator[Slice]:
    """Yield the slices of one file, in order, in bounded memory.

    A damaged file yields its readable entries, and one reject of stage `shard`, which has no line number.

    Args:
        source: address of the file.
        max_line_bytes: longer lines become rejects and are not kept in memory.
        fields: which fields make a post.
        wanted: returns True for the name and the number of lines of a slice to yield. Other slices are not parsed.

    Raises:
        OSError: the file cannot be read. This may be temporary, so it is not recorded as damage.
    """
    building = _Building(source, 1)
    broken: Reject | None = None
    try:
        entries = without_other_members(read_entries(source, max_line_bytes, fields.each_paths), source, fields)
        for entry in islice(entries, fields.lines):
            if building.add(entry):
                if wanted(building.name, len(building.entries)):
                    yield building.slice(fields)
                building = building.following()
    except DamagedError as error:
        broken = Reject.cut("shard", "unreadable_posts", source, None, str(error))
    if (building.entries or broken) and wanted(building.name, len(building.entries)):
        yield building.slice(fields, broken)


def file_prefix(source: str) -> str:
    """Return how the names of the slices of a posts file begin; the number of the first line follows."""
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", source.rstrip("/").rsplit("/", 1)[-1].split(".")[0])[:60]
    return f"{stem}-{hashlib.sha256(source.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}-"


class _Building:
    """Collect the entries of one slice."""

    def __init__(self, source: str, first_line: int, target_lines: int = FIRST_SLICE_LINES) -> None:
        self.source = source
        self.first_line = first_line
        self.target_lines = target_lines
        self.entries: list[Entry] = []
        self.bytes = 0

    @property
    def name(self) -> str:
        return f"{file_prefix(self.source)}{self.first_line:09d}"

    def add(self, entry: Entry) -> bool:
        """Add an entry, and return whether the slice is full."""
        self.entries.append(entry)
        data = entry[0]
        self.bytes += len(data) if type(data) is bytes else _size(data)
        return len(self.entries) >= self.target_lines or self.bytes >= LARGEST_SLICE_BYTES

    def following(self) -> _Building:
        return _Building(self.source, self.first_line + len(self.entries), min(2 * self.target_lines, LARGEST_SLICE_LINES))

    def slice(self, fields: Fields, broken: Reject | None = None) -> Slice:
        posts: list[Post] = []
        rejects: list[Reject] = []
        skipped: Counter[str] = Counter()
        blanks = 0
        for entry in self.entries:
            data = entry.data
            parsed: Post | Reject | Skipped
            if type(data) is bytes:
                if not data or data.isspace():
                    blanks += 1
                    continue
                parsed = parse(entry, fields)
            elif isinstance(data, TooLong):
                parsed = Reject.cut("post", "too_long", entry.source, entry.line, bytes(data))
            elif isinstance(data, Reject | Skipped):
                parsed = data
            else:
                parsed = parse(entry, fields)
            if isinstance(parsed, Post):
                posts.append(parsed)
                rejects += (Reject.cut("image", "wrong_type", entry.source, entry.line, problem) for problem in parsed.image_problems)
            elif isinstance(parsed, Reject):
                rejects.append(parsed)
            else:
                skipped[parsed.kind] += 1
        if broken:
            rejects.append(broken)
        escaped = sum(post.has_entities for post in posts)
        return Slice(
            self.name,
            self.source,
            self.first_line,
            len(self.entries),
            blanks,
            tuple(posts),
            tuple(rejects),
            skipped=dict(skipped),
            escaped=escaped,
        )


def _size(data: Any) -> int:
    """Return about how many bytes of memory the data of an entry take."""
    if isinstance(data, str | bytes):
        return len(data)
    if isinstance(data, dict):
        return sum(map(_size, data.values()))
    return sum(map(_size, data)) if isinstance(data, list | tuple) else 8
