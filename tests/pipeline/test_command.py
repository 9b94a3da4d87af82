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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--posts={tmp}/none-*.jsonl", "--output={tmp}/out"], ["--posts", "none-*.jsonl"]),
        (["--posts={posts}", "--images={tmp}/none-*.tar", "--output={tmp}/out"], ["--images", "none-*.tar"]),
        (["--posts={posts}", "--output={tmp}/full"], ["--output", "not empty", "--overwrite"]),
        (["--posts={posts}", "--output={tmp}/full", "--overwrite"], ["--output", "precious.txt"]),
        (["--posts={posts}", "--output={posts}"], ["--output", "is a file"]),
        (["--posts={posts}", "--output={posts}/out"], ["--output", "cannot be written"]),
        (["--posts={posts}", "--output={tmp}/out", "--model={tmp}/full"], ["--model", "full"]),
        (["--posts={posts}", "--output={tmp}/out", "--detector={tmp}/none.onnx"], ["--detector", "none.onnx"]),
        (["--posts={posts}", "--output={tmp}/out", "--batch_size=0"], ["--batch_size", "0"]),
        (["--posts={posts}", "--output={tmp}/out", "--batch_size=many"], ["--batch_size", "many"]),
        (["--posts={posts}", "--output={tmp}/out", "--modle=x"], ["--modle", "--model"]),
        (["--posts={posts}", "--output={tmp}/out", "--direct_num_workers=4"], ["--direct_num_workers", "4"]),
        (["--posts={posts}", "--output={tmp}/out", "--direct_num_workers=0"], ["--direct_num_workers", "--local_workers"]),
        (["--posts={posts}", "--output={tmp}/out", "--direct_num_workers=few"], ["few", "option of Beam"]),
        (["--posts={posts}", "--output={tmp}/out", "--direct_running_mode=multi_processing"], ["multi_processing", "--local_workers"]),
        (["--posts={posts}", "--output={tmp}/out", "--runner=Bogus"], ["--runner", "Bogus"]),
        (["--posts={posts}", "--output={tmp}/out", "--device=cuda"], ["--device"]),
        (["--posts={posts}", "--output={tmp}/out", "--device=gpu"], ["--device", "gpu"]),
        (["--posts={posts}", "--output={tmp}/out", "--precision=float16"], ["--precision", "float16"]),
        (["--posts={posts}", "other.jsonl", "--output={tmp}/out"], ["other.jsonl", "quotes"]),
        (["--posts={posts}", "--images=", "--output={tmp}/out"], ["--images", "empty"]),
        (["--posts={posts}", "--output={tmp}/out", "--max_image_bytes=9223372036854775807"], ["--max_image_bytes"]),
        (["--posts={posts}", "--output={tmp}/out", "--decode_timeout_s=inf"], ["--decode_timeout_s", "inf"]),
        (["--posts={posts}", "--output={tmp}/out", "--watch=-1"], ["--watch", "-1"]),
        (["--posts={posts}", "--output={tmp}/out", "--resume=maybe"], ["--resume", "maybe", "true"]),
        (["--posts={posts}", "--output={tmp}/out", "--min_ram=much"], ["--min_ram", "much"]),
        (["--posts={posts}", "--output={tmp}/out", "--runner=FlinkRunner", "--local_workers=2"], ["--local_workers", "FlinkRunner"]),
        (["--posts=/dev/stdin", "--output={tmp}/out"], ["--posts", "/dev/stdin", "regular"]),
        (["--posts={tmp}/full", "--output={tmp}/out"], ["--posts", "full", "precious.txt"]),
        (["--posts=nostore://a/b.jsonl", "--output={tmp}/out"], ["nostore://a/b.jsonl"]),
        (["--posts={posts}", "--output=nostore://out"], ["nostore://out"]),
        (["--posts={posts}", "--output={tmp}/out", "--model=memory://nope"], ["--model", "memory://nope"]),
        (["--posts={posts}", "--output={tmp}", "--overwrite"], ["--output", "holds the input", "posts.jsonl"]),
        (["--posts={posts}", "--output={tmp}/coco", "--overwrite"], ["--output", "annotations/instances.json"]),
        (["--posts={posts}"], ["--output"]),
        (["--output={tmp}/out"], ["--posts"]),
        (["--posts={posts}", "--output="], ["--output", "empty"]),
        (["--posts={posts}", "--output={tmp}/out", "--overwrit"], ["--overwrit'", "--help"]),
        (["--posts={posts}", "--output={tmp}/out", "--batch-size=3"], ["--batch-size", "--batch_size"]),
        (["--post={posts}", "--output={tmp}/out"], ["--post'", "--posts"]),
        (["--posts={posts}", "--out={tmp}/out"], ["--out'", "--output"]),
        (["--posts={posts}", "--output={tmp}/out", "--imgaes=x"], ["--imgaes", "--images"]),
        (["--posts={posts}", "--output={tmp}/out", "--verbose"], ["--verbose", "--help"]),
        (["--posts={posts}", "--output={tmp}/out", "--overwrite", "--resume"], ["--overwrite", "--resume", "one of them"]),
        (["--posts={posts}", "--output={tmp}/out", "--limit=0"], ["--limit", "1 to", "0"]),
        (["--posts={posts}", "--output={tmp}/out", "--limit=few"], ["--limit", "few"]),
        (["--posts={posts}", "--output={tmp}/out", "--max_reject_share=2"], ["--max_reject_share", "from 0 to 1"]),
        (["--posts={posts}", "--output={tmp}/out", "--max_missing_share=nan"], ["--max_missing_share", "from 0 to 1"]),
        (["--posts={posts}", "--output={tmp}/out", "--where==en"], ["--where", "'=en'", "FIELD=VALUE"]),
        (["--posts={posts}", "--output={tmp}/out", "--where=a[.b=1"], ["--where", "FIELD=VALUE"]),
        (["--posts={posts}", "--output={tmp}/out", "--where=a+b=1"], ["--where", "a+b=1", "+"]),
        (["--posts={posts}", "--output={tmp}/out", "--log_level=loud"], ["--log_level", "loud", "warning"]),
        (["--posts={posts}", "--output={tmp}/out", "--log_format=xml"], ["--log_format", "xml", "json"]),
        (["--posts={posts}", "--output={tmp}/out", "--metrics={tmp}/none/a.prom"], ["--metrics", "no folder"]),
        (["--posts={posts}", "--output={tmp}/out", "--metrics={tmp}"], ["--metrics", "is a folder"]),
        (["--posts={posts}", "--output={tmp}/out", "--preset=twitter"], ["--preset", "twitter", "x-stream"]),
        (["--posts={posts}", "--output={tmp}/out", "--id=a["], ["--id", "'a['"]),
        (["--posts={posts}", "--output={tmp}/out", "--text=a..b"], ["--text", "a..b"]),
        (["--posts={posts}", "--output={tmp}/out", "--text=body"], ["--posts", "fields seen: id, text"]),
        (["--posts={posts}", "--output={tmp}/out", "--markup=xml"], ["--markup", "xml", "html"]),
        (["--posts={posts}", "--output={tmp}/out", "--threads=-1"], ["--threads", "-1"]),
        (["--posts={posts}", "--output={tmp}/out", "--local_workers=4000"], ["--local_workers", "cores"]),
        (["--posts={posts}", "--output={tmp}/out", "--watch=soon"], ["--watch", "soon"]),
        (["--posts={posts}", "--output={tmp}/out", "--device=cuda:x"], ["--device", "cuda:x"]),
        (["--posts={posts}", "--output={tmp}/out", "--model={posts}"], ["--model", "posts.jsonl"]),
        (["--posts={posts}", "--output={tmp}/out", "--accelerator"], ["--accelerator", "expected one argument"]),
        (["--posts={posts}", "--output={tmp}/out", "--index={posts}"], ["--index", "is a file"]),
        (["--posts={posts}", "--output={tmp}/full", "--resume"], ["--output", "precious.txt"]),
        (["--posts={posts}", "--posts={tmp}/none", "--output={tmp}/out"], ["--posts", "none"]),
        (
            ["--posts={posts}", "--output={tmp}/out", "--runner=FlinkRunner", "--flink_master=localhost:1"],
            ["--flink_master", "localhost:1"],
        ),
        (
            ["--posts={posts}", "--output={tmp}/out", "--runner=FlinkRunner", "--job_server_java_launcher=no-java"],
            ["--runner FlinkRunner", "needs Java"],
        ),
        (
            [
                "--posts={posts}",
                "--output={tmp}/out",
                "--runner=FlinkRunner",
                "--job_server_java_launcher=sh",
                "--flink_job_server_jar={tmp}/none.jar",
            ],
            ["--flink_job_server_jar", "none.jar"],
        ),
    ],
)
def test_mistakes_cost_one_sentence(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    posts_file: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.beam_options.ENGINE_S", 0.1)
    posts = posts_file({"id": 1, "text": "a"})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").touch()
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    (tmp_path / "coco" / "annotations" / "instances.json").touch()
    assert run(*(argument.format(tmp=tmp_path, posts=posts) for argument in arguments)) == EXIT_USAGE
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert all(word in said for word in words), said
    assert "did you mean --overwrite" not in said
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "full" / "precious.txt").exists()
    assert (tmp_path / "coco" / "annotations" / "instances.json").exists()
    assert posts.exists()


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
