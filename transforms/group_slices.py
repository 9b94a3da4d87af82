"""Join small slices, so that their texts are tagged in one pass.

The last batch of a pass is rarely full, so files of a few posts each would be tagged at half the speed of a long one.
"""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam
from apache_beam.utils.timestamp import MIN_TIMESTAMP, Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from transforms.detect import DetectedSlice

GROUP_POSTS = 256
"""Posts in a group, unless one slice has more: a second of work, so that the first rows come early."""

PICTURE_POSTS = 6
"""How many posts are tagged while one picture is detected: a slice with pictures, which has taken its time, waits for none."""


@beam.typehints.with_output_types(list[DetectedSlice])
class GroupSlices(beam.PTransform):
    """The same slices in the same order, in lists. What a group shares is its window and its timestamp."""

    def expand(self, slices: beam.PCollection) -> beam.PCollection:
        return slices | beam.ParDo(_Group())


class _Group(beam.DoFn):
    def start_bundle(self) -> None:
        self._group: list[DetectedSlice] = []
        self._posts = 0
        self._belongs: tuple[Timestamp, beam.transforms.window.BoundedWindow] = (MIN_TIMESTAMP, beam.transforms.window.GlobalWindow())

    def process(
        self,
        detected: DetectedSlice,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        window: beam.transforms.window.BoundedWindow = beam.DoFn.WindowParam,
    ) -> Iterator[WindowedValue]:
        posts = len(detected.slice.posts) + PICTURE_POSTS * len(detected.pictures)
        if self._belongs != (timestamp, window) or self._posts + posts > GROUP_POSTS:
            yield from self.finish_bundle()
        self._belongs = (timestamp, window)
        self._group.append(detected)
        self._posts += posts
        if self._posts >= GROUP_POSTS:
            yield from self.finish_bundle()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._group:
            yield WindowedValue(self._group, self._belongs[0], [self._belongs[1]])
        self._group, self._posts = [], 0
