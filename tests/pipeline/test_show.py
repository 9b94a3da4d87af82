"""What a person sees: annotated posts on a terminal, and the progress line."""

from __future__ import annotations

import io
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import progress
from pipeline.progress import Progress, of_counts, of_files
from pipeline.show import printable, rendered


def test_entities_and_pictures_are_shown() -> None:
    entity = {"text": "Paris", "type": "LOC", "start": 3, "end": 8, "score": 0.987}
    image = {"key": "a.jpg", "status": "ok", "objects": [{"label": "cat", "score": 0.5}]}
    assert rendered({"text": "in Paris!", "entities": [entity], "images": [image]}) == "in [Paris LOC 0.99]!\n    a.jpg: ok, cat 0.50"


@given(st.text())
def test_nothing_in_a_post_can_steer_the_terminal(text: str) -> None:
    shown = printable(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\u2066\u2028" for c in shown)


def test_progress_line_tells_posts_rate_and_pictures() -> None:
    shown = of_counts(Counter(rows=50, posts=200, pictures=1234), seconds=10)
    assert "50/200" in shown
    assert "5.00 posts/s" in shown
    assert "00:30" in shown
    assert "1,234 pictures" in shown


def test_progress_of_work_elsewhere_tells_files() -> None:
    assert of_files(1234, seconds=75.0) == "01:15, 1,234 files of annotations written"


def test_progress_is_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.05)
    with Progress(lambda seconds: of_counts(Counter(rows=1, posts=2), seconds), stream):
        time.sleep(0.5)
    lines = stream.getvalue().splitlines()
    assert len(lines) >= 2
    assert all("1/2" in one and "\r" not in one for one in lines)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_redraws_one_line_on_a_terminal_and_wipes_it_at_the_end() -> None:
    stream = Terminal()
    with Progress(lambda seconds: of_counts(Counter(rows=1, posts=2), seconds), stream):
        time.sleep(1.2)
    assert "\n" not in stream.getvalue()
    assert stream.getvalue().count("\r") >= 2
    assert stream.getvalue().endswith("\r\x1b[2K")
