"""What a person sees: annotated posts on a terminal, and the progress line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import Table, parquet

from demo.make_images import command as make_images
from pipeline.show import main as show
from pipeline.show import printable, rendered

ROOT = Path(__file__).parent.parent.parent


def test_entities_and_pictures_are_shown() -> None:
    entity = {"text": "Paris", "type": "LOC", "start": 3, "end": 8, "score": 0.987}
    image = {"key": "a.jpg", "status": "ok", "objects": [{"label": "cat", "score": 0.5}]}
    assert rendered({"text": "in Paris!", "entities": [entity], "images": [image]}) == "in [Paris LOC 0.99]!\n    a.jpg: ok, cat 0.50"


@given(st.text())
def test_nothing_in_a_post_can_steer_the_terminal(text: str) -> None:
    shown = printable(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\u2066\u2028" for c in shown)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    entity = {"text": "Paris", "type": "LOC", "start": 0, "end": 5, "score": 0.9}
    image = {"key": "a.jpg", "status": "missing", "objects": [{"label": "cat", "score": 0.5}]}
    rows = [{"text": f"Paris {i}", "entities": [entity], "images": [image]} for i in range(10)]
    (tmp_path / "annotations").mkdir()
    parquet.write_table(Table.from_pylist(rows), tmp_path / "annotations" / "a.parquet")
    return tmp_path


@pytest.mark.parametrize(("more", "posts"), [([], 8), (["1"], 1), (["50"], 10)])
def test_the_first_posts_are_shown(output: Path, more: list[str], posts: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert show([str(output), *more]) == 0
    assert capsys.readouterr().out.count("LOC") == posts


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5", "", "\u00b2"])
def test_a_wrong_number_is_refused_in_one_line(output: Path, limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        show([str(output), limit])
    assert ended.value.code == 2
    [told] = capsys.readouterr().err.splitlines()
    assert told == f"pipeline.show: N is {limit!r}: give a whole number of 1 or more"


@pytest.mark.parametrize("arguments", [[], ["no-such-folder"], ["README.md"], ["docs"], ["docs", "1", "2"]])
def test_show_refuses_wrong_arguments_in_one_line(arguments: list[str]) -> None:
    assert_refused("pipeline.show", arguments)


def test_show_refuses_an_output_without_rows(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    assert_refused("pipeline.show", [str(tmp_path)])


@pytest.mark.parametrize("arguments", [[], ["no-such-folder"], ["README.md"]])
def test_make_images_refuses_wrong_arguments_in_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert make_images(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def assert_refused(module: str, arguments: list[str]) -> None:
    ended = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    [told] = ended.stderr.splitlines()
    assert told.startswith(f"{module}: ")
