"""Decoding in a child process: exactness, crashes, hangs, memory, and no process that outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from archive.images.decode import Limits
from archive.images.image_error import ImageError
from models.vision.images.decode_process import DecodeProcess, Preprocessing
from models.vision.images.preprocess import Preprocess
from tests.conftest import ROOT
from tests.decoders import StandIn, number_of


@pytest.fixture
def start() -> Iterator[Callable[[Preprocessing], DecodeProcess]]:
    """Makes decoding processes and ends them after the test."""
    started: list[DecodeProcess] = []

    def make(preprocess: Preprocessing) -> DecodeProcess:
        started.append(DecodeProcess(preprocess))
        return started[-1]

    yield make
    for process in started:
        process.close()


def numbers(process: DecodeProcess, pictures: bytes) -> list[int | str]:
    return [number_of(process.decode(bytes([number]))) for number in pictures]


@pytest.mark.parametrize("crop_side", [0, 32])
def test_pixels_are_those_of_this_process(start: Callable[..., DecodeProcess], jpeg: Callable[..., bytes], crop_side: int) -> None:
    preprocess = Preprocess(Limits(), 64, crop_side)
    process = start(preprocess)
    for seed, size in enumerate([(80, 60), (1, 50), (64, 64), (3000, 2000)]):
        data = jpeg(seed, size)
        here, there = preprocess(data), process.decode(data)
        assert not isinstance(there, ImageError)
        assert np.array_equal(there.canvas.pixels, here.canvas.pixels)
        assert (there.crop is None) == (crop_side == 0)
        assert there.crop is None or np.array_equal(there.crop, here.crop)
        for name in ("left", "top", "right", "bottom", "width", "height"):
            assert getattr(there.canvas, name) == getattr(here.canvas, name)


def test_a_large_picture_gives_its_memory_back(start: Callable[..., DecodeProcess], jpeg: Callable[..., bytes]) -> None:
    process = start(Preprocess(Limits(), 64))
    first = process.decode(jpeg(1))
    assert process.decode(b"x" * 6 * 2**20) == ImageError("corrupt", "not_an_image")
    again = process.decode(jpeg(1))
    assert not isinstance(first, ImageError)
    assert not isinstance(again, ImageError)
    assert np.array_equal(again.canvas.pixels, first.canvas.pixels)


def test_errors_have_their_reasons(start: Callable[..., DecodeProcess]) -> None:
    process = start(StandIn(damaged=frozenset({1}), fails=frozenset({2})))
    assert numbers(process, b"\0\1\2\3") == [0, "undecodable", "decoder_failed", 3]


@pytest.mark.parametrize("kind", ["crashes", "aborts"])
def test_a_crash_costs_one_picture(start: Callable[..., DecodeProcess], kind: str) -> None:
    process = start(StandIn(**{kind: frozenset({1})}))  # type: ignore[arg-type]
    assert numbers(process, b"\0\1\2\1\3") == [0, "decoder_crashed", 2, "decoder_crashed", 3]


def test_a_picture_that_ends_one_process_is_tried_again(start: Callable[..., DecodeProcess], tmp_path: Path) -> None:
    process = start(StandIn(crashes=frozenset({1}), crash_once=str(tmp_path / "crashed")))
    assert numbers(process, b"\0\1\2") == [0, 1, 2]
    assert (tmp_path / "crashed").exists()


def test_a_decoder_that_hangs_is_ended(start: Callable[..., DecodeProcess]) -> None:
    process = start(StandIn(Limits(decode_timeout_s=0.3), hangs=frozenset({1})))
    numbers(process, b"\0")
    begin = time.monotonic()
    assert numbers(process, b"\1") == ["too_slow"]
    assert time.monotonic() - begin < 10
    assert numbers(process, b"\2") == [2]


def test_time_between_pictures_does_not_count(start: Callable[..., DecodeProcess]) -> None:
    process = start(StandIn(Limits(decode_timeout_s=0.3)))
    numbers(process, b"\0")
    time.sleep(0.6)
    assert numbers(process, b"\1") == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="only there memory is limited")
def test_memory_is_limited(start: Callable[..., DecodeProcess]) -> None:
    assert numbers(start(StandIn(Limits(max_image_pixels=10**6), grows=frozenset({1}))), b"\1\2") == ["decoder_failed", 2]


def test_a_process_that_cannot_start_ends_the_run(start: Callable[..., DecodeProcess], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="cannot be started"):
        start(StandIn()).decode(b"\0")


def test_the_child_needs_no_torch() -> None:
    asked = "import sys, models.vision.images.decode_child; sys.exit('torch' in sys.modules or 'apache_beam' in sys.modules)"
    subprocess.run([sys.executable, "-c", asked], cwd=ROOT, check=True)


PARENT = """
import sys
from archive.images.decode import Limits
from models.vision.images.decode_process import DecodeProcess
from tests.decoders import StandIn
idle, hung = DecodeProcess(StandIn()), DecodeProcess(StandIn(Limits(decode_timeout_s=100), hangs=frozenset({1})))
for process in (idle, hung):
    process.decode(bytes([0]))
    print(process._process.pid, flush=True)
hung.decode(bytes([1]))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_its_parent(how: signal.Signals) -> None:
    """Neither one that waits nor one that hangs in native code."""
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        children = [int(parent.stdout.readline()) for _ in range(2)]
        time.sleep(0.2)  # for the second one to be at the picture that hangs
        parent.send_signal(how)
        parent.wait()
    until = time.monotonic() + 10
    while any(is_alive(child) for child in children) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(is_alive(child) for child in children)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z")  # one that nobody waits for yet
