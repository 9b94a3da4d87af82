"""Join posts with the index of the image shards. Slices with their texts cross a shuffle; bytes of pictures never do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import apache_beam as beam

from archive.images import Member, ShardProblem, index_shard
from archive.posts.records import Reject, Slice

REJECTS = "rejects"


class LocateImages(beam.PTransform):
    """Slices whose `members` say where their posts' pictures lie, and rejects of the shards.

    Args:
        shards: addresses, from `archive.images.find_shards`.
    """

    def __init__(self, shards: Sequence[str]) -> None:
        super().__init__()
        self._shards = list(shards)

    def expand(self, slices: beam.PCollection) -> dict[str, beam.PCollection]:
        index = (
            slices.pipeline
            | beam.Create(self._shards)
            | "SpreadShards" >> beam.Reshuffle()
            | "Index" >> beam.ParDo(_Index()).with_outputs(REJECTS, main="index")
        )
        wanted = slices | "Wanted" >> beam.FlatMap(wanted_keys)
        located = (
            {"wanted": wanted, "members": index.index}
            | "JoinOnKey" >> beam.CoGroupByKey()
            | "Choose" >> beam.ParDo(_Choose()).with_outputs(REJECTS, main="located")
        )
        filled = (
            {"slices": slices | "ByName" >> beam.Map(by_name), "located": located.located}
            | "JoinOnSlice" >> beam.CoGroupByKey()
            | "Fill" >> beam.FlatMap(fill).with_output_types(Slice)
        )
        rejects = (index[REJECTS], located[REJECTS]) | "ShardRejects" >> beam.Flatten()
        return {"slices": filled, REJECTS: rejects}


def by_name(slice_: Slice) -> tuple[str, Slice]:
    """A slice under its name."""
    return slice_.name, slice_


def wanted_keys(slice_: Slice) -> Iterator[tuple[str, str]]:
    """Each picture that a slice's posts name, once, with the slice's name."""
    for key in dict.fromkeys(key for post in slice_.posts for key in post.images):
        yield key, slice_.name


def choose(key: str, members: Iterable[Member]) -> tuple[Member | None, list[Reject]]:
    """The first member of that key in the order of shards and offsets, and a reject for each other one."""
    ordered = sorted(set(members))
    rejects = [Reject.cut("shard", "duplicate_key", other.shard, None, key) for other in ordered[1:]]
    return next(iter(ordered), None), rejects


def fill(joined: tuple[str, dict[str, Any]]) -> Iterator[Slice]:
    """A slice with the members that were found for it."""
    _, groups = joined
    members = dict(groups["located"])
    for slice_ in groups["slices"]:
        yield replace(slice_, members=members)


class _Index(beam.DoFn):
    def process(self, shard: str) -> Iterator[Any]:
        for entry in index_shard(shard):
            if isinstance(entry, tuple) and isinstance(entry[1], Member):
                yield entry
            elif isinstance(entry, ShardProblem):
                yield beam.pvalue.TaggedOutput(REJECTS, Reject.cut("shard", entry.reason, entry.shard, None, entry.detail))


class _Choose(beam.DoFn):
    def process(self, joined: tuple[str, dict[str, Any]]) -> Iterator[Any]:
        key, groups = joined
        member, rejects = choose(key, groups["members"])
        for reject in rejects:
            yield beam.pvalue.TaggedOutput(REJECTS, reject)
        if member is not None:
            for name in groups["wanted"]:
                yield name, (key, member)
