"""Fetch and decode pictures ahead of the network, bounded by the bytes that they hold."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from time import perf_counter

from archive.images import Member, fetch
from archive.images.image_error import ImageError
from models.inference.devices import usable_cores
from models.vision.images.decode_process import DecodeProcess, Preprocessing
from models.vision.images.preprocess import PreprocessedImage

TASK_PICTURES, TASK_BYTES = 8, 4 * 2**20
"""Neighbouring pictures that one thread fetches together; a larger picture comes alone."""

PREFETCHED_BYTES, PREFETCHED_BYTES_OF_A_THREAD = 256 * 2**20, 32 * 2**20
"""Pictures of a process that are fetched or decoded, and not yet taken: on a GPU, and for each thread of the models on a CPU.

A decoded one holds 1.2 MB. So a thread of a CPU has a second's work ahead, and the memory is used again while it is warm.
"""

LEAST_THREADS = 2

CORES_PER_THREAD_ON_A_CPU = 4
"""Beside models on a CPU decoding is a tenth of the work; more threads would take the models' cores."""


def thread_count(given: int, local_workers: int, device: str) -> int:
    """Return how many threads of this process decode.

    Args:
        given: threads of all local workers together; 0 for what this machine allows.
        local_workers: processes that share this machine.
        device: of the models.
    """
    if given:
        return max(1, given // local_workers)
    cores = usable_cores() // local_workers
    return max(LEAST_THREADS, cores // CORES_PER_THREAD_ON_A_CPU if device == "cpu" else cores)


def prefetched_bytes(device: str, threads: int) -> int:
    """Return how many bytes of pictures a process holds ahead of models on this device, with so many threads on a CPU."""
    return min(PREFETCHED_BYTES, threads * PREFETCHED_BYTES_OF_A_THREAD) if device == "cpu" else PREFETCHED_BYTES


def least_bytes(image_bytes: int) -> int:
    """Return how many bytes let a decoder work on a task while one waits and room for one is kept, with pictures of this size."""
    return 3 * _task_bytes(image_bytes)


def _task_bytes(image_bytes: int) -> int:
    return TASK_BYTES + TASK_PICTURES * image_bytes


@dataclass(slots=True, eq=False)
class _Task:
    """Neighbouring pictures on their way through a thread; guarded by the decoder's lock, but for `results`.

    `held_bytes` is 0 before the start, then what is reserved, at the end what the results hold.
    """

    members: Sequence[Member]
    fetched_bytes: int
    held_bytes: int = 0
    is_awaited: bool = False
    is_dropped: bool = False
    is_done: bool = False
    error: Exception | None = None
    results: list[tuple[Member, PreprocessedImage | ImageError]] = field(default_factory=list)
    fetch_seconds: float = 0.0
    decode_seconds: float = 0.0


class Decoder:
    """Threads that fetch, each with a process that decodes.

    Tasks are started in the order in which they are submitted, while their pictures fit into `limit_bytes`. The task that
    somebody waits for is started in any case, so that two callers cannot block each other; room for one is kept free.
    Not counted: what each thread unpacks and decodes at the moment, one picture.

    Args:
        preprocess: bytes of a picture to what the networks read.
        threads: how many pictures are decoded at a time.
        limit_bytes: of the pictures that are fetched or decoded, and not yet taken.
    """

    def __init__(self, preprocess: Preprocessing, threads: int, limit_bytes: int = PREFETCHED_BYTES) -> None:
        self._preprocess = preprocess
        self._limit_bytes = limit_bytes
        self._room_bytes = min(limit_bytes // 2, _task_bytes(preprocess.image_bytes))
        self._waiting: deque[_Task] = deque()
        self._held_bytes = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._processes = [DecodeProcess(preprocess) for _ in range(threads)]
        self._threads = [threading.Thread(target=self._work, args=[one], name="decode", daemon=True) for one in self._processes]
        for thread in self._threads:
            thread.start()

    def prepare(self) -> None:
        """Start the processes before there are pictures, while something else is loaded. Call it before `submit`."""
        for process in self._processes:
            process.launch()

    @property
    def held_bytes(self) -> int:
        """Bytes of the pictures that are fetched or decoded, and not yet taken."""
        return self._held_bytes

    def bytes_of(self, members: Sequence[Member]) -> int:
        """Return how many bytes these pictures hold while they are fetched and decoded."""
        fetched = sum(member.size for member in members if member.size <= self._preprocess.limits.max_image_bytes)
        return fetched + len(members) * self._preprocess.image_bytes

    def submit(self, members: Sequence[Member]) -> Submission:
        """Begin to fetch and decode, as far as the limit allows."""
        tasks = [_Task(some, self.bytes_of(some)) for some in _neighbours(members)]
        with self._changed:
            self._waiting += tasks
            self._changed.notify_all()
        return Submission(self, frozenset(members), tasks)

    def close(self) -> None:
        """End the threads and their processes. Tasks that are waiting are never done."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def finish(self, task: _Task) -> None:
        """Wait for a task. Raises CancelledError if it is dropped or the decoder closed, RuntimeError if no process can be started."""
        with self._changed:
            if task in self._waiting:
                self._waiting.remove(task)
                self._waiting.appendleft(task)
                task.is_awaited = True
                self._changed.notify_all()
            self._changed.wait_for(lambda: task.is_done or task.is_dropped or self._is_closed)
            if task.is_dropped or self._is_closed:
                raise CancelledError
            if task.error:
                raise task.error

    def drop(self, task: _Task) -> None:
        """Forget a task and its pictures, whatever has become of it."""
        with self._changed:
            task.is_dropped = True
            if task in self._waiting:
                self._waiting.remove(task)
            self._changed.notify_all()
            if task.is_done:
                self._free(task)

    def _free(self, task: _Task) -> None:
        self._hold(task, 0)
        task.results = []

    def _hold(self, task: _Task, held_bytes: int) -> None:
        self._held_bytes += held_bytes - task.held_bytes
        task.held_bytes = held_bytes

    def _fits(self, task: _Task) -> bool:
        return task.is_awaited or self._held_bytes + task.fetched_bytes <= self._limit_bytes - self._room_bytes

    def _next(self) -> _Task | None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or (self._waiting and self._fits(self._waiting[0])))
            if self._is_closed:
                return None
            task = self._waiting.popleft()
            self._hold(task, task.fetched_bytes)
            return task

    def _work(self, process: DecodeProcess) -> None:
        while task := self._next():
            try:
                self._run(task, process)
            except Exception as error:  # raised where the task is awaited
                task.error = error
            with self._changed:
                decoded = sum(isinstance(result, PreprocessedImage) for _, result in task.results)
                task.is_done = True
                self._hold(task, decoded * self._preprocess.image_bytes)
                if task.is_dropped:
                    self._free(task)
                self._changed.notify_all()
        process.close()

    def _run(self, task: _Task, process: DecodeProcess) -> None:
        fetched = fetch(task.members, self._preprocess.limits.max_image_bytes)
        while not task.is_dropped:
            before = perf_counter()
            found = next(fetched, None)
            between = perf_counter()
            task.fetch_seconds += between - before
            if found is None:
                return
            member, data = found
            task.results.append((member, data if isinstance(data, ImageError) else process.decode(data)))
            task.decode_seconds += perf_counter() - between


class Submission:
    """Pictures that are being fetched and decoded, in order; iterate once.

    Attributes:
        members: all of them, taken or not.
        fetch_seconds, decode_seconds: of all threads, for the pictures that were taken.
    """

    def __init__(self, decoder: Decoder, members: frozenset[Member], tasks: Sequence[_Task]) -> None:
        self.members = members
        self._decoder = decoder
        self._tasks = deque(tasks)
        self.fetch_seconds = 0.0
        self.decode_seconds = 0.0

    def __iter__(self) -> Iterator[tuple[Member, PreprocessedImage | ImageError]]:
        """Raises CancelledError if `cancel` is called meanwhile, RuntimeError if no process can be started."""
        while self._tasks:
            task = self._tasks[0]
            self._decoder.finish(task)
            self.fetch_seconds += task.fetch_seconds
            self.decode_seconds += task.decode_seconds
            results = task.results
            self._tasks.popleft()
            self._decoder.drop(task)
            yield from results

    def cancel(self) -> None:
        """Forget the pictures that were not taken."""
        for task in self._tasks:
            self._decoder.drop(task)


def _neighbours(members: Sequence[Member]) -> Iterator[Sequence[Member]]:
    some: list[Member] = []
    total = 0
    for member in members:
        total += member.size
        if some and (len(some) == TASK_PICTURES or total > TASK_BYTES):
            yield some
            some, total = [], member.size
        some.append(member)
    if some:
        yield some
