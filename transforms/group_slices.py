"""Join small slices, so that their texts are tagged in one pass.

The last batch of a pass is rarely full, so files of a few posts each would be tagged at half the speed of a long one.
"""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam
from apache_beam.utils.timestamp import MIN_TIMESTAMP, Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from models.vision.images.features import ImageFeatures
from transforms.detect import DetectedSlice
from transforms.prefetch_slices import text_bytes

GROUP_POSTS = 256
"""Posts in a group, unless one slice has more: a second of work on two cores, so that the first rows come early."""

PICTURE_POSTS = 6
"""How many posts are tagged on a CPU while one picture is detected: pictures count as so many posts."""

GROUP_BYTES = 2**20
"""Texts and rejects of a group that waits for more: tweets never have as many."""


@beam.typehints.with_output_types(list[DetectedSlice])
class GroupSlices(beam.PTransform):
    """The same slices in the same order, in lists. What a group shares is its window and its timestamp."""

    def expand(self, slices: beam.PCollection) -> beam.PCollection:
        return slices | beam.ParDo(_Group())


class _Group(beam.DoFn):
    def start_bundle(self) -> None:
        self._group: list[DetectedSlice] = []
        self._posts = self._bytes = 0
        self._belongs: tuple[Timestamp, beam.transforms.window.BoundedWindow] = (MIN_TIMESTAMP, beam.transforms.window.GlobalWindow())

    def process(
        self,
        detected: DetectedSlice,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        window: beam.transforms.window.BoundedWindow = beam.DoFn.WindowParam,
    ) -> Iterator[WindowedValue]:
        pictures = sum(isinstance(picture, ImageFeatures) for picture in detected.pictures.values())
        posts = max(1, len(detected.slice.posts) + PICTURE_POSTS * pictures)
        if self._belongs != (timestamp, window) or self._posts + posts > GROUP_POSTS:
            yield from self.finish_bundle()
        self._belongs = (timestamp, window)
        self._group.append(detected)
        self._posts += posts
        self._bytes += text_bytes(detected.slice)
        if self._posts >= GROUP_POSTS or self._bytes >= GROUP_BYTES:
            yield from self.finish_bundle()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._group:
            yield WindowedValue(self._group, self._belongs[0], [self._belongs[1]])
        self._group, self._posts, self._bytes = [], 0, 0
