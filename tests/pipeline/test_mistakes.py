"""Mistakes on the command line: each is answered by one sentence that names the value and the cure, with status 2."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

FIT = ["--posts={t}/posts.jsonl", "--output={t}/out"]
LABELLED = ["--data={t}/labelled", "--condition=without"]
TRAIN = ["--data={t}/labelled", "--encoder={t}/no/encoder/there", "--output={t}/bundle"]

ANNOTATE: list[tuple[list[str], str]] = [
    ([], "required: --posts, --output"),
    (["--posts={t}/posts.jsonl"], "required: --output"),
    (["{t}/posts.jsonl", "--output={t}/out"], "required: --posts"),
    (["--post={t}/posts.jsonl", "--output={t}/out"], "'--post', did you mean --posts?"),
    ([*FIT, "--Images=x.tar"], "'--Images', did you mean --images?"),
    ([*FIT, "--batch-size=3"], "'--batch-size', did you mean --batch_size?"),
    ([*FIT, "--mdoel=x"], "'--mdoel', did you mean --model?"),
    ([*FIT, "--owerwrite"], "'--owerwrite' (see --help)"),
    ([*FIT, "-m", "x"], "unknown option '-m'"),
    ([*FIT, "—resume"], "two hyphens"),
    ([*FIT, "b.jsonl"], "'b.jsonl': put a glob in quotes"),
    ([*FIT, "--resume=yes"], "'yes' is neither true nor false"),
    ([*FIT, "--resume", "--overwrite"], "give one of them"),
    (["--posts=", "--output={t}/out"], "--posts is empty: give a value"),
    (["--posts=none.jsonl", "--output={t}/out"], "'none.jsonl' in /"),
    (["--posts={t}/none-*.jsonl", "--output={t}/out"], "none-*.jsonl'; check the path"),
    (["--posts={t}/empty", "--output={t}/out"], "is a folder without a file of posts"),
    (["--posts={t}/words.txt", "--output={t}/out"], "give JSON lines, a JSON document, CSV"),
    (["--posts={t}/images.tar", "--output={t}/out"], "give shards of pictures to --images"),
    (["--posts={t}/picture.jpg", "--output={t}/out"], "those of image: give shards of pictures to --images"),
    (["--posts={t}/posts.arrow", "--output={t}/out"], "those of Arrow IPC: write it as Parquet"),
    (["--posts=s4://bucket/posts", "--output={t}/out"], "s4:// is no store; give a path, s3://, gs://"),
    ([*FIT, "--images={t}/none.tar"], "none.tar'; check the path"),
    ([*FIT, "--images={t}/posts.jsonl"], "is no tar and no zip: give shards, or a folder"),
    ([*FIT, "--images={t}/images.tar.gz"], "run `gunzip < images.tar.gz"),
    ([*FIT, "--images={t}/empty"], "matched no tar, zip or picture"),
    ([*FIT, "--images=media[].url"], "give --images_field 'media[].url'"),
    (["--posts={t}/posts.jsonl", "--output={t}"], "holds the input"),
    (["--posts={t}/posts.jsonl", "--output={t}/words.txt"], "is a file: give a folder"),
    (["--posts={t}/posts.jsonl", "--output={t}/words.txt/out"], "cannot be written"),
    (["--posts={t}/posts.jsonl", "--output={t}/full"], "is not empty: give a new folder"),
    (["--posts={t}/posts.jsonl", "--output={t}/full", "--overwrite"], "replaces only output of runs"),
    (["--posts={t}/posts.jsonl", "--output=s4://bucket/out"], "s4:// is no store"),
    ([*FIT, "--index={t}/words.txt"], "--index {t}/words.txt is a file: give a folder"),
    ([*FIT, "--index=s4://bucket"], "--index 's4://bucket' cannot be reached"),
    ([*FIT, "--preset=twitter"], "`x-stream`"),
    ([*FIT, "--preset=reddit"], "add --preset postner"),
    ([*FIT, "--id=tweet_id"], "no record has 'tweet_id': give another --id"),
    ([*FIT, "--text=a..b"], "--text 'a..b' is not a field path"),
    ([*FIT, "--markup=HTML"], "`plain`, `escaped`"),
    ([*FIT, "--where=lang==en"], "give FIELD=VALUE"),
    ([*FIT, "--where==en"], "give FIELD=VALUE"),
    ([*FIT, "--limit=0"], "--limit must be from 1"),
    ([*FIT, "--limit=ten"], "--limit: 'ten' is not a whole number: annotate only the first N posts"),
    ([*FIT, "--max_line_bytes=10MB"], "'10MB' is not a whole number"),
    ([*FIT, "--watch=1h"], "'1h' is not a number"),
    ([*FIT, "--local_workers=4096"], "cores of this machine"),
    ([*FIT, "--threads=-1"], "--threads must be 0 or more"),
    ([*FIT, "--batch_size=0"], "--batch_size must be from 1"),
    ([*FIT, "--max_reject_share=5"], "--max_reject_share must be from 0 to 1"),
    ([*FIT, "--max_missing_share=5%"], "'5%' is not a number"),
    ([*FIT, "--log_level=verbose"], "`debug`, `info`"),
    ([*FIT, "--metrics={t}/empty"], "is a folder: give a file in it"),
    ([*FIT, "--metrics={t}/no/such/file"], "make it first"),
    ([*FIT, "--metrics=s3://bucket/file"], "is no local file: give one"),
    ([*FIT, "--decode_timeout_s=nan"], "must be from 0.001"),
    ([*FIT, "--device=gpu"], "`auto`, `cpu`, `cuda`"),
    ([*FIT, "--ocr=tesseract"], "`none` or `rapidocr`"),
    ([*FIT, "--model={t}/empty"], "give a folder that models.train wrote"),
    ([*FIT, "--detector=foo"], "give one of these, or 'none'"),
    ([*FIT, "--detector={t}/none.onnx"], "there is no such file"),
    ([*FIT, "--direct_num_workers=2"], "give --local_workers instead"),
    ([*FIT, "--runner=FlinkRunner", "--local_workers=2"], "leave it out"),
    ([*FIT, "--runner=NoRunner"], "is no runner of Beam"),
    ([*FIT, "--runner=DataflowRunner"], "needs --project, --region and --temp_location"),
    ([*FIT, "--min_ram=lots"], "--min_ram 'lots': "),
    ([*FIT, "--temp_location"], "expected one argument"),
]
"""Arguments of the command, and what the sentence holds."""

OTHERS: list[tuple[str, list[str], str]] = [
    ("pipeline.peek", [], "required: ARCHIVE"),
    ("pipeline.peek", ["--posts", "{t}/posts.jsonl"], "without --posts"),
    ("pipeline.peek", ["{t}/posts.jsonl", "--image=x"], "did you mean --images?"),
    ("pipeline.peek", ["{t}/posts.jsonl", "--sample=1", "--model={t}/empty"], "--sample: --model {t}/empty is not a model bundle"),
    ("pipeline.show", ["{t}/full"], "is not the output of a run"),
    ("pipeline.show", ["{t}/full", "ten"], "give a whole number"),
    ("pipeline.report.command", ["{t}/full"], "is not the output of a run"),
    ("pipeline.report.command", ["{t}/full", "--posts=many"], "give a whole number"),
    ("pipeline.verify", ["{t}/full"], "give the folder of a run"),
    ("pipeline.verify", [], "required: OUT"),
    ("models.train", ["--encoder=x"], "required: --data, --output"),
    ("models.train", [*TRAIN, "--epoch=3"], "did you mean --epochs?"),
    ("models.train", [*TRAIN, "--lr=fast"], "'fast'"),
    ("models.train", [*TRAIN, "--data={t}/none"], "there is no file or folder"),
    ("models.train", [*TRAIN, "--data={t}/empty"], "name the file of labelled posts so"),
    ("models.train", [*TRAIN, "--map=PERSON"], "is not OLD=NEW"),
    ("models.train", [*TRAIN, "--map=PERS=PER"], "there is no such type, only PER"),
    ("models.train", [*TRAIN, "--teacher={t}/empty"], "go together"),
    ("models.train", [*TRAIN, "--output={t}/words.txt"], "is a file: give a folder"),
    ("models.train", TRAIN, "there is no such folder; give one, or a Hugging Face hub id"),
    ("models.evaluate", [*LABELLED, "--map=PERS=PER"], "there is no such type"),
    ("models.evaluate", ["--data={t}/labelled"], "needs --images"),
    ("models.evaluate", [*LABELLED, "--json={t}/empty"], "is a folder: give the name of a file"),
    ("models.evaluate", [*LABELLED, "--rows={t}/none"], "cannot be read as rows that run_pipeline.py wrote"),
    ("models.adapt", ["--encoder=x", "--posts={t}/posts.jsonl", "--output={t}/x", "--texts=0"], "give 1 or more"),
    ("models.augment", ["--vectors={t}/words.txt", "--output={t}/x"], "give a word2vec"),
]
"""The same of the other commands."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "posts.jsonl").write_text(json.dumps({"id": "1", "text": "Grace Hopper"}))
    (folder / "words.txt").write_text("hello\nworld\n")
    (folder / "picture.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(60))
    (folder / "posts.arrow").write_bytes(b"ARROW1\0\0" + bytes(60))
    for name, mode in (("images.tar", "w"), ("images.tar.gz", "w:gz")):
        with tarfile.open(folder / name, mode) as tar:  # type: ignore[call-overload]
            tar.add(folder / "picture.jpg", "1.jpg")
    (folder / "empty").mkdir()
    (folder / "full").mkdir()
    (folder / "full" / "thesis.doc").write_text("x")
    (folder / "labelled").mkdir()
    for name in ("train.txt", "valid.txt"):
        (folder / "labelled" / name).write_text("IMGID:1\nGrace\tB-PER\nHopper\tI-PER\n\n")
    return folder


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        pytest.param(module, arguments, said, id=f"{module} {' '.join(arguments)}")
        for module, arguments, said in [
            *(("pipeline.command", arguments, said) for arguments, said in ANNOTATE),
            *OTHERS,
        ]
    ],
)
def test_a_mistake_is_one_sentence(module: str, arguments: list[str], said: str, files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def filled(text: str) -> str:
        return text.replace("{t}", str(files))

    main: Callable[[list[str]], int] = import_module(module).main
    try:
        status: object = main([filled(argument) for argument in arguments])
    except SystemExit as stop:
        status = stop.code
    told = capfd.readouterr().err.splitlines()
    lines = [line for line in told if not re.match(r"types: ", line)]  # of the data that models.train has read before
    assert (status, len(lines)) == (2, 1), told
    assert filled(said) in lines[0]
    assert not (files / "out").exists()
    assert len(lines[0]) < 700
