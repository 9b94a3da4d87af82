"""Groups of small slices: order, bounds, windows, and a bundle that fails."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import window
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue
from hypothesis import given
from hypothesis import strategies as st

from archive.images.image_error import ImageError
from archive.posts.records import Post, Reject, Slice
from models.vision.images.features import ImageFeatures
from transforms.detect import DetectedSlice
from transforms.group_slices import GROUP_POSTS, PICTURE_POSTS, GroupSlices, _Group

NOW, EVER = Timestamp(0), window.GlobalWindow()


def detected(name: str, posts: int, pictures: int = 0) -> DetectedSlice:
    of_slice = tuple(Post(str(n), "", (), None, "s", n) for n in range(posts))
    found = {f"{n}.jpg": ImageFeatures.empty(1, 1) for n in range(pictures)}
    return DetectedSlice(Slice(name, "s", 1, posts, 0, of_slice), dict(found))


def grouped(slices: list[DetectedSlice]) -> list[list[DetectedSlice]]:
    group = _Group()
    group.start_bundle()
    passed = [value for one in slices for value in group.process(one, NOW, EVER)]
    return [value.value for value in (*passed, *group.finish_bundle())]


def work(group: list[DetectedSlice]) -> int:
    return sum(max(1, len(one.slice.posts) + PICTURE_POSTS * len(one.pictures)) for one in group)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3)), max_size=30))
def test_groups_hold_every_slice_once_in_order_and_are_as_large_as_may_be(sizes: list[tuple[int, int]]) -> None:
    slices = [detected(str(number), *size) for number, size in enumerate(sizes)]
    groups = grouped(slices)
    assert [one.slice.name for group in groups for one in group] == [one.slice.name for one in slices]
    assert all(group and (len(group) == 1 or work(group) <= GROUP_POSTS) for group in groups)
    assert all(work([*group, following[0]]) > GROUP_POSTS or work(group) >= GROUP_POSTS for group, following in pairwise(groups))


def test_a_slice_with_pictures_is_passed_on_when_it_comes() -> None:
    group = _Group()
    group.start_bundle()
    assert [*group.process(detected("text", 60), NOW, EVER)] == []
    passed = [*group.process(detected("pictures", 64, 64), NOW, EVER)]
    assert [[one.slice.name for one in value.value] for value in passed] == [["text"], ["pictures"]]


def test_pictures_that_were_not_detected_do_not_count() -> None:
    missing = {f"{n}.jpg": ImageError("missing", "no_such_key") for n in range(16)}
    slices = [replace(detected(str(number), 16), pictures=missing) for number in range(16)]
    assert [len(group) for group in grouped(slices)] == [16]


@pytest.mark.parametrize("kind", ["rejects", "blank", "large"])
def test_what_a_group_holds_does_not_grow_with_the_archive(kind: str) -> None:
    rejects = tuple(Reject.cut("post", "not_json", "s", n, "x" * 100) for n in range(1024)) if kind == "rejects" else ()
    posts = (Post("1", "", (), "x" * 2**20, "s", 1),) if kind == "large" else ()
    group, held, most = _Group(), 0, 0
    group.start_bundle()
    for number in range(3000 if kind == "blank" else 50):
        held += 1
        one = DetectedSlice(Slice(str(number), "s", 1, 1, int(kind == "blank"), posts, rejects), {})
        held -= sum(len(value.value) for value in group.process(one, NOW, EVER))
        most = max(most, held)
    assert most < (GROUP_POSTS if kind == "blank" else 1)


def test_in_beam_a_group_has_one_window_and_one_timestamp() -> None:
    slices = [detected(str(number), 10) for number in range(8)]
    windows = [window.IntervalWindow(start, 9) for start in (0, 0, 1, 1, 1, 1, 2, 2)]
    stamps = [3, 3, 3, 3, 4, 4, 4, 4]
    with beam.Pipeline("FnApiRunner") as pipeline:
        found = (
            pipeline
            | beam.Create([0])
            | beam.FlatMap(lambda _: [WindowedValue(s, at, [of]) for s, at, of in zip(slices, stamps, windows, strict=True)])
            | GroupSlices()
            | beam.Map(
                lambda group, at=beam.DoFn.TimestampParam, of=beam.DoFn.WindowParam: (
                    [one.slice.name for one in group],
                    int(at),
                    int(of.start),
                )
            )
        )
        expected = [(["0", "1"], 3, 0), (["2", "3"], 3, 1), (["4", "5"], 4, 1), (["6", "7"], 4, 2)]
        assert_that(found, equal_to(expected), reify_windows=False)


def test_a_bundle_begins_without_what_a_failed_one_left() -> None:
    group = _Group()
    group.start_bundle()
    assert [*group.process(detected("left", 1), NOW, EVER)] == []
    group.start_bundle()
    assert [*group.finish_bundle()] == []
