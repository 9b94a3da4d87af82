"""Detecting in the pictures of a slice: outcomes, order, memory of reposted ones, failures of one picture."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from archive.images import Member, index_shard
from archive.images.decode import Limits
from archive.images.image_error import ImageError
from archive.images.index.lookup import MISSING
from archive.posts.records import Post, Slice
from models.pretrained import PRETRAINED
from models.vision.images.features import ImageFeatures
from models.vision.vision_model import PreprocessedImage, VisionModel
from transforms.bisect import bisect_on_failure
from transforms.detect import SliceDetector
from transforms.locate_images import LocatedSlice


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


def reader(vision_model: VisionModel, batch_size: int = 4) -> SliceDetector:
    return SliceDetector(vision_model, Limits(max_image_pixels=10**6), batch_size, grids_per_post=2)


@pytest.mark.parametrize("batch_size", [1, 5, 32])
def test_every_key_has_an_outcome(vision_model: CountingVisionModel, members: dict[str, Member], batch_size: int) -> None:
    keys = ("3.jpg", "absent.jpg", "text.jpg", "1.jpg", "big.jpg", "poison.jpg", "0.jpg")
    detected = reader(vision_model, batch_size).detect(slice_of(members, keys, (), ("3.jpg",)))
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


def test_reposted_pictures_are_detected_at_once(vision_model: CountingVisionModel, members: dict[str, Member]) -> None:
    pictures = reader(vision_model)
    before = vision_model.seen
    first = pictures.detect(slice_of(members, ("1.jpg", "2.jpg"), ("1.jpg",)))
    second = pictures.detect(slice_of(members, ("2.jpg", "3.jpg")))
    assert vision_model.seen - before == 3
    assert first.pictures["2.jpg"] is second.pictures["2.jpg"]


def test_grids_are_kept_for_the_first_pictures_of_a_post_only(vision_model: CountingVisionModel, members: dict[str, Member]) -> None:
    pictures = reader(vision_model)
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
