"""Fetch, decode and look at the pictures of a slice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from archive.images import Member
from archive.images.decode import Limits
from archive.images.image_error import ImageError
from archive.posts.records import Slice
from models.vision.images.features import ImageFeatures
from models.vision.vision_model import PreprocessedImage, VisionModel
from transforms.bisect import bisect_on_failure
from transforms.counters import count, timed
from transforms.prefetch import Decoder

CACHE_SIZE = 1024
"""Pictures whose result is kept for later slices: reposted pictures are looked at once (25 kB each)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What became of one picture: status `ok` with what was seen in it, else the reason why not."""

    status: str
    reason: str = ""
    features: ImageFeatures | None = None


MISSING = Picture("missing", "no_such_key")


@dataclass(frozen=True, slots=True)
class LookedSlice:
    """A slice and its pictures by key."""

    slice: Slice
    pictures: dict[str, Picture]


class PictureReader:
    """Looks at the pictures of slices with one loaded `VisionModel`; decoding runs ahead in threads while the network works.

    Args:
        vision_model: detector and image features.
        limits: on bytes and pixels of a picture.
        batch_size: pictures per call of the network.
        grids_per_post: pictures of a post whose grids are kept, the first ones; nobody reads the others.
    """

    def __init__(self, vision_model: VisionModel, limits: Limits, batch_size: int, grids_per_post: int) -> None:
        self._vision_model = vision_model
        self._batch_size = batch_size
        self._grids_per_post = grids_per_post
        self._decoder = Decoder(vision_model.preprocess, limits)
        self._cache: OrderedDict[Member, Picture] = OrderedDict()

    def read(self, slice_: Slice) -> LookedSlice:
        """What became of every picture that the slice's posts name."""
        with_grid = {slice_.members[key] for post in slice_.posts for key in post.images[: self._grids_per_post] if key in slice_.members}
        outcomes: dict[Member, Picture] = {}
        for member in dict.fromkeys(slice_.members.values()):
            if member in self._cache:
                self._cache.move_to_end(member)
                outcomes[member] = self._cache[member]
        new = sorted(set(slice_.members.values()) - outcomes.keys())
        for member, picture in self._look(new):
            if member not in with_grid and picture.features:
                picture = replace(picture, features=replace(picture.features, grid=None))
            else:
                self._keep(member, picture)
            outcomes[member] = picture
        keys = dict.fromkeys(key for post in slice_.posts for key in post.images)
        return LookedSlice(slice_, {key: outcomes[slice_.members[key]] if key in slice_.members else MISSING for key in keys})

    def _keep(self, member: Member, picture: Picture) -> None:
        self._cache[member] = picture
        if len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)

    def _look(self, members: Sequence[Member]) -> Iterator[tuple[Member, Picture]]:
        batch: list[tuple[Member, PreprocessedImage]] = []
        for member, preprocessed in self._decoder.prefetch(members, 2 * self._batch_size):
            if isinstance(preprocessed, ImageError):
                yield member, Picture(preprocessed.status, preprocessed.reason)
                continue
            batch.append((member, preprocessed))
            if len(batch) == self._batch_size:
                yield from self._look_at(batch)
                batch = []
        if batch:
            yield from self._look_at(batch)

    def _look_at(self, batch: Sequence[tuple[Member, PreprocessedImage]]) -> Iterator[tuple[Member, Picture]]:
        with timed("detect"):
            features = bisect_on_failure(self._vision_model.extract, [preprocessed for _, preprocessed in batch])
        count("pictures", len(batch))
        for (member, _), image_features in zip(batch, features, strict=True):
            yield (
                member,
                Picture("corrupt", "detector_failed") if isinstance(image_features, Exception) else Picture("ok", features=image_features),
            )
