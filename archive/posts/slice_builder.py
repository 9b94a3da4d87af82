"""Collect entries into slices, by a rule that depends on the file alone."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import Any

from archive.posts.fields.post import parse
from archive.posts.fields.presets import Fields
from archive.posts.formats.too_long import TooLong
from archive.posts.records import Entry, Post, Reject, Skipped, Slice

FIRST_SLICE_LINES, LARGEST_SLICE_LINES, LARGEST_SLICE_BYTES = 64, 1024, 4 * 2**20
"""Slices double from 64 lines: the first rows are written within seconds, and large files give few output files."""


def file_prefix(source: str) -> str:
    """Return how the names of the slices of a posts file begin; the number of the first line follows."""
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", source.rstrip("/").rsplit("/", 1)[-1].split(".")[0])[:60]
    return f"{stem}-{hashlib.sha256(source.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}-"


class SliceBuilder:
    """Collect the entries of one slice.

    Args:
        source: address of the file.
        first_line: number of the first entry.
        target_lines: entries after which the slice is full.
    """

    def __init__(self, source: str, first_line: int, target_lines: int = FIRST_SLICE_LINES) -> None:
        self.source = source
        self.first_line = first_line
        self.target_lines = target_lines
        self.entries: list[Entry] = []
        self.bytes = 0

    @property
    def name(self) -> str:
        """Stem of the slice's output files."""
        return f"{file_prefix(self.source)}{self.first_line:09d}"

    def add(self, entry: Entry) -> bool:
        """Add an entry, and return whether the slice is full."""
        self.entries.append(entry)
        data = entry[0]
        self.bytes += len(data) if type(data) is bytes else _size(data)
        return len(self.entries) >= self.target_lines or self.bytes >= LARGEST_SLICE_BYTES

    def following(self) -> SliceBuilder:
        """Return the builder of the next slice."""
        return SliceBuilder(self.source, self.first_line + len(self.entries), min(2 * self.target_lines, LARGEST_SLICE_LINES))

    def slice(self, fields: Fields, broken: Reject | None = None) -> Slice:
        """Parse the entries and return the slice, with the reject of a file that is damaged behind it."""
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
