"""The command, end to end, on small archives."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.command import main
from pipeline.process import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from tests.conftest import DEMO, ROOT


def run(*arguments: str) -> int:
    return main(["--threads=1", *arguments])


def rows(output: Path | str) -> list[dict[str, Any]]:
    frame = pq.read_table(f"{output}/annotations")
    return sorted(frame.to_pylist(), key=lambda row: (row["post_id"], row["source"], row["line"]))


def rejects(output: Path | str) -> list[tuple[str, str]]:
    return sorted((r["stage"], r["reason"]) for r in pq.read_table(f"{output}/rejects").to_pylist())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo archive, annotated once."""
    output = tmp_path_factory.mktemp("demo") / "out"
    assert run(f"--posts={DEMO}/posts-*.jsonl", f"--images={DEMO}/images-*.tar", f"--output={output}") == EXIT_DONE
    return output


def test_every_line_is_accounted_for(demo: Path) -> None:
    summary = json.loads((demo / "run.json").read_text())
    lines = sum(len(path.read_text().splitlines()) for path in DEMO.glob("*.jsonl"))
    assert summary["lines"] == lines
    assert lines == summary["rows"] + 1 + summary["blanks"]
    assert summary["rejects"]["post"] == {"not_json": 1}
    assert set(summary["rejects"]) == {"post", "image"}


def test_report_equals_what_outside_readers_count(demo: Path) -> None:
    summary = json.loads((demo / "run.json").read_text())
    files = f"'{demo}/annotations/*.parquet'"
    by_type = duckdb.sql(f"select e.type, count(*) from (select unnest(entities) e from {files}) group by 1").fetchall()
    by_status = duckdb.sql(f"select i.status, count(*) from (select unnest(images) i from {files}) group by 1").fetchall()
    assert dict(by_type) == summary["entities"]
    assert dict(by_status) == summary["images"]
    frame = pd.read_parquet(demo / "annotations")
    assert len(frame) == summary["rows"]
    assert frame["entities"].map(len).sum() == sum(summary["entities"].values())
    assert duckdb.sql(f"select count(*) from '{demo}/rejects/*.parquet'").fetchall() == [
        (sum(n for stage in summary["rejects"].values() for n in stage.values()),)
    ]


def test_rows_hold_what_the_contract_says(demo: Path) -> None:
    for row in rows(demo):
        assert all(row["text"][e["start"] : e["end"]] == e["text"] and 0 < e["score"] <= 1 for e in row["entities"])
        for image in row["images"]:
            assert (image["width"] is not None) == (image["status"] in ("ok", "partial"))
            for found in image["objects"]:
                x1, y1, x2, y2 = found["box"]
                assert 0 <= x1 <= x2 <= image["width"]
                assert 0 <= y1 <= y2 <= image["height"]
        keys = {image["key"] for image in row["images"] if image["status"] in ("ok", "partial")}
        assert {evidence["image"] for e in row["entities"] for evidence in e["evidence"]} <= keys
        assert all(0 <= sum(found["weight"] for found in e["evidence"]) <= 1.0001 for e in row["entities"])
    statuses = {image["key"]: image["status"] for row in rows(demo) for image in row["images"]}
    assert statuses["truncated.jpg"] == "partial"
    assert statuses["not-a-picture.jpg"] == "corrupt"
    assert statuses["lost-photo.jpg"] == statuses["../../etc/passwd"] == "missing"
    assert statuses["bomb.png"] == "too_large"
    by_id = {row["post_id"]: row for row in rows(demo)}
    assert by_id["1023"]["extra"] == '{"lang":"en"}'
    assert by_id["1032"]["text"] == ""
    assert by_id["demo-03"]["images"] == []
    assert by_id["demo-02"]["images"][0]["objects"][0]["label"] == "person"


def test_schema_is_versioned_and_compressed(demo: Path) -> None:
    for path in demo.glob("*/*.parquet"):
        file = pq.ParquetFile(path)
        assert file.schema_arrow.metadata[b"postner.schema_version"] == b"2"
        assert file.metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize("batch_size", [1, 7])
def test_rows_do_not_depend_on_the_batch_size(demo: Path, tmp_path: Path, batch_size: int) -> None:
    arguments = [f"--posts={DEMO}/posts-*.jsonl", f"--images={DEMO}/images-*.tar", f"--batch_size={batch_size}"]
    assert run(*arguments, f"--output={tmp_path}/out") == EXIT_DONE
    assert rows(tmp_path / "out") == rows(demo)


def test_the_script_itself_prints_a_summary_and_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "run_pipeline.py", f"--posts={DEMO}/posts-00000.jsonl", f"--output={tmp_path}/out", "--detector=none"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
    assert (done.returncode, done.stderr) == (EXIT_DONE, "")
    assert "22 = 21 posts annotated + 1 rejected + 0 blank" in done.stdout
    assert {image["status"] for row in rows(tmp_path / "out") for image in row["images"]} == {"missing"}


def test_empty_input_gives_an_empty_dataset(tmp_path: Path, posts_file: Callable[..., Path]) -> None:
    assert run(f"--posts={posts_file()}", f"--output={tmp_path}/out") == EXIT_DONE
    assert rows(tmp_path / "out") == rejects(tmp_path / "out") == []
    assert duckdb.sql(f"select count(*) from '{tmp_path}/out/annotations/*.parquet'").fetchall() == [(0,)]


def test_pictures_of_one_key(tmp_path: Path, posts_file: Callable[..., Path], jpeg: Callable[..., bytes]) -> None:
    posts = posts_file({"id": "twice", "text": "", "images": ["a.jpg", "a.jpg", "twin.jpg"]})
    with tarfile.open(tmp_path / "images-0.tar", "w") as archive:
        for name, data in (("a.jpg", jpeg(1)), ("twin.jpg", jpeg(2)), ("twin.jpg", jpeg(3))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    (tmp_path / "images-1.tar").write_bytes(b"not a tar")
    assert run(f"--posts={posts}", f"--images={tmp_path}/images-*.tar", f"--output={tmp_path}/out") == EXIT_DONE
    assert [image["status"] for row in rows(tmp_path / "out") for image in row["images"]] == ["ok"] * 3
    assert rejects(tmp_path / "out") == [("shard", "damaged")]


def test_folder_of_pictures_and_store_of_objects(tmp_path: Path, posts_file: Callable[..., Path], jpeg: Callable[..., bytes]) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_bytes(jpeg(1))
    posts = posts_file({"id": 1, "text": "Paris", "images": ["a.jpg"]})
    assert run(f"--posts={posts}", f"--images={tmp_path}/pictures", f"--output={tmp_path}/out") == EXIT_DONE
    store = fsspec.filesystem("memory")
    store.put(str(posts), "/in/posts.jsonl")
    store.put(str(tmp_path / "pictures") + "/", "/in/pictures/", recursive=True)
    assert run("--posts=memory://in/posts.jsonl", "--images=memory://in/pictures/", "--output=memory://out") == EXIT_DONE
    store.get("/out/", f"{tmp_path}/from-store/", recursive=True)
    here, there = rows(tmp_path / "out"), rows(tmp_path / "from-store")
    assert [row["images"] for row in here] == [row["images"] for row in there]
    assert there[0]["images"][0]["status"] == "ok"


def test_overwrite_replaces_an_earlier_run_whole(tmp_path: Path, posts_file: Callable[..., Path]) -> None:
    one = posts_file({"id": 1, "text": "a"}, name="one.jsonl")
    two = posts_file({"id": 2, "text": "b"}, name="two.jsonl")
    assert run(f"--posts={one}", f"--output={tmp_path}/out") == EXIT_DONE
    assert run(f"--posts={two}", f"--output={tmp_path}/out") == EXIT_USAGE
    assert run(f"--posts={two}", f"--output={tmp_path}/out", "--overwrite") == EXIT_DONE
    assert [row["post_id"] for row in rows(tmp_path / "out")] == ["2"]


def test_a_full_disk_is_one_sentence_and_leaves_whole_files(
    tmp_path: Path, posts_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    posts = posts_file(*({"id": i, "text": "\u4e00" * i} for i in range(400)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, before[1]))  # the kernel refuses larger files, as a full disk does
    try:
        status = run(f"--posts={posts}", f"--output={tmp_path}/out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr().err
    assert status == EXIT_FAILED
    assert "File too large" in said
    assert "Traceback" not in said
    assert not list((tmp_path / "out").rglob("*.partial"))
    assert all(pq.ParquetFile(path).metadata.num_rows for path in (tmp_path / "out").rglob("*.parquet"))


def test_real_posts_and_pictures(shared: Path, tmp_path: Path) -> None:
    archive = shared / "archive"
    arguments = [f"--posts={archive}/posts-00001.jsonl.gz", f"--images={archive}/images-*.tar", f"--output={tmp_path}/out"]
    assert run(*arguments) == EXIT_DONE
    found = rows(tmp_path / "out")
    assert len(found) == 531
    assert {image["status"] for row in found for image in row["images"]} == {"ok"}
    assert sum(bool(image["objects"]) for row in found for image in row["images"]) >= 0.6 * 531
    assert rejects(tmp_path / "out") == []
