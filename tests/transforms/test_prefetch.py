"""Decoding ahead: order, failures, bytes in flight, and callers that wait for each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.images import Member
from archive.images.decode import Limits
from archive.images.image_error import ImageError
from tests.decoders import StandIn, number_of
from transforms.prefetch import Decoder, thread_count


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty pictures of one byte, their number, over and over."""
    path = tmp_path_factory.mktemp("shard") / "a.bin"
    path.write_bytes(bytes(range(50)) * 200)
    return path


@pytest.fixture
def decoder() -> Iterator[Callable[..., Decoder]]:
    """Makes decoders and ends them after the test."""
    made: list[Decoder] = []

    def make(preprocess: StandIn | None = None, threads: int = 2, **options: Any) -> Decoder:
        made.append(Decoder(preprocess or StandIn(), threads, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def members(shard: Path, numbers: list[int] | range) -> list[Member]:
    return [Member(str(shard), number, 1, "stored") for number in numbers]


@settings(max_examples=6, deadline=None)
@given(st.sets(st.integers(0, 49)), st.sets(st.integers(0, 49)), st.sets(st.integers(0, 49), max_size=3), st.integers(1, 20_000))
def test_each_picture_has_its_own_outcome_in_order(shard: Path, wanted: set[int], damaged: set[int], crashes: set[int], limit: int) -> None:
    decoder = Decoder(StandIn(damaged=frozenset(damaged), crashes=frozenset(crashes)), 2, limit_bytes=limit)
    try:
        found = [(member.offset, number_of(outcome)) for member, outcome in decoder.submit(members(shard, sorted(wanted)))]
    finally:
        decoder.close()
    assert found == [(n, "undecodable" if n in damaged else "decoder_crashed" if n in crashes else n) for n in sorted(wanted)]
    assert decoder.held_bytes == 0


def test_a_shard_that_is_gone_costs_its_pictures_alone(shard: Path, decoder: Callable[..., Decoder]) -> None:
    lost = Member(str(shard) + "-gone", 0, 1, "stored")
    found = dict(decoder().submit([*members(shard, [1, 2]), lost]))
    assert [number_of(found[member]) for member in members(shard, [1, 2])] == [1, 2]
    assert found[lost] == ImageError("missing", "unreadable_shard")


def test_time_in_line_is_not_time_in_the_decoder(shard: Path, decoder: Callable[..., Decoder]) -> None:
    """Many pictures that are each quick enough are all decoded, however long they take together."""
    slowly = decoder(StandIn(Limits(decode_timeout_s=0.5), seconds=0.03))
    assert [number_of(outcome) for _, outcome in slowly.submit(members(shard, range(50)))] == list(range(50))


def test_a_bad_picture_leaves_nothing_but_its_reason(shard: Path, decoder: Callable[..., Decoder]) -> None:
    """A result may be cached; a traceback or a cause would keep the bytes of the picture in memory."""
    [(_, outcome)] = decoder(StandIn(damaged=frozenset({1}))).submit(members(shard, [1]))
    assert isinstance(outcome, ImageError)
    assert (outcome.status, outcome.reason) == ("corrupt", "undecodable")
    assert outcome.__traceback__ is None
    assert outcome.__cause__ is None


def test_bytes_in_flight_stay_below_the_limit(shard: Path, decoder: Callable[..., Decoder]) -> None:
    """Ten thousand pictures and a slow caller: the limit is reached and never exceeded."""
    each = StandIn().image_bytes
    limited = decoder(threads=3, limit_bytes=100 * each)
    highest = 0
    taken = []
    for index, (_, outcome) in enumerate(limited.submit(members(shard, range(10_000)))):
        if index % 400 == 0:
            time.sleep(0.02)
        highest = max(highest, limited.held_bytes)
        taken.append(number_of(outcome))
    assert taken == [n % 50 for n in range(10_000)]
    assert 40 * each < highest <= 100 * each


def test_decoding_runs_ahead_over_submissions(shard: Path, decoder: Callable[..., Decoder]) -> None:
    ahead = decoder()
    first, second = ahead.submit(members(shard, range(10))), ahead.submit(members(shard, range(10, 30)))
    until = time.monotonic() + 20
    while ahead.held_bytes != 30 * StandIn().image_bytes and time.monotonic() < until:
        time.sleep(0.01)
    assert ahead.held_bytes == 30 * StandIn().image_bytes
    assert [number_of(outcome) for _, outcome in [*first, *second]] == list(range(30))
    assert ahead.held_bytes == 0


def test_what_is_cancelled_leaves_nothing(shard: Path, decoder: Callable[..., Decoder]) -> None:
    """Whether its tasks are done, under way or waiting."""
    limited = decoder(StandIn(seconds=0.005), limit_bytes=20 * StandIn().image_bytes)
    begun, other = limited.submit(members(shard, range(1000))), limited.submit(members(shard, range(5)))
    next(iter(begun))
    begun.cancel()
    assert [number_of(outcome) for _, outcome in other] == list(range(5))
    until = time.monotonic() + 10
    while limited.held_bytes and time.monotonic() < until:
        time.sleep(0.01)
    assert limited.held_bytes == 0


def test_a_caller_that_waits_hears_of_the_cancelling(shard: Path, decoder: Callable[..., Decoder]) -> None:
    slow = decoder(StandIn(seconds=0.5), threads=1)
    submission = slow.submit(members(shard, range(20)))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(list, submission)
        time.sleep(0.2)
        submission.cancel()
        assert isinstance(waiting.exception(timeout=20), CancelledError)


def test_two_callers_do_not_block_each_other(shard: Path, decoder: Callable[..., Decoder]) -> None:
    """The later one takes first, while the earlier one's pictures fill the memory."""
    limited = decoder(limit_bytes=10 * StandIn().image_bytes)
    earlier, later = limited.submit(members(shard, range(40))), limited.submit(members(shard, range(40)))
    for submission in (later, earlier):
        found: list[Any] = []
        taking = threading.Thread(target=lambda to, take: to.extend(take), args=(found, submission), daemon=True)
        taking.start()
        taking.join(30)
        assert [number_of(outcome) for _, outcome in found] == list(range(40))


def test_processes_that_cannot_start_end_the_run(shard: Path, decoder: Callable[..., Decoder]) -> None:
    broken = decoder(StandIn(crash_once=BreaksInTheChild()))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="cannot be started"):
        list(broken.submit(members(shard, [1])))


class BreaksInTheChild:
    """Cannot be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


def test_no_pictures(decoder: Callable[..., Decoder]) -> None:
    assert list(decoder().submit([])) == []


@pytest.mark.parametrize(
    ("given_threads", "workers", "device", "cores", "expected"),
    [
        (0, 1, "cpu", 2, 2),
        (0, 1, "cpu", 16, 4),
        (0, 1, "cuda", 16, 16),
        (0, 4, "cuda", 16, 4),
        (0, 8, "cuda", 8, 2),
        (6, 3, "cpu", 2, 2),
        (1, 2, "cpu", 2, 1),
    ],
)
def test_thread_count(monkeypatch: pytest.MonkeyPatch, given_threads: int, workers: int, device: str, cores: int, expected: int) -> None:
    monkeypatch.setattr("transforms.prefetch.usable_cores", lambda: cores)
    assert thread_count(given_threads, workers, device) == expected
