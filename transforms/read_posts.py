"""Posts files to slices of posts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import apache_beam as beam

from archive.posts.fields.presets import Fields
from archive.posts.records import Slice
from archive.posts.slices import read_slices
from transforms.counters import count


@dataclass(frozen=True)
class SliceFilter:
    """Which slices are to be read: those that are not done, and of these one part of several.

    Attributes:
        done: names of slices whose output is there.
        part: index of the part, from 0.
        parts: how many parts there are; each slice is in one of them.
    """

    done: frozenset[str] = frozenset()
    part: int = 0
    parts: int = 1

    def selects(self, slice_name: str) -> bool:
        """Whether the slice is to be read."""
        mine = self.parts == 1 or int(hashlib.sha256(slice_name.encode()).hexdigest(), 16) % self.parts == self.part
        return mine and slice_name not in self.done


@beam.typehints.with_output_types(Slice)
class ReadPosts(beam.PTransform):
    """Read posts files, each by one worker from its beginning, since line numbers need that.

    Args:
        files: which fields make a post, by address.
        max_line_bytes: longer lines become rejects.
        slice_filter: the slices that are to be read.
    """

    def __init__(self, files: Mapping[str, Fields], max_line_bytes: int, slice_filter: SliceFilter) -> None:
        super().__init__()
        self._files = list(files.items())
        self._max_line_bytes = max_line_bytes
        self._filter = slice_filter

    def expand(self, begin: beam.PCollection) -> beam.PCollection:
        return begin | beam.Create(self._files) | beam.Reshuffle() | beam.FlatMap(_counted_slices, self._max_line_bytes, self._filter)


def _counted_slices(file_and_fields: tuple[str, Fields], max_line_bytes: int, slice_filter: SliceFilter) -> Iterator[Slice]:
    file, fields = file_and_fields

    def wanted(name: str, lines: int) -> bool:
        if name in slice_filter.done and slice_filter.part == 0:  # one of the parts tells it
            count("done_before", lines)
        return slice_filter.selects(name)

    for slice_ in read_slices(file, max_line_bytes, fields, wanted):
        count("lines", slice_.lines)
        count("blanks", slice_.blanks)
        count("posts", len(slice_.posts))
        for kind, amount in slice_.skipped.items():
            count(f"skipped.{kind}", amount)
        yield slice_
