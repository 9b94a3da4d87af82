"""Detect objects and extract features of the pictures of a slice."""

from __future__ import annotations

import heapq
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from operator import itemgetter
from time import perf_counter

from archive.images import Member
from archive.images.image_error import ImageError
from archive.posts.records import Reject, Slice
from models.inference.bisect import bisect_on_failure
from models.vision.images.features import ImageFeatures
from models.vision.images.preprocess import PreprocessedImage
from models.vision.vision_model import VisionModel
from transforms.counters import LIVE, count
from transforms.locate_images import LocatedSlice
from transforms.prefetch import Decoder, Submission

BATCHES_UNDER_WAY = 2
"""While a batch ends and its results are kept, the network is at the next one."""

CACHE_SIZE = 1024
"""Pictures whose result is kept for later slices, so that reposted pictures are processed once (25 kB each)."""


@dataclass(frozen=True, slots=True)
class DetectedSlice:
    """A slice, by key the features of its pictures or why a picture has none, and rejects of the shards."""

    slice: Slice
    pictures: dict[str, ImageFeatures | ImageError]
    rejects: tuple[Reject, ...] = ()


@dataclass(slots=True)
class _Prefetched:
    """A slice that will be detected later, its pictures under way, and where another thread is at it, the result."""

    located: LocatedSlice
    submission: Submission
    detected: Future[tuple[DetectedSlice, Counter[str]]] | None = None


@dataclass(frozen=True, slots=True)
class _Extracted:
    """What the pictures of a batch became, and by counter when its work began and when it ended."""

    outcomes: list[tuple[Member, ImageFeatures | ImageError]]
    times: dict[str, tuple[float, float]]


class SliceDetector:
    """Detects objects in the pictures of slices with one loaded `VisionModel`.

    Slices that are announced with `prefetch` are decoded meanwhile. Results do not depend on what was announced.

    Args:
        vision_model: detector and image features.
        decoder: fetches and decodes.
        batch_size: pictures per call of the network. On a CPU the next call begins before one ends.
        grids_per_post: pictures of a post whose grids are kept, the first ones; the tagger does not read the others.
        overlaps: whether the next announced slice is detected while the caller works on with this one. It pays where a
            GPU does the work; on a CPU both would share the cores.
    """

    def __init__(self, vision_model: VisionModel, decoder: Decoder, batch_size: int, grids_per_post: int, overlaps: bool = False) -> None:
        self._vision_model = vision_model
        self._decoder = decoder
        self._batch_size = batch_size
        self._grids_per_post = grids_per_post
        self._cache: OrderedDict[Member, ImageFeatures | ImageError] = OrderedDict()
        self._announced: dict[int, _Prefetched] = {}
        self._announced_lock = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._worker = ThreadPoolExecutor(1, "detect") if overlaps else None
        self._extracting = ThreadPoolExecutor(1 if overlaps else BATCHES_UNDER_WAY, "extract")  # a GPU has memory for one batch
        self._until = 0.0

    def prepare(self) -> None:
        """Begin in the background what takes time before the first slice; call it before there is one."""
        self._vision_model.prepare()
        self._decoder.prepare()

    def prefetch(self, located: LocatedSlice) -> int:
        """Begin to fetch and decode the pictures of a slice. Returns how many bytes they will hold.

        Call `forget` with the same object when it is detected, or will not be.
        """
        with self._announced_lock:
            under_way = frozenset().union(*(earlier.submission.members for earlier in self._announced.values()))
            members = _members(located) - self._cache.keys() - under_way
            submission = self._decoder.submit(sorted(members))
            self._announced[id(located)] = _Prefetched(located, submission)
        return self._decoder.bytes_of(list(members))

    def forget(self, located: LocatedSlice) -> None:
        """Drop what `prefetch` began and `detect` did not take."""
        with self._announced_lock:
            announced = self._announced.pop(id(located), None)
        if announced:
            announced.submission.cancel()

    def detect(self, located: LocatedSlice) -> DetectedSlice:
        """Process every picture that the posts of a slice name."""
        with self._announced_lock:
            announced = self._announced.get(id(located))
        if announced and announced.detected:
            detected, spent = announced.detected.result()
            for name, amount in spent.items():  # Beam knows the counters of its own threads only
                count(name, amount)
        else:
            detected = self._detect(located, announced.submission if announced else None, count)
        self.forget(located)
        self._detect_next()
        return detected

    def _detect_next(self) -> None:
        with self._announced_lock:
            following = next((announced for announced in self._announced.values() if not announced.detected), None)
            if self._worker and following:
                following.detected = self._worker.submit(self._detect_apart, following)

    def _detect_apart(self, announced: _Prefetched) -> tuple[DetectedSlice, Counter[str]]:
        spent: Counter[str] = Counter()
        detected = self._detect(announced.located, announced.submission, lambda name, amount: spent.update({name: amount}))
        return detected, spent

    def _detect(self, located: LocatedSlice, submission: Submission | None, tell: Callable[[str, int], None]) -> DetectedSlice:
        with self._one_at_a_time:
            with_grid = {located.places[key] for post in located.slice.posts for key in post.images[: self._grids_per_post]}
            members = _members(located)
            outcomes: dict[Member, ImageFeatures | ImageError] = {}
            for member in sorted(members & self._cache.keys()):
                self._cache.move_to_end(member)
                outcomes[member] = self._cache[member]
            new = members - outcomes.keys()
            posts, detected = len(located.slice.posts), 0
            for number, (member, outcome) in enumerate(self._process(new, submission, tell), start=1):
                LIVE.add("detected", number * posts // len(new) - detected)
                detected = number * posts // len(new)
                if member not in with_grid and isinstance(outcome, ImageFeatures):
                    outcome = replace(outcome, grid=None)
                else:
                    self._keep(member, outcome)
                outcomes[member] = outcome
            LIVE.add("detected", posts - detected)
        pictures = {key: outcomes[place] if isinstance(place, Member) else place for key, place in located.places.items()}
        return DetectedSlice(located.slice, pictures, located.rejects)

    def _keep(self, member: Member, outcome: ImageFeatures | ImageError) -> None:
        self._cache[member] = outcome
        if len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)

    def _process(
        self, members: frozenset[Member], submission: Submission | None, tell: Callable[[str, int], None]
    ) -> Iterator[tuple[Member, ImageFeatures | ImageError]]:
        batch: list[tuple[Member, PreprocessedImage]] = []
        under_way: deque[Future[_Extracted]] = deque()
        for member, preprocessed in self._decoded(members, submission, tell):
            if isinstance(preprocessed, ImageError):
                yield member, preprocessed
                continue
            batch.append((member, preprocessed))
            if len(batch) == self._batch_size:
                under_way.append(self._extracting.submit(self._extract, batch))
                batch = []
                if len(under_way) == BATCHES_UNDER_WAY:
                    yield from self._finish(under_way.popleft(), tell)
        if batch:
            under_way.append(self._extracting.submit(self._extract, batch))
        while under_way:
            yield from self._finish(under_way.popleft(), tell)

    def _decoded(
        self, members: frozenset[Member], prefetched: Submission | None, tell: Callable[[str, int], None]
    ) -> Iterator[tuple[Member, PreprocessedImage | ImageError]]:
        """The members in order, decoded. What is not prefetched was in the cache at that time, and is not now."""
        submissions = [prefetched] if prefetched else []
        submissions.append(self._decoder.submit(sorted(members.difference(*(one.members for one in submissions)))))
        try:
            for member, preprocessed in heapq.merge(*submissions, key=itemgetter(0)):
                if member in members:
                    yield member, preprocessed
        finally:
            for one in submissions:
                one.cancel()
                tell("time.fetch_usec", round(1e6 * one.fetch_seconds))
                tell("time.decode_usec", round(1e6 * one.decode_seconds))

    def _extract(self, batch: Sequence[tuple[Member, PreprocessedImage]]) -> _Extracted:
        began = perf_counter()
        extracted = bisect_on_failure(self._vision_model.extract, [preprocessed for _, preprocessed in batch])
        between = perf_counter()
        lines = bisect_on_failure(self._vision_model.read_texts, [preprocessed for _, preprocessed in batch])
        outcomes: list[tuple[Member, ImageFeatures | ImageError]] = []
        for (member, _), features, of_one in zip(batch, extracted, lines, strict=True):
            if isinstance(features, Exception):
                outcomes.append((member, ImageError("corrupt", "detector_failed")))
            else:
                outcomes.append((member, replace(features, lines=None if isinstance(of_one, Exception) else tuple(of_one))))
        return _Extracted(outcomes, {"time.detect_usec": (began, between), "time.read_usec": (between, perf_counter())})

    def _finish(
        self, under_way: Future[_Extracted], tell: Callable[[str, int], None]
    ) -> Iterator[tuple[Member, ImageFeatures | ImageError]]:
        """Wait for a batch; time that it shared with the one before is told once, so all times together are those of a clock."""
        extracted = under_way.result()
        for counter, (began, ended) in extracted.times.items():
            tell(counter, round(1e6 * max(0.0, ended - max(began, self._until))))
            self._until = max(ended, self._until)
        tell("pictures", len(extracted.outcomes))
        yield from extracted.outcomes


def _members(located: LocatedSlice) -> frozenset[Member]:
    return frozenset(place for place in located.places.values() if isinstance(place, Member))
