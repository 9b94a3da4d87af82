"""What a user must know before he trusts the rows is on the screen, in run.json and in the exit status."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.command import main
from pipeline.process import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from pipeline.verify import main as verify

Write = Callable[..., Path]
PARIS = {"id": "1", "text": "Anna in Paris"}


def run(tmp_path: Path, *arguments: str) -> int:
    return main(["--threads=1", "--detector=none", f"--output={tmp_path}/out", *arguments])


def rows(tmp_path: Path) -> list[dict[str, Any]]:
    return sorted(pq.read_table(tmp_path / "out" / "annotations").to_pylist(), key=lambda row: (row["source"], row["line"]))


def notes(tmp_path: Path) -> str:
    return "\n".join(json.loads((tmp_path / "out" / "run.json").read_text())["notes"])


def test_a_file_whose_records_are_no_posts_is_refused_with_its_keys(
    tmp_path: Path, posts_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    posts = posts_file({"status_number": 7, "message": "Anna in Paris"})
    assert run(tmp_path, f"--posts={posts}") == EXIT_USAGE
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert all(word in said for word in (str(posts), "status_number", "message", "--text"))
    assert not (tmp_path / "out").exists()
    assert run(tmp_path, f"--posts={posts}", "--id=status_number", "--text=message") == EXIT_DONE
    assert [(row["post_id"], row["text"]) for row in rows(tmp_path)] == [("7", "Anna in Paris")]


def test_a_run_without_a_row_fails(tmp_path: Path, posts_file: Write, capsys: pytest.CaptureFixture[str]) -> None:
    posts = posts_file(b"", b" ")
    assert run(tmp_path, f"--posts={posts}") == EXIT_FAILED
    assert "no post was annotated" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "run.json").read_text())["state"] == "failed"


def test_a_file_that_breaks_off_is_named_and_the_status_is_not_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = b"".join(json.dumps(PARIS | {"id": str(i), "x": "%030x" % (i**9)}).encode() + b"\n" for i in range(200))
    whole = gzip.compress(lines)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) * 2 // 3])
    assert run(tmp_path, f"--posts={tmp_path}/cut.jsonl.gz") == EXIT_FAILED
    assert "cut.jsonl.gz was not read to its end" in capsys.readouterr().err
    summary = json.loads((tmp_path / "out" / "run.json").read_text())
    assert summary["state"] == "failed"
    assert "cut.jsonl.gz" in summary["problems"][0]
    assert 50 < len(rows(tmp_path)) < 200
    assert verify([f"{tmp_path}/out"]) == EXIT_FAILED
    assert "cut.jsonl.gz was not read to its end" in capsys.readouterr().out
    assert run(tmp_path, f"--posts={tmp_path}/cut.jsonl.gz", "--resume") == EXIT_FAILED


def test_options_that_are_given_twice_both_count(tmp_path: Path, posts_file: Write, jpeg: Callable[..., bytes]) -> None:
    one = posts_file(PARIS | {"images": ["a.jpg"]}, name="one.jsonl")
    two = posts_file({"id": "2", "text": "Bob in Oslo", "images": ["b.jpg"]}, name="two.jsonl")
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.jpg").write_bytes(jpeg(1))
    images = [f"--images={tmp_path}/a", f"--images={tmp_path}/b"]
    assert run(tmp_path, f"--posts={one}", f"--posts={two}", *images) == EXIT_DONE
    assert [(row["post_id"], row["images"][0]["status"]) for row in rows(tmp_path)] == [("1", "ok"), ("2", "ok")]


def test_notes_tell_of_repeated_ids_entities_and_unused_pictures(tmp_path: Path, posts_file: Write, jpeg: Callable[..., bytes]) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_bytes(jpeg(1))
    posts = posts_file(PARIS, PARIS, {"id": "2", "text": "Marks &amp; Spencer"})
    assert run(tmp_path, f"--posts={posts}", f"--images={tmp_path}/pictures") == EXIT_DONE
    told = notes(tmp_path)
    assert "1 rows repeat the id of another row" in told
    assert "1 of 3 texts hold HTML entities" in told
    assert "no post names a picture" in told
    assert "read as postner (1 file)" in told


def test_the_note_on_keys_shows_both_sides(tmp_path: Path, posts_file: Write, jpeg: Callable[..., bytes]) -> None:
    (tmp_path / "pictures").mkdir()
    for name in ("found.jpg", "other.jpg"):
        (tmp_path / "pictures" / name).write_bytes(jpeg(1))
    posts = posts_file(*(PARIS | {"id": str(i), "images": [key]} for i, key in enumerate(("found.jpg", "p1.jpg", "p2.jpg"))))
    assert run(tmp_path, f"--posts={posts}", f"--images={tmp_path}/pictures") == EXIT_DONE
    assert "1 of 3 keys of pictures were found" in notes(tmp_path)
    assert all(name in notes(tmp_path) for name in ("p1.jpg", "p2.jpg", "other.jpg"))


def test_records_that_are_no_posts_by_their_source_are_counted_by_kind(
    tmp_path: Path, posts_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    tweet = {"id": 2**60, "id_str": str(2**60), "text": "AT&amp;T in Dallas", "user": {"id_str": "5"}}
    posts = posts_file(tweet, {"delete": {"status": {"id": 4, "id_str": "4"}}})
    assert run(tmp_path, f"--posts={posts}") == EXIT_DONE
    summary = json.loads((tmp_path / "out" / "run.json").read_text())
    assert summary["lines"] == 2
    assert sum(summary["skipped"].values()) == 1
    assert "1 skipped" in capsys.readouterr().out
    assert [(row["post_id"], row["text"]) for row in rows(tmp_path)] == [(str(2**60), "AT&T in Dallas")]
    assert json.loads(rows(tmp_path)[0]["extra"])["text"] == "AT&amp;T in Dallas"
    assert "read as x-stream" in notes(tmp_path)
    assert verify([f"{tmp_path}/out"]) == EXIT_DONE


def test_what_is_passed_over_in_a_folder_is_named(tmp_path: Path, posts_file: Write, jpeg: Callable[..., bytes]) -> None:
    folder = tmp_path / "archive" / "2024" / "01"
    folder.mkdir(parents=True)
    posts_file(PARIS).rename(folder / "posts.ndjson")
    (folder / "photo.jpg").write_bytes(jpeg(1))
    (folder / "_SUCCESS").touch()
    assert run(tmp_path, f"--posts={tmp_path}/archive") == EXIT_DONE
    assert len(rows(tmp_path)) == 1
    assert "photo.jpg" in notes(tmp_path)
