"""Mistakes in the options of the command: one sentence, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.command import main
from pipeline.process import EXIT_USAGE


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
        (["--posts={posts}", "--output={tmp}/out", "--compile"], ["--compile", "GPU"]),
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
    assert main(["--threads=1", *(argument.format(tmp=tmp_path, posts=posts) for argument in arguments)]) == EXIT_USAGE
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert all(word in said for word in words), said
    assert "did you mean --overwrite" not in said
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "full" / "precious.txt").exists()
    assert (tmp_path / "coco" / "annotations" / "instances.json").exists()
    assert posts.exists()
