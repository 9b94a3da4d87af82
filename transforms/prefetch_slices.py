"""Hold slices back while the pictures of later ones are fetched and decoded.

In a fused stage an element goes through all transforms before the next one is read. So without this no picture of the
next slice would be known while a slice is detected, tagged and written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import apache_beam as beam
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from archive.images.decode import Limits
from archive.posts.records import Slice
from models.inference.options import ModelOptions
from models.loading import load_vision_model, max_pictures
from transforms.detect import SliceDetector
from transforms.locate_images import LocatedSlice
from transforms.prefetch import PREFETCHED_BYTES, Decoder, least_bytes, prefetched_bytes, thread_count

HELD_BYTES = 16 * 2**20
"""Texts of the slices that are held back, whether or not they have pictures."""

PICTURES_OF_A_THREAD = 4
"""Pictures for each thread of a CPU in a call of the detector: more would be waited for before the first call."""

_POST_BYTES = 1024
"""What a post holds beside its text."""


@dataclass(frozen=True)
class DetectorSettings:
    """How a worker loads its `SliceDetector`.

    Attributes:
        models: which models, and how to run them.
        limits: on bytes and pixels of a picture.
        decode_threads: pictures that are decoded at a time, by all local workers together; 0 for what a machine allows.
        local_workers: processes that share a machine.
    """

    models: ModelOptions
    limits: Limits
    decode_threads: int = 0
    local_workers: int = 1

    @property
    def prefetched_bytes(self) -> int:
        """Bytes of pictures that are held ahead of the models."""
        models = self.models.here()
        return prefetched_bytes(models.device, models.threads)


@cache
def load_slice_detector(settings: DetectorSettings) -> SliceDetector:
    """Return the detector of this process, with its decoder."""
    models = settings.models.here()
    vision_model = load_vision_model(settings.models)
    threads = thread_count(settings.decode_threads, settings.local_workers, models.device)
    preprocessing = vision_model.preprocessing(settings.limits)
    decoder = Decoder(preprocessing, threads, max(settings.prefetched_bytes, least_bytes(preprocessing.image_bytes)))
    on_a_gpu = overlaps(settings.models)
    batch_size = models.batch_size if on_a_gpu else PICTURES_OF_A_THREAD * models.threads
    return SliceDetector(vision_model, decoder, batch_size, max_pictures(settings.models), on_a_gpu)


def overlaps(models: ModelOptions) -> bool:
    """Whether a slice is detected while another one is tagged: on a GPU. On a CPU both would share the cores."""
    return models.here().device != "cpu"


@beam.typehints.with_output_types(LocatedSlice)
class PrefetchSlices(beam.PTransform):
    """The same slices in the same order, a little later.

    Args:
        settings: of the detector.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, slices: beam.PCollection) -> beam.PCollection:
        return slices | beam.ParDo(_HoldBack(self._settings))


class _HoldBack(beam.DoFn):
    def __init__(self, settings: DetectorSettings) -> None:
        self._settings = settings
        self._held: HeldSlices | None = None

    def start_bundle(self) -> None:
        self.teardown()
        self._held = HeldSlices(load_slice_detector(self._settings), self._settings.prefetched_bytes)

    def process(
        self,
        located: LocatedSlice,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        window: beam.transforms.window.BoundedWindow = beam.DoFn.WindowParam,
    ) -> Iterator[WindowedValue]:
        assert self._held
        for value, (at, of_window) in self._held.add(located, (timestamp, window)):
            yield WindowedValue(value, at, [of_window])

    def finish_bundle(self) -> Iterator[WindowedValue]:
        assert self._held
        for value, (at, of_window) in self._held.rest():
            yield WindowedValue(value, at, [of_window])

    def teardown(self) -> None:
        """Leave nothing of a bundle that failed."""
        if self._held:
            self._held.discard()
            self._held = None


@dataclass(frozen=True, slots=True)
class _Held:
    """A slice that is held back, where it belongs in Beam, and how many bytes its texts and its pictures hold."""

    located: LocatedSlice
    belongs: Any
    text_bytes: int
    picture_bytes: int


class HeldSlices:
    """The slices of one bundle that are announced to the detector and not yet passed on.

    A slice is passed on as soon as the pictures of the later ones fill the memory for decoded pictures: the decoder is
    busy then until the slice is done. Neither pictures nor texts grow with the bundle.

    Args:
        detector: that the slices are for.
        picture_bytes: of the slices that are held behind the first one.
        text_bytes: of all slices that are held.
    """

    def __init__(self, detector: SliceDetector, picture_bytes: int = PREFETCHED_BYTES, text_bytes: int = HELD_BYTES) -> None:
        self._detector = detector
        self._most_picture_bytes = picture_bytes
        self._most_text_bytes = text_bytes
        self._held: deque[_Held] = deque()

    def add(self, located: LocatedSlice, belongs: Any = None) -> Iterator[tuple[LocatedSlice, Any]]:
        """Take a slice, and pass on those that are due."""
        self._held.append(_Held(located, belongs, text_bytes(located.slice), self._detector.prefetch(located)))
        while self._held and self._is_full():
            yield from self._first()

    def rest(self) -> Iterator[tuple[LocatedSlice, Any]]:
        """Pass on all."""
        while self._held:
            yield from self._first()

    def discard(self) -> None:
        """Forget all."""
        while self._held:
            self._detector.forget(self._held.popleft().located)

    def _is_full(self) -> bool:
        behind_the_first = sum(held.picture_bytes for held in self._held) - self._held[0].picture_bytes
        return behind_the_first >= self._most_picture_bytes or sum(held.text_bytes for held in self._held) > self._most_text_bytes

    def _first(self) -> Iterator[tuple[LocatedSlice, Any]]:
        first = self._held.popleft()
        try:
            yield first.located, first.belongs
        finally:  # also where what follows fails
            self._detector.forget(first.located)


def text_bytes(slice_: Slice) -> int:
    """Return how many bytes a slice holds, about."""
    posts = sum(len(post.text) + len(post.extra or "") + _POST_BYTES for post in slice_.posts)
    return posts + sum(len(reject.payload) + _POST_BYTES for reject in slice_.rejects)
