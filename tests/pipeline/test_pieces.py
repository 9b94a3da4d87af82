"""The whole command where files are cut, as on an engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from archive.posts.slices import read_slices
from pipeline.command import main
from pipeline.inspection import inspect
from pipeline.process import EXIT_DONE

LINES = 200


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A plain file, one of zstd frames that end within lines, and one of Parquet row groups; each has three slices."""
    folder = tmp_path / "in"
    folder.mkdir()
    posts = [{"id": str(number), "text": "" if number % 9 else "Anna in Paris"} for number in range(LINES)]
    lines = [json.dumps(post).encode() for post in posts]
    lines[5], lines[99] = b"{", b""
    raw = b"\n".join(lines)
    (folder / "a.jsonl").write_bytes(raw)
    (folder / "b.zst").write_bytes(b"".join(zstandard.compress(raw[start : start + 999]) for start in range(0, len(raw), 999)))
    pq.write_table(pa.Table.from_pylist(posts), folder / "c.parquet", row_group_size=30)
    return folder


@contextmanager
def as_on_an_engine(pieces_read: list[int]) -> Iterator[None]:
    """Cut files into small pieces, and note the first line of each piece that is read."""

    def noted(*given: Any) -> Any:
        if given[-1]:
            pieces_read.append(given[-1].first_line)
        return read_slices(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.graph.Work.is_local", False)
        patch.setattr("archive.posts.pieces.PIECE_BYTES", 100)
        for module in ("packing.stream", "packing.compressed", "places"):
            patch.setattr(f"archive.posts.{module}.CHUNK_BYTES", 200)
        patch.setattr("transforms.read_posts.read_slices", noted)
        yield


def content(output: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of each file."""
    return {str(path.relative_to(output)): pq.read_table(path).to_pylist() for path in sorted(output.rglob("*.parquet"))}


def lose(output: Path, part: str) -> None:
    """Leave a run as if it had been killed before the slices with `part` in their names."""
    state = json.loads((output / "run.json").read_text())
    for file in state["inputs"]["posts"].values():
        file["lines"] = None
    (output / "run.json").write_text(json.dumps(state | {"state": "running"}))
    for path in output.glob(f"annotations/*{part}*"):
        path.unlink()


def test_pieces_give_the_files_and_rows_of_whole_files_and_each_resumes_the_other(archive: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    pieces: list[int] = []
    command = [f"--posts={archive}", "--detector=none", "--threads=1"]
    assert main([*command, f"--output={whole}"]) == EXIT_DONE
    with as_on_an_engine(pieces):
        assert main([*command, f"--output={cut}"]) == EXIT_DONE
    expected = content(whole)
    assert content(cut) == expected
    assert sorted(pieces) == [1, 1, 1, 65, 65, 65, 193, 193, 193]
    told = [json.loads((output / "run.json").read_text()) for output in (whole, cut)]
    assert told[0]["sources"] == told[1]["sources"]
    assert inspect(str(cut)) == []
    lose(cut, "000000065")
    assert main([*command, f"--output={cut}", "--resume"]) == EXIT_DONE
    lose(whole, "000000193")
    pieces.clear()
    with as_on_an_engine(pieces):
        assert main([*command, f"--output={whole}", "--resume"]) == EXIT_DONE
    assert pieces == [193, 193, 193]  # pieces that are done are not read
    assert content(whole) == content(cut) == expected
    resumed = json.loads((whole / "run.json").read_text())
    assert resumed["posts_annotated"] == 3 * (LINES - 192)
