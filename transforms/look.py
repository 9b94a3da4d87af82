"""Fetch, decode and look at the pictures of a slice."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from time import perf_counter

from models.shards import FetchError, Member, fetch
from models.vision.look import Looker, Prepared, Sight
from models.vision.pictures import Limits, PictureError
from transforms.counters import count, count_seconds, timed
from transforms.halves import in_halves
from transforms.records import Slice

FETCHED_TOGETHER = 8
"""Neighbouring pictures that one thread reads and decodes in one go."""

DECODE_THREADS = 2

REMEMBERED = 1024
"""Pictures whose result is kept for later slices: reposted pictures are looked at once (25 kB each)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What became of one picture: status `ok` with what was seen in it, else the reason why not."""

    status: str
    reason: str = ""
    sight: Sight | None = None


MISSING = Picture("missing", "no_such_key")


@dataclass(frozen=True, slots=True)
class LookedSlice:
    """A slice and its pictures by key."""

    slice: Slice
    pictures: dict[str, Picture]


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What a thread made of neighbouring pictures, and the time that it took: counters belong to Beam's own thread."""

    pictures: list[tuple[Member, Prepared | Picture]]
    fetch_seconds: float
    decode_seconds: float


class PictureReader:
    """Looks at the pictures of slices with one loaded `Looker`; decoding runs ahead in threads while the network works.

    Args:
        looker: detector and image features.
        limits: on bytes and pixels of a picture.
        batch_size: pictures per call of the network.
        grids_per_post: pictures of a post whose grids are kept, the first ones; nobody reads the others.
    """

    def __init__(self, looker: Looker, limits: Limits, batch_size: int, grids_per_post: int) -> None:
        self._looker = looker
        self._limits = limits
        self._batch_size = batch_size
        self._grids_per_post = grids_per_post
        self._pool = ThreadPoolExecutor(DECODE_THREADS, thread_name_prefix="decode")
        self._remembered: OrderedDict[Member, Picture] = OrderedDict()

    def read(self, piece: Slice) -> LookedSlice:
        """What became of every picture that the slice's posts name."""
        with_grid = {piece.members[key] for post in piece.posts for key in post.images[: self._grids_per_post] if key in piece.members}
        outcomes: dict[Member, Picture] = {}
        for member in dict.fromkeys(piece.members.values()):
            if member in self._remembered:
                self._remembered.move_to_end(member)
                outcomes[member] = self._remembered[member]
        new = sorted(set(piece.members.values()) - outcomes.keys())
        for member, picture in self._look(new):
            if member not in with_grid and picture.sight:
                picture = replace(picture, sight=replace(picture.sight, grid=None))
            else:
                self._remember(member, picture)
            outcomes[member] = picture
        keys = dict.fromkeys(key for post in piece.posts for key in post.images)
        return LookedSlice(piece, {key: outcomes[piece.members[key]] if key in piece.members else MISSING for key in keys})

    def _remember(self, member: Member, picture: Picture) -> None:
        self._remembered[member] = picture
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    def _look(self, members: Sequence[Member]) -> Iterator[tuple[Member, Picture]]:
        batch: list[tuple[Member, Prepared]] = []
        for member, prepared in self._prepared_ahead(members):
            if isinstance(prepared, Picture):
                yield member, prepared
                continue
            batch.append((member, prepared))
            if len(batch) == self._batch_size:
                yield from self._look_at(batch)
                batch = []
        if batch:
            yield from self._look_at(batch)

    def _look_at(self, batch: Sequence[tuple[Member, Prepared]]) -> Iterator[tuple[Member, Picture]]:
        with timed("detect"):
            sights = in_halves(self._looker.look, [prepared for _, prepared in batch])
        count("pictures", len(batch))
        for (member, _), sight in zip(batch, sights, strict=True):
            yield member, Picture("corrupt", "detector_failed") if isinstance(sight, Exception) else Picture("ok", sight=sight)

    def _prepared_ahead(self, members: Sequence[Member]) -> Iterator[tuple[Member, Prepared | Picture]]:
        """Members in order, decoded; the next batch is fetched and decoded while the caller works on this one."""
        ahead = 2 * -(-self._batch_size // FETCHED_TOGETHER)
        pending: deque[Future[_Decoded]] = deque()
        for start in range(0, len(members), FETCHED_TOGETHER):
            pending.append(self._pool.submit(self._fetch_and_decode, members[start : start + FETCHED_TOGETHER]))
            if len(pending) >= ahead:
                yield from self._finished(pending)
        while pending:
            yield from self._finished(pending)

    def _finished(self, pending: deque[Future[_Decoded]]) -> list[tuple[Member, Prepared | Picture]]:
        decoded = pending.popleft().result()
        count_seconds("fetch", decoded.fetch_seconds)
        count_seconds("decode", decoded.decode_seconds)
        return decoded.pictures

    def _fetch_and_decode(self, members: Sequence[Member]) -> _Decoded:
        start = perf_counter()
        fetched = list(fetch(members, self._limits.max_image_bytes))
        middle = perf_counter()
        pictures = [(member, self._decoded(data)) for member, data in fetched]
        return _Decoded(pictures, middle - start, perf_counter() - middle)

    def _decoded(self, data: bytes | FetchError) -> Prepared | Picture:
        if isinstance(data, FetchError):
            return Picture(data.status, data.reason)
        try:
            return self._looker.prepare(data, self._limits)
        except PictureError as error:
            return Picture(error.status, error.reason)
