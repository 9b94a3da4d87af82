"""Detecting in the pictures of a slice: outcomes, order, memory of reposted ones, failures of one picture."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from archive.images import Member, index_shard
from archive.images.decode import Limits
from archive.images.image_error import ImageError
from archive.images.index.lookup import MISSING
from archive.posts.records import Post, Slice
from models.inference.bisect import bisect_on_failure
from models.pretrained import PRETRAINED
from models.vision.images.features import ImageFeatures
from models.vision.images.preprocess import PreprocessedImage
from models.vision.vision_model import VisionModel
from transforms.counters import LIVE
from transforms.detect import SliceDetector
from transforms.locate_images import LocatedSlice
from transforms.prefetch import Decoder


class CountingVisionModel(VisionModel):
    """The shipped detector, counting the pictures that it sees; fails on batches that hold a poisoned one."""

    seen = 0

    def extract(self, preprocessed: Sequence[PreprocessedImage]) -> list[ImageFeatures]:
        if any(one.canvas.width == 666 for one in preprocessed):
            raise RuntimeError("CUDA out of memory")
        self.seen += len(preprocessed)
        return super().extract(preprocessed)


@pytest.fixture(scope="module")
def vision_model() -> CountingVisionModel:
    torch.set_num_threads(1)
    return CountingVisionModel.load(str(PRETRAINED / "detector"))


@pytest.fixture
def members(tmp_path: Path, jpeg: Callable[..., bytes]) -> dict[str, Member]:
    files = {f"{i}.jpg": jpeg(i, (100 + i, 80)) for i in range(12)}
    files |= {"text.jpg": b"no picture", "big.jpg": jpeg(0, (3000, 2000)), "poison.jpg": jpeg(1, (666, 10))}
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return dict(entry for entry in index_shard(str(tmp_path / "a.tar")) if isinstance(entry, tuple))


def slice_of(members: dict[str, Member], *posts: tuple[str, ...]) -> LocatedSlice:
    read = Slice("s", "s", 1, len(posts), 0, tuple(Post(str(i), "", keys, None, "s", i) for i, keys in enumerate(posts)))
    return LocatedSlice(read, {key: members.get(key, MISSING) for keys in posts for key in keys})


def outcome(picture: ImageFeatures | ImageError) -> tuple[str, str]:
    return (picture.status, picture.reason) if isinstance(picture, ImageError) else ("ok", "")


@pytest.fixture(scope="module")
def decoder(vision_model: VisionModel) -> Iterator[Decoder]:
    made = Decoder(vision_model.preprocessing(Limits(max_image_pixels=10**6)), 2)
    yield made
    assert made.held_bytes == 0
    made.close()


Reader = Callable[..., SliceDetector]


@pytest.fixture
def reader(vision_model: VisionModel, decoder: Decoder) -> Reader:
    def make(batch_size: int = 4, overlaps: bool = False) -> SliceDetector:
        return SliceDetector(vision_model, decoder, batch_size, grids_per_post=2, overlaps=overlaps)

    return make


@pytest.mark.parametrize("batch_size", [1, 5, 32])
def test_every_key_has_an_outcome(reader: Reader, members: dict[str, Member], batch_size: int) -> None:
    keys = ("3.jpg", "absent.jpg", "text.jpg", "1.jpg", "big.jpg", "poison.jpg", "0.jpg")
    detected = reader(batch_size).detect(slice_of(members, keys, (), ("3.jpg",)))
    assert {key: outcome(p) for key, p in detected.pictures.items()} == {
        "3.jpg": ("ok", ""),
        "absent.jpg": ("missing", "no_such_key"),
        "text.jpg": ("corrupt", "not_an_image"),
        "1.jpg": ("ok", ""),
        "big.jpg": ("too_large", "too_many_pixels"),
        "poison.jpg": ("corrupt", "detector_failed"),
        "0.jpg": ("ok", ""),
    }
    assert {key: p.width for key, p in detected.pictures.items() if isinstance(p, ImageFeatures)} == {
        "3.jpg": 103,
        "1.jpg": 101,
        "0.jpg": 100,
    }


def test_reposted_pictures_are_detected_at_once(reader: Reader, vision_model: CountingVisionModel, members: dict[str, Member]) -> None:
    pictures = reader()
    before = vision_model.seen
    first = pictures.detect(slice_of(members, ("1.jpg", "2.jpg"), ("1.jpg",)))
    second = pictures.detect(slice_of(members, ("2.jpg", "3.jpg")))
    assert vision_model.seen - before == 3
    assert first.pictures["2.jpg"] is second.pictures["2.jpg"]


def test_grids_are_kept_for_the_first_pictures_of_a_post_only(reader: Reader, members: dict[str, Member]) -> None:
    pictures = reader()
    detected = pictures.detect(slice_of(members, ("1.jpg", "2.jpg", "3.jpg")))
    assert [p.grid is not None for p in detected.pictures.values() if isinstance(p, ImageFeatures)] == [True, True, False]
    again = pictures.detect(slice_of(members, ("3.jpg",)))
    assert isinstance(again.pictures["3.jpg"], ImageFeatures)
    assert again.pictures["3.jpg"].grid is not None


def test_a_failure_costs_one_item() -> None:
    def run(items: list[int]) -> list[int]:
        if 3 in items or 5 in items:
            raise ValueError("no")
        return [item * 10 for item in items]

    results = bisect_on_failure(run, range(8))
    assert [r if isinstance(r, int) else str(r) for r in results] == [0, 10, 20, "no", 40, "no", 60, 70]
    assert bisect_on_failure(run, []) == []


@pytest.mark.parametrize("overlaps", [False, True])
def test_what_is_announced_changes_no_result(
    reader: Reader, vision_model: CountingVisionModel, members: dict[str, Member], overlaps: bool
) -> None:
    """Slices that share pictures, one announced and never detected, one detected without."""
    slices = [
        slice_of(members, ("1.jpg", "2.jpg", "3.jpg"), ("text.jpg",)),
        slice_of(members, ("3.jpg", "4.jpg"), ("poison.jpg", "absent.jpg")),
        slice_of(members, ()),
        slice_of(members, ("1.jpg", "3.jpg", "5.jpg")),
    ]
    plain = reader()
    expected = [plain.detect(located) for located in slices]
    before = vision_model.seen
    ahead = reader(overlaps=overlaps)
    unwanted = slice_of(members, ("6.jpg", "7.jpg", "3.jpg"))
    for located in [*slices[:2], unwanted, slices[2]]:
        ahead.prefetch(located)
    ahead.forget(unwanted)
    found = [ahead.detect(located) for located in slices]
    assert vision_model.seen - before == 6  # the third picture twice: its grid was not kept
    for one, other in zip(found, expected, strict=True):
        assert one.slice is other.slice
        assert list(one.pictures) == list(other.pictures)
        for key, picture in other.pictures.items():
            assert outcome(one.pictures[key]) == outcome(picture)
            if isinstance(picture, ImageFeatures):
                for name in ("labels", "scores", "boxes", "grid"):
                    assert np.array_equal(getattr(one.pictures[key], name), getattr(picture, name))


def test_the_next_slice_is_detected_while_the_caller_works(
    reader: Reader, vision_model: CountingVisionModel, members: dict[str, Member]
) -> None:
    """And no further one; its counters are told by the thread that takes the result."""
    slices = [slice_of(members, (f"{i}.jpg",)) for i in range(4)]
    ahead = reader(overlaps=True)
    for located in slices:
        ahead.prefetch(located)
    before = vision_model.seen
    ahead.detect(slices[0])
    until = time.monotonic() + 20
    while vision_model.seen - before < 2 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.2)
    assert vision_model.seen - before == 2
    counted = LIVE.snapshot()["pictures"]
    ahead.detect(slices[1])
    assert LIVE.snapshot()["pictures"] - counted == 1
    for located in slices:
        ahead.forget(located)
