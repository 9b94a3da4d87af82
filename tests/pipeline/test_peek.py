"""What `pipeline.peek` tells of an archive."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from pipeline.peek import main
from pipeline.process import EXIT_DONE, EXIT_USAGE
from tests.conftest import ROOT

SOURCES = sorted((ROOT / "tests" / "archive" / "sources").iterdir())


@pytest.mark.parametrize("source", [path for path in SOURCES if path.stem != "any-fields"], ids=lambda path: path.name)
def test_every_source_is_shown_with_a_post_and_a_command(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(source)]) == EXIT_DONE
    said = capsys.readouterr()
    assert said.err == ""
    starts = {line.split(" ", 1)[0] for line in said.out.splitlines()}
    assert {"posts", "read", "fields", "first", "post", "command"} <= starts
    assert max(map(len, said.out.splitlines())) < 600


def test_a_folder_is_shown_with_what_is_passed_over(tmp_path: Path, jpeg: Callable[..., bytes], capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "export" / "media").mkdir(parents=True)
    (tmp_path / "export" / "account.json").write_text('{"account": 7}')
    (tmp_path / "export" / "posts.jsonl").write_text(json.dumps({"id": 1, "text": "Anna in \x1b[31mParis", "images": ["a.jpg"]}))
    (tmp_path / "export" / "media" / "a.jpg").write_bytes(jpeg(1))
    assert main([f"{tmp_path}/export", "--images", f"{tmp_path}/export"]) == EXIT_DONE
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "no posts: account.json" in said
    assert "keys of posts:   a.jpg" in said
    assert "names in shards: media/a.jpg" in said
    assert f"--posts {tmp_path}/export" in said


def test_files_that_cannot_be_cut_are_named_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = b'{"id": 1, "text": "Anna in Paris"}\n'
    files = {"a.jsonl": line, "b.zst": zstandard.compress(line) * 2, "c.zst": zstandard.compress(line), "d.json": b"[" + line + b"]"}
    for name, content in (files | {f"{number}.gz": gzip.compress(line) for number in range(5)}).items():
        (tmp_path / name).write_bytes(content)
    assert main([str(tmp_path)]) == EXIT_DONE
    said = capsys.readouterr().out
    assert "several workers of an engine share each large one of 2 files: a.jsonl, b.zst\n" in said
    assert "one worker reads each of 5 files that cannot be cut (gzip): 0.gz, 1.gz, 2.gz, ...\n" in said
    assert "one worker reads each of 1 files that cannot be cut (zstd of one frame): c.zst\n" in said
    assert "one worker reads each of 1 files that cannot be cut (JSON document): d.json\n" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [('{"uid": 7, "message": "Anna"}', "add --id uid --text message"), ("", "matched no file"), (None, "matched no file")],
)
def test_mistakes_cost_one_sentence(tmp_path: Path, content: str | None, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    if content:
        (tmp_path / "posts.jsonl").write_text(content)
    assert main([f"{tmp_path}/posts.jsonl"]) == EXIT_USAGE
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said


def test_a_sample_is_annotated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    posts = "".join(json.dumps({"id": number, "text": "Anna in Paris"}) + "\n" for number in range(200))
    (tmp_path / "posts.jsonl").write_text(posts)
    assert main([f"{tmp_path}/posts.jsonl", "--sample", "20", "--detector", "none"]) == EXIT_DONE
    said = capsys.readouterr().out
    assert "sample  20 posts from 1 of 1 files" in said
    assert "whole   about 2" in said
