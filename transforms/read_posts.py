"""Posts files to slices of posts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import apache_beam as beam

from transforms.counters import count
from transforms.posts import read_slices
from transforms.records import Slice


@beam.typehints.with_output_types(Slice)
class ReadPosts(beam.PTransform):
    """Read JSONL files, each by one worker from its beginning, since line numbers need that.

    Args:
        files: addresses, from `transforms.posts.find`.
        max_line_bytes: longer lines become rejects.
    """

    def __init__(self, files: Sequence[str], max_line_bytes: int) -> None:
        super().__init__()
        self._files = list(files)
        self._max_line_bytes = max_line_bytes

    def expand(self, begin: beam.PCollection) -> beam.PCollection:
        return begin | beam.Create(self._files) | beam.Reshuffle() | beam.FlatMap(_counted_slices, self._max_line_bytes)


def _counted_slices(file: str, max_line_bytes: int) -> Iterator[Slice]:
    for piece in read_slices(file, max_line_bytes):
        count("lines", piece.lines)
        count("blanks", piece.blanks)
        count("posts", len(piece.posts))
        yield piece
