"""The progress line: it fits, it moves, it tells the rate of the last minute."""

from __future__ import annotations

import io
import re
import time
from collections import Counter

import pytest

from pipeline import logs
from pipeline import progress as module
from pipeline.progress import PostsLine, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [20, 80, 200])
def test_on_a_terminal_the_line_fits_and_is_removed_at_the_end(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(module, "TERMINAL_S", 0.01)
    stream = Terminal()
    with Progress(stream) as progress:
        progress.now("indexing " + "x" * 300)
        time.sleep(0.1)
        progress.follow(lambda: "posts " + "y" * 300, Counter)
        time.sleep(0.1)
    lines = re.split(r"\r\x1b\[2K", stream.getvalue())
    assert "\n" not in stream.getvalue()
    assert max(map(len, lines)) == columns - 1
    assert any(line.startswith("indexing") for line in lines)
    assert any(line.startswith("posts") for line in lines)
    assert lines[-1] == ""


def test_in_a_log_every_line_has_a_date(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    with Progress(log_s=0.02) as progress:
        progress.now("loading the models")
        time.sleep(0.15)
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d postner: loading the models", line) for line in lines)


def test_rate_and_time_left_are_those_of_the_last_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    counts: Counter[str] = Counter(lines=1000, posts=900, pictures=7)
    line = PostsLine(lambda: counts, lambda: 10_100)
    assert line() == ""
    for second in range(100):  # ten posts a second, then two
        clock[0] = second
        counts["tagged"] += 10
        line()
    for second in range(100, 200):
        clock[0] = second
        counts["tagged"] += 2
        shown = line()
    assert "2.0/s" in shown
    assert "1,200 of 10,000 posts" in shown
    assert shown.startswith("12%")
    assert "1:13:20 left" in shown


def test_without_a_total_no_share_and_no_time_left_is_claimed() -> None:
    shown = PostsLine(lambda: Counter(tagged=5, posts=9, lines=9), lambda: None)()
    assert shown.startswith("5 posts, ")
    assert "left" not in shown


def test_within_a_slice_detection_moves_share_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    counts: Counter[str] = Counter({"lines": 1000, "posts": 1000, "pictures": 1, "tagged": 0})
    counts["time.detect_usec"], counts["time.tag_usec"] = 3, 1
    line = PostsLine(lambda: counts, lambda: 1000)
    for second in range(1, 51):  # one slice: 8 posts a second are detected, none is tagged
        clock[0] = second
        counts["detected"] += 8
        shown = line()
    assert shown.startswith("30% 0 of 1,000 posts, 6.0/s, 01:56 left")


def test_what_an_earlier_run_did_is_no_part_of_the_total() -> None:
    counts: Counter[str] = Counter(lines=100, posts=90, tagged=45, done_before=400)
    assert PostsLine(lambda: counts, lambda: 1000)().startswith("8% 45 of 590 posts")


def test_what_is_done_never_shrinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tagging the first posts may show that detection counts for less than it was taken for."""
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    counts: Counter[str] = Counter(pictures=400, posts=400, detected=400, lines=400)
    line = PostsLine(lambda: counts, lambda: 400)
    clock[0] = 10.0
    assert line().startswith("80% ")
    clock[0], counts["tagged"] = 20.0, 4
    counts["time.detect_usec"] = counts["time.read_usec"] = counts["time.tag_usec"] = 3
    assert line().startswith("80% 4 of 400 posts, 16.0/s")
