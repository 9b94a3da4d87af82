"""`--where`, `--limit` and shares that are too large."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from archive.posts.fields.presets import PRESETS
from pipeline.command import main
from pipeline.limit import limited
from pipeline.process import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from pipeline.verify import main as verify


def run(output: Path, *arguments: str) -> int:
    return main(["--threads=1", "--detector=none", f"--output={output}", *arguments])


def ids(output: Path) -> list[str]:
    return sorted(pq.read_table(output / "annotations", columns=["post_id"])["post_id"].to_pylist())


def summary(output: Path) -> dict[str, Any]:
    return json.loads((output / "run.json").read_text())


def test_where_leaves_out_and_counts_the_others(tmp_path: Path, posts_file: Callable[..., Path]) -> None:
    posts = posts_file(
        {"id": 1, "text": "a", "user": {"lang": "en"}},
        {"id": 2, "text": "b", "user": {"lang": "es"}},
        {"id": 3, "text": "c"},
        {"id": 4, "text": "d", "user": {"lang": "en"}, "sensitive": True},
        {"no": "post", "user": {"lang": "en"}},
    )
    out = tmp_path / "out"
    assert run(out, f"--posts={posts}", "--where=user.lang=en", "--where=!sensitive") == EXIT_DONE
    assert ids(out) == ["1"]
    told = summary(out)
    assert told["skipped"] == {"where": 3}
    assert told["lines"] == told["rows"] + sum(told["skipped"].values()) + told["rejects"]["post"]["no_id"] == 5
    assert verify([str(out)]) == EXIT_DONE
    assert run(out, f"--posts={posts}", "--where=user.lang=en", "--resume") == EXIT_USAGE
    assert run(out, f"--posts={posts}", "--where=user.lang=en", "--where=!sensitive", "--resume") == EXIT_DONE


def test_limit_takes_the_first_posts_of_the_sorted_files(tmp_path: Path, posts_file: Callable[..., Path]) -> None:
    for name, first in (("b", 100), ("a", 0), ("c", 200)):
        posts_file(b"", *({"id": first + i, "text": "t"} for i in range(70)), name=f"{name}.jsonl")
    out = tmp_path / "out"
    assert run(out, f"--posts={tmp_path}/*.jsonl", "--limit=75") == EXIT_DONE
    assert ids(out) == sorted(str(i) for i in [*range(70), *range(100, 105)])
    assert summary(out)["lines"] == 77
    assert verify([str(out)]) == EXIT_DONE
    (out / "annotations" / next(path.name for path in (out / "annotations").iterdir())).unlink()
    told = summary(out)
    for of_file in told["inputs"]["posts"].values():
        of_file["lines"] = None
    (out / "run.json").write_text(json.dumps(told))
    assert run(out, f"--posts={tmp_path}/*.jsonl", "--limit=75", "--resume") == EXIT_DONE
    assert len(ids(out)) == 75
    assert run(out, f"--posts={tmp_path}/*.jsonl", "--limit=76", "--resume") == EXIT_USAGE
    posts_file({"id": "early", "text": "t"}, name="0.jsonl")
    assert run(out, f"--posts={tmp_path}/*.jsonl", "--limit=75", "--resume") == EXIT_USAGE
    assert len(ids(out)) == 75


def test_a_line_that_is_too_long_is_no_post_of_the_limit(posts_file: Callable[..., Path]) -> None:
    fields = PRESETS["postner"].fields("postner")
    path = str(posts_file(b'{"id": 1, "text": "a"}' + b" " * 3000, {"id": 2, "text": "b"}, {"id": 3, "text": "c"}))
    assert limited({path: fields}, 1, 2000)[path].lines == 2
    assert limited({path: fields}, 3, 2000)[path].lines is None


@pytest.mark.parametrize(("share", "status"), [("0.5", EXIT_DONE), ("0.49", EXIT_FAILED)])
def test_shares_that_are_too_large_fail_the_run_and_keep_the_rows(
    share: str, status: int, tmp_path: Path, posts_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    posts = posts_file({"id": 1, "text": "a", "images": ["none.jpg"]}, b"{", b"")
    out = tmp_path / "out"
    assert run(out, f"--posts={posts}", f"--max_reject_share={share}") == status
    said = capsys.readouterr().err
    assert ("1 of 2 posts were rejected (50.0%)" in said) == (status == EXIT_FAILED)
    assert summary(out)["state"] == ("failed" if status else "done")
    assert ids(out) == ["1"]
    assert run(out, f"--posts={posts}", "--max_missing_share=0.9", "--resume") == EXIT_FAILED
    assert "1 of 1 keys of pictures were not found" in capsys.readouterr().err
