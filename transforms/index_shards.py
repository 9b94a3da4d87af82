"""Bring the index of the shards up to date, and write what cannot be used in them."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam

from archive.images.index import IndexFile, index_one, open_index, update_index
from transforms.write import write_shard_rejects


@beam.typehints.with_output_types(IndexFile)
class IndexShards(beam.PTransform):
    """Bring the index up to date on an engine: workers share the shards, then one merges what they wrote.

    Args:
        shards: addresses, from `archive.images.find_shards`.
        folder: address of the index.
        output: address of the output folder, where the shards' problems are written.
    """

    def __init__(self, shards: Sequence[str], folder: str, output: str) -> None:
        super().__init__()
        self._shards = list(shards)
        self._folder = folder
        self._output = output

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        states = begin | beam.Create(self._shards) | beam.Reshuffle() | "IndexShard" >> beam.Map(index_one, self._folder)
        return (
            begin
            | "Once" >> beam.Create([self._shards])
            | "Merge" >> beam.Map(_merged, self._folder, self._output, beam.pvalue.AsIter(states))
        )


def write_problems(index: IndexFile, output: str) -> None:
    """Write the problems of all shards of an index as rejects."""
    opened = open_index(index)
    write_shard_rejects(opened.problems(), opened.shards(), output)


def _merged(shards: list[str], folder: str, output: str, states: object) -> IndexFile:
    """Merge the files of the shards; `states` is there when all of them are written."""
    index = update_index(shards, folder, output).file
    write_problems(index, output)
    return index
