"""What is told of a run on an engine, by the files that it has written."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import written as module
from pipeline.written import WrittenFiles
from transforms.writers import WRITER
from transforms.writers.writer import SliceFacts


def write(output: Path, name: str, *types: str) -> None:
    entities = [{"text": "A", "type": kind, "start": 0, "end": 1, "score": 0.9, "evidence": []} for kind in types]
    images = [{"key": "a.jpg", "status": "missing", "objects": [], "texts": []}]
    row = {"post_id": "1", "text": "A", "entities": entities, "images": images, "source": "posts.jsonl", "line": 1, "model": "m"}
    facts = SliceFacts("posts.jsonl", 1, 4, 1, {"where": 1}, run="r")
    WRITER.write("annotations", [row], f"{output}/annotations/{name}.parquet", facts)
    rejects = [{"stage": "post", "reason": "not_json", "source": "posts.jsonl", "line": 2, "payload": "{"}]
    WRITER.write("rejects", rejects, f"{output}/rejects/{name}.parquet")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    for folder in ("annotations", "rejects"):
        (tmp_path / folder).mkdir()
    write(tmp_path, "of-an-earlier-run", "ORG")
    return tmp_path


def test_new_files_are_counted_once(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "monotonic", lambda: 100.0)
    written = WrittenFiles(str(output))
    assert not written.counts()
    write(output, "a", "PER", "LOC")
    expected = {
        **{"rows": 1, "tagged": 1, "lines": 4, "blanks": 1, "skipped.where": 1, "images.missing": 1},
        **{"entities.PER": 1, "entities.LOC": 1, "rejects.post.not_json": 1},
    }
    assert written.counts() == written.counts() == expected
    write(output, "b", "PER")
    assert written.counts()["entities.PER"] == written.counts()["rejects.post.not_json"] == 2
    monkeypatch.setattr(module.time, "monotonic", lambda: 175.0)
    assert written.line() == "01:15, 2 files of annotations written"


def test_a_file_that_cannot_be_read_yet_is_read_later(output: Path) -> None:
    written = WrittenFiles(str(output))
    (output / "annotations" / "a.parquet").write_bytes(b"PAR1")
    assert not written.counts()
    write(output, "a", "PER")
    assert written.counts()["rows"] == 1
