"""Decoding ahead: order, failures, and pictures that never end."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.images import Member
from archive.images.decode import Limits
from archive.images.image_error import ImageError
from transforms.prefetch import Decoder


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty pictures of one byte, their number."""
    path = tmp_path_factory.mktemp("shard") / "a.bin"
    path.write_bytes(bytes(range(50)))
    return path


def members(shard: Path, numbers: list[int]) -> list[Member]:
    return [Member(str(shard), number, 1, "stored") for number in numbers]


class Preparation:
    """Stands for a decoder: some bytes make it fail, some make it hang until the test is over."""

    def __init__(self, fails: set[int], hangs: set[int]) -> None:
        self.fails, self.hangs, self.over = fails, hangs, threading.Event()

    def __call__(self, data: bytes, limits: Limits) -> int:
        if data[0] in self.hangs:
            self.over.wait(60)
        if data[0] in self.fails:
            raise MemoryError
        return data[0]


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 49)), st.sets(st.integers(0, 49)), st.sets(st.integers(0, 49), max_size=2), st.integers(1, 40))
def test_each_picture_has_its_own_outcome_in_order(shard: Path, wanted: set[int], fails: set[int], hangs: set[int], ahead: int) -> None:
    hangs = {sorted(wanted)[n % len(wanted)] for n in hangs} if wanted else set()
    preprocess = Preparation(fails, hangs)
    decoder = Decoder(preprocess, Limits(decode_timeout_s=0.2))  # type: ignore[arg-type]
    try:
        found = [(member.offset, outcome) for member, outcome in decoder.prefetch(members(shard, sorted(wanted)), ahead)]
    finally:
        preprocess.over.set()
    slow, failed = ImageError("corrupt", "too_slow"), ImageError("corrupt", "decoder_failed")
    assert found == [(n, slow if n in hangs else failed if n in fails else n) for n in sorted(wanted)]


def test_a_shard_that_is_gone_costs_its_pictures_alone(shard: Path) -> None:
    lost = Member(str(shard) + "-gone", 0, 1, "stored")
    found = dict(Decoder(Preparation(set(), set()), Limits()).prefetch([*members(shard, [1, 2]), lost], 8))  # type: ignore[arg-type]
    assert [found[member] for member in members(shard, [1, 2])] == [1, 2]
    assert found[lost] == ImageError("missing", "unreadable_shard")


def test_time_in_line_is_not_time_in_the_decoder(shard: Path) -> None:
    """Many pictures that are each quick enough are all decoded, however long they take together."""

    def slowly(data: bytes, limits: Limits) -> int:
        time.sleep(0.05)
        return data[0]

    found = list(Decoder(slowly, Limits(decode_timeout_s=0.5)).prefetch(members(shard, list(range(50))), 50))  # type: ignore[arg-type]
    assert [outcome for _, outcome in found] == list(range(50))


def test_a_bad_picture_leaves_nothing_but_its_reason(shard: Path) -> None:
    """A result may be cached; a traceback or a cause would keep the bytes of the picture in memory."""

    def fails(data: bytes, limits: Limits) -> int:
        try:
            raise OSError("broken")
        except OSError as error:
            raise ImageError("corrupt", "undecodable") from error

    [(_, outcome)] = Decoder(fails, Limits()).prefetch(members(shard, [1]), 1)  # type: ignore[arg-type]
    assert isinstance(outcome, ImageError)
    assert (outcome.status, outcome.reason) == ("corrupt", "undecodable")
    assert outcome.__traceback__ is None
    assert outcome.__cause__ is None
