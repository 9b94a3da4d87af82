"""Find the pictures of slices in the index."""

from __future__ import annotations

from dataclasses import dataclass

import apache_beam as beam

from archive.images import ImageError, Member
from archive.images.index import IndexFile, Located, open_index
from archive.posts.records import Reject, Slice
from transforms.counters import count, timed


@dataclass(frozen=True, slots=True)
class LocatedSlice:
    """A slice, and by key where its posts' pictures are.

    Attributes:
        slice: as read.
        places: for each key that a post names its member, or why there is none.
        rejects: members that are passed over, since they hold the same bytes as the chosen ones.
    """

    slice: Slice
    places: dict[str, Member | ImageError]
    rejects: tuple[Reject, ...] = ()


@beam.typehints.with_output_types(LocatedSlice)
class LocateImages(beam.PTransform):
    """Look the keys of slices up, without a shuffle: each worker reads the index.

    Args:
        index: the index file; a collection of one where a stage of the same graph writes it.
        max_image_bytes: see `Index.locate`.
    """

    def __init__(self, index: IndexFile | beam.PCollection, max_image_bytes: int) -> None:
        super().__init__()
        self._index = beam.pvalue.AsSingleton(index) if isinstance(index, beam.PCollection) else index
        self._max_image_bytes = max_image_bytes

    def expand(self, slices: beam.PCollection) -> beam.PCollection:
        return slices | beam.Map(locate_slice, self._index, self._max_image_bytes)


def locate_slice(slice_: Slice, index: IndexFile, max_image_bytes: int) -> LocatedSlice:
    """Return a slice with the place of each picture that its posts name."""
    keys = list(dict.fromkeys(key for post in slice_.posts for key in post.images))
    with timed("locate"):
        located = open_index(index).locate(keys, max_image_bytes) if keys else Located()
    count("keys.named", len(keys))
    count("keys.found", sum(isinstance(place, Member) for place in located.places.values()))
    rejects = tuple(Reject.cut("shard", "duplicate_key", shard, None, key) for key, shard in located.duplicates)
    return LocatedSlice(slice_, located.places, rejects)
