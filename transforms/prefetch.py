"""Fetch and decode pictures in threads, ahead of the network; a picture that takes too long is given up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

from archive.images import Member, fetch
from archive.images.decode import Limits
from archive.images.image_error import ImageError
from transforms.counters import count_seconds

if TYPE_CHECKING:
    from models.vision.vision_model import PreprocessedImage

FETCHED_TOGETHER = 8
"""Neighbouring pictures that one thread reads and decodes in one go."""

THREADS = 2

POLL_INTERVAL_S = 0.5
"""How often a waiting caller checks whether a picture takes too long."""


@dataclass(slots=True)
class _Task:
    """Neighbouring pictures on their way through a thread, which adds to `results` until the task is given up."""

    members: Sequence[Member]
    results: list[tuple[Member, PreprocessedImage | ImageError]] = field(default_factory=list)
    decoding_since: float | None = None
    fetch_seconds: float = 0.0
    decode_seconds: float = 0.0
    given_up: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    done: threading.Event = field(default_factory=threading.Event)


class Decoder:
    """Threads that fetch and decode.

    They are daemons: one that hangs in a decoder for ever is replaced, and does not keep the process alive.

    Args:
        preprocess: bytes of a picture to what the networks look at; may raise `ImageError`.
        limits: on bytes, and on the seconds that a picture may take.
    """

    def __init__(self, preprocess: Callable[[bytes, Limits], PreprocessedImage], limits: Limits) -> None:
        self._preprocess = preprocess
        self._limits = limits
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        for _ in range(THREADS):
            self._start_thread()

    def prefetch(self, members: Sequence[Member], pictures: int) -> Iterator[tuple[Member, PreprocessedImage | ImageError]]:
        """Members in order, decoded; up to that many pictures are fetched and decoded while the caller works on earlier ones."""
        pending: deque[_Task] = deque()
        for start in range(0, len(members), FETCHED_TOGETHER):
            pending.append(self._submit(members[start : start + FETCHED_TOGETHER]))
            if len(pending) * FETCHED_TOGETHER >= pictures:
                yield from self._finish(pending)
        while pending:
            yield from self._finish(pending)

    def _submit(self, members: Sequence[Member]) -> _Task:
        task = _Task(members)
        self._tasks.put(task)
        return task

    def _finish(self, pending: deque[_Task]) -> list[tuple[Member, PreprocessedImage | ImageError]]:
        task = pending.popleft()
        while not task.done.wait(POLL_INTERVAL_S):
            since = task.decoding_since
            if since is not None and monotonic() - since > self._limits.decode_timeout_s:
                with task.lock:
                    task.given_up = not task.done.is_set() and task.decoding_since == since
                if task.given_up:
                    self._start_thread()
                    stuck = len(task.results)
                    task.results.append((task.members[stuck], ImageError("corrupt", "too_slow")))
                    if rest := task.members[stuck + 1 :]:
                        pending.appendleft(self._submit(rest))
                    break
        count_seconds("fetch", task.fetch_seconds)
        count_seconds("decode", task.decode_seconds)
        return task.results

    def _start_thread(self) -> None:
        threading.Thread(target=self._work, name="decode", daemon=True).start()

    def _work(self) -> None:
        while self._do(self._tasks.get()):
            pass

    def _do(self, task: _Task) -> bool:
        """Whether the task was done; where it was given up, another thread has taken this one's place."""
        fetched = self._fetched(task.members)
        while True:
            before = perf_counter()
            found = next(fetched, None)
            if found is None:
                task.done.set()
                return True
            member, data = found
            between = perf_counter()
            task.decoding_since = monotonic()
            decoded = self._decoded(data)
            with task.lock:
                if task.given_up:
                    return False
                task.decoding_since = None
                task.results.append((member, decoded))
                task.fetch_seconds += between - before
                task.decode_seconds += perf_counter() - between

    def _fetched(self, members: Sequence[Member]) -> Iterator[tuple[Member, bytes | ImageError]]:
        left = list(members)
        try:
            for found in fetch(members, self._limits.max_image_bytes):
                left.remove(found[0])
                yield found
        except Exception:  # stores raise what they like
            yield from ((member, ImageError("missing", "unreadable_shard")) for member in left)

    def _decoded(self, data: bytes | ImageError) -> PreprocessedImage | ImageError:
        if isinstance(data, ImageError):
            return data
        try:
            return self._preprocess(data, self._limits)
        except ImageError as error:
            return ImageError(error.status, error.reason)  # the raised one holds the bytes, by its traceback and cause
        except Exception:  # whatever hostile bytes bring a decoder to must cost one picture only
            return ImageError("corrupt", "decoder_failed")
