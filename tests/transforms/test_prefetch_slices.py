"""Slices that are held back: order, bounds, and a bundle that fails half way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import window
from apache_beam.utils.windowed_value import WindowedValue

from archive.images import Member
from archive.images.decode import Limits
from archive.posts.records import Post, Slice
from models.inference.options import ModelOptions
from models.vision.images.features import ImageFeatures
from models.vision.vision_model import VisionModel
from tests.decoders import StandIn
from transforms import prefetch_slices
from transforms.detect import SliceDetector
from transforms.locate_images import LocatedSlice
from transforms.prefetch import Decoder
from transforms.prefetch_slices import HeldSlices, PrefetchSlices

EACH = StandIn().image_bytes + 1
"""Bytes that a picture holds while it is fetched and decoded."""


class WidthVisionModel(VisionModel):
    """Extracts the width alone."""

    def __init__(self) -> None:
        super().__init__(None, None)

    def extract(self, images: Any) -> list[ImageFeatures]:
        return [ImageFeatures.empty(image.canvas.width, 1) for image in images]


@pytest.fixture
def shard(tmp_path: Path) -> str:
    (tmp_path / "a.bin").write_bytes(bytes(range(250)) * 100)
    return str(tmp_path / "a.bin")


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    made = Decoder(StandIn(), 2, limit_bytes=100 * EACH)
    yield made
    made.close()


@pytest.fixture
def detector(decoder: Decoder) -> SliceDetector:
    return SliceDetector(WidthVisionModel(), decoder, 8, 2)  # type: ignore[arg-type]


def slice_of(shard: str, name: str, numbers: range, text: str = "") -> LocatedSlice:
    posts = tuple(Post(str(n), text, (f"{n}.jpg",), None, "s", n) for n in numbers) or (Post("p", text, (), None, "s", 1),)
    return LocatedSlice(Slice(name, "s", 1, len(posts), 0, posts), {f"{n}.jpg": Member(shard, n, 1, "stored") for n in numbers})


def nothing_is_held(decoder: Decoder) -> bool:
    """Whether it comes to that: a picture that is being decoded is given up when it is done."""
    until = time.monotonic() + 10
    while decoder.held_bytes and time.monotonic() < until:
        time.sleep(0.01)
    return decoder.held_bytes == 0


def names(found: Any) -> list[str]:
    return [located.slice.name for located, _ in found]


def test_a_slice_waits_until_the_pictures_behind_it_fill_the_memory(shard: str, detector: SliceDetector) -> None:
    held = HeldSlices(detector, picture_bytes=20 * EACH)
    slices = [slice_of(shard, str(i), range(10 * i, 10 * i + 10)) for i in range(5)]
    assert [names(held.add(located)) for located in slices] == [[], [], ["0"], ["1"], ["2"]]
    assert names(held.rest()) == ["3", "4"]


def test_slices_without_pictures_are_bounded_by_their_texts(shard: str, detector: SliceDetector) -> None:
    held = HeldSlices(detector, text_bytes=10_000)
    passed = [names(held.add(slice_of(shard, str(i), range(0), text="x" * 3000))) for i in range(20)]
    assert [name for some in passed for name in some] == [str(i) for i in range(18)]
    assert all(len(some) <= 1 for some in passed)


def test_a_slice_of_ten_thousand_pictures(shard: str, detector: SliceDetector, decoder: Decoder) -> None:
    held = HeldSlices(detector, picture_bytes=100 * EACH)
    large = slice_of(shard, "large", range(10_000))
    assert names(held.add(slice_of(shard, "small", range(10_000, 10_003)))) == []
    detected = []
    for located, _ in (*held.add(large), *held.rest()):
        detected.append(detector.detect(located))
        assert decoder.held_bytes <= 100 * EACH
    assert [one.slice.name for one in detected] == ["small", "large"]
    assert [picture.width for picture in detected[1].pictures.values()] == [n % 250 + 1 for n in range(10_000)]  # type: ignore[union-attr]
    assert decoder.held_bytes == 0


def test_what_fails_in_the_middle_leaves_nothing_behind(shard: str, detector: SliceDetector, decoder: Decoder) -> None:
    held = HeldSlices(detector, picture_bytes=20 * EACH)

    def bundle() -> None:
        for i in range(5):
            for _ in held.add(slice_of(shard, str(i), range(10 * i, 10 * i + 10))):
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bundle()
    held.discard()
    assert detector._announced == {}
    assert nothing_is_held(decoder)


class _Detect(beam.DoFn):
    """As RunInference does: takes what was announced."""

    detector: SliceDetector

    def process(self, located: LocatedSlice) -> Iterator[tuple[str, list[int], bool]]:
        announced = id(located) in _Detect.detector._announced
        detected = _Detect.detector.detect(located)
        if located.slice.name == "fails":
            raise ZeroDivisionError
        yield located.slice.name, [picture.width for picture in detected.pictures.values()], announced  # type: ignore[union-attr]


@pytest.fixture
def in_beam(monkeypatch: pytest.MonkeyPatch, detector: SliceDetector) -> beam.PTransform:
    monkeypatch.setattr(prefetch_slices, "load_slice_detector", lambda settings: detector)
    _Detect.detector = detector
    return PrefetchSlices(prefetch_slices.DetectorSettings(ModelOptions(device="cpu"), Limits()))


def test_in_beam_rows_and_windows_stay_what_they_are(shard: str, in_beam: beam.PTransform, decoder: Decoder) -> None:
    slices = [slice_of(shard, f"{i:02d}", range(10 * i, 10 * i + i % 3)) for i in range(20)]
    with beam.Pipeline("FnApiRunner") as pipeline:
        found = (
            pipeline
            | beam.Create([0])
            | beam.FlatMap(lambda _: [WindowedValue(s, i, [window.IntervalWindow(i, i + 1)]) for i, s in enumerate(slices)])
            | in_beam
            | beam.ParDo(_Detect())
            | beam.Map(lambda row, at=beam.DoFn.TimestampParam: (*row, int(at)))
        )
        expected = [(f"{i:02d}", [n + 1 for n in range(10 * i, 10 * i + i % 3)], True, i) for i in range(20)]
        assert_that(found, equal_to(expected), reify_windows=False)
    assert decoder.held_bytes == 0


def test_in_beam_a_bundle_that_fails_leaves_nothing(
    shard: str, in_beam: beam.PTransform, detector: SliceDetector, decoder: Decoder
) -> None:
    slices = [slice_of(shard, name, range(10 * i, 10 * i + 10)) for i, name in enumerate(("a", "fails", "b", "c"))]
    with pytest.raises(Exception, match="ZeroDivisionError"), beam.Pipeline("FnApiRunner") as pipeline:
        pipeline | beam.Create([0]) | beam.FlatMap(lambda _: slices) | in_beam | beam.ParDo(_Detect())
    assert detector._announced == {}
    assert nothing_is_held(decoder)
