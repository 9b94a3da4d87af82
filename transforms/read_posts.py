"""Posts files to slices of posts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import apache_beam as beam

from archive.posts.fields.presets import Fields
from archive.posts.pieces import Piece, cut
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
    """Read posts files. On an engine several workers read a large file that can be cut; other files one worker each.

    Args:
        files: which fields make a post, by address.
        max_line_bytes: longer lines become rejects.
        slice_filter: the slices that are to be read.
        cuts: whether files are cut. Where no other worker could take a part, that would only cost time.
    """

    def __init__(self, files: Mapping[str, Fields], max_line_bytes: int, slice_filter: SliceFilter, cuts: bool) -> None:
        super().__init__()
        self._files = list(files.items())
        self._max_line_bytes = max_line_bytes
        self._filter = slice_filter
        self._cuts = cuts

    def expand(self, begin: beam.PCollection) -> beam.PCollection:
        files = begin | beam.Create(self._files) | beam.Reshuffle()
        if self._cuts:
            cut = files | "Cut" >> beam.FlatMap(_pieces, self._max_line_bytes, self._filter)
            parts = cut | "SharePieces" >> beam.Reshuffle()
        else:
            parts = files | "Whole" >> beam.MapTuple(lambda file, fields: (file, fields, None))
        return parts | beam.FlatMap(_counted_slices, self._max_line_bytes, self._filter)


_Part = tuple[str, Fields, Piece | None]
"""A file, which fields make a post, and which piece of the file is to be read; None for all of it."""


def _pieces(file_and_fields: tuple[str, Fields], max_line_bytes: int, slice_filter: SliceFilter) -> Iterator[_Part]:
    """Yield the pieces of a file with slices that are not done."""
    file, fields = file_and_fields
    for piece in cut(file, max_line_bytes, fields):
        if piece and all(name in slice_filter.done for name, _ in piece.slices):
            count("done_before", sum(lines for _, lines in piece.slices))
        else:
            yield file, fields, piece


def _counted_slices(part: _Part, max_line_bytes: int, slice_filter: SliceFilter) -> Iterator[Slice]:
    file, fields, piece = part

    def wanted(name: str, lines: int) -> bool:
        if name in slice_filter.done and slice_filter.part == 0:  # one of the parts tells it
            count("done_before", lines)
        return slice_filter.selects(name)

    for slice_ in read_slices(file, max_line_bytes, fields, wanted, piece):
        count("lines", slice_.lines)
        count("blanks", slice_.blanks)
        count("posts", len(slice_.posts))
        for kind, amount in slice_.skipped.items():
            count(f"skipped.{kind}", amount)
        yield slice_
