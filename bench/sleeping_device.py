"""A device and a store that sleep, and how much of a run they leave the device busy: what `bench.overlap` measures."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from archive.images import ImageError, Member
from archive.posts.records import Post, Slice
from archive.posts.slice_builder import FIRST_SLICE_LINES, LARGEST_SLICE_LINES
from bench.sleeping_decoder import SIDE, SleepingDecoder
from models.vision.images.features import ImageFeatures
from models.vision.images.preprocess import PreprocessedImage
from models.vision.vision_model import VisionModel
from transforms.detect import DetectedSlice, SliceDetector
from transforms.locate_images import LocatedSlice
from transforms.prefetch import TASK_PICTURES, Decoder
from transforms.prefetch_slices import HeldSlices

PICTURES_PER_SECOND, POSTS_PER_SECOND, READ_SECONDS, DECODE_SECONDS = 500, 5000, 0.03, 0.01
BATCH_SIZE, PICTURE_BYTES = 32, 100_000


class _Store(LocalFileSystem):
    """A store that takes a while for each read; those of one call go in parallel."""

    protocol = "slow"

    def cat_ranges(self, *args: Any, **options: Any) -> Any:
        time.sleep(READ_SECONDS)
        return super().cat_ranges(*args, **options)


class _Device(VisionModel):
    """Stands for both networks on one GPU."""

    def __init__(self) -> None:
        super().__init__(None, None)
        self._lock = threading.Lock()
        self.busy_seconds = 0.0

    def extract(self, images: Sequence[PreprocessedImage]) -> list[ImageFeatures]:
        self._work(len(images) / PICTURES_PER_SECOND)
        return [ImageFeatures.empty(SIDE, SIDE) for _ in images]

    def tag(self, detected: DetectedSlice) -> None:
        for start in range(0, len(detected.slice.posts), BATCH_SIZE):
            self._work(len(detected.slice.posts[start : start + BATCH_SIZE]) / POSTS_PER_SECOND)

    def _work(self, seconds: float) -> None:
        with self._lock:
            time.sleep(seconds)
            self.busy_seconds += seconds


def busy_share(threads: int, posts: int, shard: str) -> float:
    """Return the share of a run in which the device is busy, from the first slice to the last one."""
    decoder = Decoder(SleepingDecoder(DECODE_SECONDS), threads)
    list(decoder.submit(_members(shard, range(TASK_PICTURES * threads))))  # the processes are started
    device = _Device()
    detector = SliceDetector(device, decoder, BATCH_SIZE, 1, overlaps=True)  # type: ignore[arg-type]
    held = HeldSlices(detector)
    start = time.perf_counter()
    for located in _slices(posts, shard):
        for due, _ in held.add(located):
            device.tag(detector.detect(due))
    for due, _ in held.rest():
        device.tag(detector.detect(due))
    seconds = time.perf_counter() - start
    decoder.close()
    return device.busy_seconds / seconds


def _slices(posts: int, shard: str) -> Iterator[LocatedSlice]:
    first, lines = 0, FIRST_SLICE_LINES
    while first < posts:
        numbers = range(first, min(first + lines, posts))
        of_slice = tuple(Post(str(n), "", (str(n),), None, "posts", n) for n in numbers)
        places: dict[str, Member | ImageError] = dict(zip(map(str, numbers), _members(shard, numbers), strict=True))
        yield LocatedSlice(Slice(str(first), "posts", first, len(numbers), 0, of_slice), places)
        first, lines = first + lines, min(2 * lines, LARGEST_SLICE_LINES)


def _members(shard: str, numbers: range) -> list[Member]:
    return [Member(shard, number * PICTURE_BYTES, PICTURE_BYTES) for number in numbers]


def measure(posts: int, each_threads: Sequence[int]) -> None:
    """Print a line for each number of decoding threads."""
    fsspec.register_implementation(_Store.protocol, _Store, clobber=True)
    device_seconds = 1 / PICTURES_PER_SECOND + 1 / POSTS_PER_SECOND
    decode_seconds = READ_SECONDS / TASK_PICTURES + DECODE_SECONDS
    with tempfile.TemporaryDirectory() as folder:
        shard = Path(folder) / "shard"
        with shard.open("wb") as file:
            file.truncate(posts * PICTURE_BYTES)
        for threads in each_threads:
            share = busy_share(threads, posts, f"slow://{shard}")
            allowed = min(1.0, threads * device_seconds / decode_seconds)
            print(f"{threads:>3} threads: device busy {share:.0%}, decoding allows {allowed:.0%}", flush=True)
