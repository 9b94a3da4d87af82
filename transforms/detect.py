"""Detect objects and extract features of the pictures of a slice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from archive.images import Member
from archive.images.decode import Limits
from archive.images.image_error import ImageError
from archive.posts.records import Reject, Slice
from models.vision.images.features import ImageFeatures
from models.vision.vision_model import PreprocessedImage, VisionModel
from transforms.bisect import bisect_on_failure
from transforms.counters import count, timed
from transforms.locate_images import LocatedSlice
from transforms.prefetch import Decoder

CACHE_SIZE = 1024
"""Pictures whose result is kept for later slices, so that reposted pictures are processed once (25 kB each)."""


@dataclass(frozen=True, slots=True)
class DetectedSlice:
    """A slice, by key the features of its pictures or why a picture has none, and rejects of the shards."""

    slice: Slice
    pictures: dict[str, ImageFeatures | ImageError]
    rejects: tuple[Reject, ...] = ()


class SliceDetector:
    """Detects objects in the pictures of slices with one loaded `VisionModel`; threads decode the next pictures meanwhile.

    Args:
        vision_model: detector and image features.
        limits: on bytes and pixels of a picture.
        batch_size: pictures per call of the network.
        grids_per_post: pictures of a post whose grids are kept, the first ones; the tagger does not read the others.
    """

    def __init__(self, vision_model: VisionModel, limits: Limits, batch_size: int, grids_per_post: int) -> None:
        self._vision_model = vision_model
        self._batch_size = batch_size
        self._grids_per_post = grids_per_post
        self._decoder = Decoder(vision_model.preprocess, limits)
        self._cache: OrderedDict[Member, ImageFeatures | ImageError] = OrderedDict()

    def detect(self, located: LocatedSlice) -> DetectedSlice:
        """Process every picture that the posts of a slice name."""
        with_grid = {located.places[key] for post in located.slice.posts for key in post.images[: self._grids_per_post]}
        members = dict.fromkeys(place for place in located.places.values() if isinstance(place, Member))
        outcomes: dict[Member, ImageFeatures | ImageError] = {}
        for member in members:
            if member in self._cache:
                self._cache.move_to_end(member)
                outcomes[member] = self._cache[member]
        new = sorted(members.keys() - outcomes.keys())
        for member, outcome in self._process(new):
            if member not in with_grid and isinstance(outcome, ImageFeatures):
                outcome = replace(outcome, grid=None)
            else:
                self._keep(member, outcome)
            outcomes[member] = outcome
        pictures = {key: outcomes[place] if isinstance(place, Member) else place for key, place in located.places.items()}
        return DetectedSlice(located.slice, pictures, located.rejects)

    def _keep(self, member: Member, outcome: ImageFeatures | ImageError) -> None:
        self._cache[member] = outcome
        if len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)

    def _process(self, members: Sequence[Member]) -> Iterator[tuple[Member, ImageFeatures | ImageError]]:
        batch: list[tuple[Member, PreprocessedImage]] = []
        for member, preprocessed in self._decoder.prefetch(members, 2 * self._batch_size):
            if isinstance(preprocessed, ImageError):
                yield member, preprocessed
                continue
            batch.append((member, preprocessed))
            if len(batch) == self._batch_size:
                yield from self._extract(batch)
                batch = []
        if batch:
            yield from self._extract(batch)

    def _extract(self, batch: Sequence[tuple[Member, PreprocessedImage]]) -> Iterator[tuple[Member, ImageFeatures | ImageError]]:
        with timed("detect"):
            extracted = bisect_on_failure(self._vision_model.extract, [preprocessed for _, preprocessed in batch])
        count("pictures", len(batch))
        for (member, _), features in zip(batch, extracted, strict=True):
            yield member, ImageError("corrupt", "detector_failed") if isinstance(features, Exception) else features
