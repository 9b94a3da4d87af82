"""Runs that are killed, resumed, repeated, fed with new files, and refused when something changed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from archive.stores import open_file
from models.inference.devices import usable_cores
from models.pretrained import PRETRAINED
from pipeline.command import main
from pipeline.inspection import inspect
from pipeline.process import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from tests.conftest import DEMO, ROOT

POSTS = 300


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two posts files of 300 lines in all, some of them bad or blank, whose posts name the demo's pictures."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number, count in enumerate((POSTS - 70, 70)):
        lines = [
            json.dumps({"id": f"{number}-{i}", "text": f"Anna meets Bob in Paris {i}", "images": [f"{i % 9}.jpg"]}) for i in range(count)
        ]
        lines[5], lines[66] = "{", ""
        (folder / f"posts-{number}.jsonl").write_text("\n".join(lines))
    shutil.copy(DEMO / "images-00000.tar", folder / "images.tar")
    return folder


def arguments(archive: Path, output: Path, *more: str) -> list[str]:
    fixed = ["--threads=1", "--detector=none", f"--images={archive}/*.tar"]
    return [f"--posts={archive}/posts-*.jsonl", f"--output={output}", *fixed, *more]


def rows(output: Path) -> list[dict[str, Any]]:
    return sorted(pq.read_table(f"{output}/annotations").to_pylist(), key=lambda row: (row["source"], row["line"]))


@pytest.fixture
def whole(archive: Path, tmp_path: Path) -> Path:
    """The output of a run that was left alone."""
    assert main(arguments(archive, tmp_path / "whole")) == EXIT_DONE
    assert len(rows(tmp_path / "whole")) == POSTS - 4
    return tmp_path / "whole"


@pytest.mark.parametrize("seed", [1])
def test_killed_at_random_moments_and_resumed_it_has_the_same_rows(archive: Path, whole: Path, tmp_path: Path, seed: int) -> None:
    output = tmp_path / "out"
    command = [sys.executable, "run_pipeline.py", *arguments(archive, output, "--resume")]
    chance = random.Random(seed)
    for _ in range(2):
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        while not (output / "run.json").exists() and process.poll() is None:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 4))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert all(pq.ParquetFile(path).metadata.num_rows for path in output.glob("annotations/*.parquet"))
    assert main(command[2:]) == EXIT_DONE
    assert rows(output) == rows(whole)
    assert inspect(str(output)) == []
    assert not list(output.rglob("*.partial"))


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_only_what_is_missing_is_done_and_nothing_twice(archive: Path, whole: Path, kept: int) -> None:
    before = rows(whole)
    state = json.loads((whole / "run.json").read_text())
    for file in state["inputs"]["posts"].values():
        file["lines"] = None
    (whole / "run.json").write_text(json.dumps(state | {"state": "running"}))
    lost = sorted((whole / "annotations").glob("*.parquet"))[kept:]
    missing = sum(pq.ParquetFile(path).metadata.num_rows for path in lost)
    for path in lost:
        path.unlink()
    (whole / "annotations" / ".x.parquet.partial").write_bytes(b"half")
    assert main(arguments(archive, whole, "--resume")) == EXIT_DONE
    assert rows(whole) == before
    assert json.loads((whole / "run.json").read_text())["posts_annotated"] == missing
    assert main(arguments(archive, whole, "--resume")) == EXIT_DONE
    assert rows(whole) == before
    assert json.loads((whole / "run.json").read_text())["posts_annotated"] == 0
    assert inspect(str(whole)) == []


def test_new_files_are_annotated_and_no_others(archive: Path, whole: Path) -> None:
    before = rows(whole)
    old = {path: path.stat().st_mtime_ns for path in (whole / "annotations").iterdir()}
    (archive / "posts-2.jsonl").write_text('{"id": "new", "text": "Tom in Oslo"}')
    assert main(arguments(archive, whole, "--resume")) == EXIT_DONE
    assert rows(whole)[:-1] == before
    assert rows(whole)[-1]["post_id"] == "new"
    assert {path: path.stat().st_mtime_ns for path in old} == old
    (archive / "posts-0.jsonl").unlink()  # files that are done may be moved away
    assert main(arguments(archive, whole, "--resume")) == EXIT_DONE
    assert inspect(str(whole)) == []


def change_posts(archive: Path) -> list[str]:
    path = archive / "posts-0.jsonl"
    path.write_text(path.read_text().replace("Bob", "Rob", 1))
    return ["posts-0.jsonl", "changed"]


def change_shard(archive: Path) -> list[str]:
    with tarfile.open(archive / "images.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("other.jpg"))
    return ["images.tar", "changed"]


def rename_posts(archive: Path) -> list[str]:
    (archive / "posts-0.jsonl").rename(archive / "posts-9.jsonl")
    return ["posts-9.jsonl", "posts-0.jsonl"]


@pytest.mark.parametrize("change", [change_posts, change_shard, rename_posts])
def test_changed_input_is_refused(archive: Path, whole: Path, capsys: pytest.CaptureFixture[str], change: Any) -> None:
    before = rows(whole)
    words = change(archive)
    assert main(arguments(archive, whole, "--resume")) == EXIT_USAGE
    told = capsys.readouterr().err
    assert all(word in told for word in ["--resume", *words]), told
    assert rows(whole) == before


def touch(archive: Path) -> None:
    os.utime(archive / "images.tar", (1, 1))


def copy_anew(archive: Path) -> None:
    shutil.copy(archive / "images.tar", archive / "copy")
    (archive / "copy").replace(archive / "images.tar")


def grow(archive: Path) -> None:
    with tarfile.open(archive / "images.tar", "a") as tar:
        picture = tarfile.TarInfo("new.jpg")
        picture.size = (DEMO.parent / "make_images.py").stat().st_size
        tar.addfile(picture, (DEMO.parent / "make_images.py").open("rb"))


def add_a_cut_shard(archive: Path) -> None:
    (archive / "cut.tar").write_bytes((archive / "images.tar").read_bytes()[:700])


def mend_the_shard(archive: Path) -> None:
    shutil.copy(archive / "images.tar", archive / "cut.tar")


def add_a_shard(archive: Path) -> None:
    shutil.copy(archive / "images.tar", archive / "more.tar")


def test_a_night_reads_only_the_new_files_of_the_output(archive: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = json.loads((whole / "run.json").read_text())
    (archive / "posts-2.jsonl").write_text('{"id": "new", "text": "Tom in Oslo", "images": ["new.jpg"]}\n{"id": "0-0", "text": ""}')
    opened: list[str] = []

    def remember(address: str) -> Any:
        opened.append(address)
        return open_file(address)

    monkeypatch.setattr("pipeline.audit.open_file", remember)
    add_a_cut_shard(archive)
    read = {touch: ["posts", "shard", "posts"], add_a_shard: ["posts"], mend_the_shard: ["posts"]}
    shard_rejects = []
    for change in (touch, copy_anew, grow, add_a_shard, mend_the_shard):
        change(archive)
        if change in (add_a_shard, mend_the_shard):
            (archive / f"posts-{change.__name__}.jsonl").write_text(json.dumps({"id": change.__name__, "text": "a"}))
        opened.clear()
        assert main(arguments(archive, whole, "--resume")) == EXIT_DONE
        assert [Path(address).name.split("-")[0] for address in opened] == read.get(change, [])
        assert not any("posts-0" in address or "posts-1" in address for address in opened)
        shard_rejects.append("shard" in json.loads((whole / "run.json").read_text())["rejects"])
    assert shard_rejects == [True, True, True, True, False]
    monkeypatch.undo()
    last = json.loads((whole / "run.json").read_text())
    assert last["lines"] == first["lines"] + 4
    assert last["rejects"]["post"] == first["rejects"]["post"]
    assert last["images"] == {"missing": first["images"]["missing"] + 1}
    assert last["repeated_ids"] == 1
    assert len(last["sources"]) == 5
    assert inspect(str(whole)) == []
    next((whole / "annotations").glob("posts-0*")).unlink()
    assert main(arguments(archive, whole, "--resume")) == EXIT_FAILED
    assert main(arguments(archive, whole, "--resume")) == EXIT_DONE
    assert [row["post_id"] for row in rows(whole)[-3:]] == ["0-0", "add_a_shard", "mend_the_shard"]
    assert inspect(str(whole)) == []


def test_other_models_and_options_are_refused(archive: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(PRETRAINED / "default", tmp_path / "bundle")
    config = json.loads((tmp_path / "bundle" / "config.json").read_text())
    config["settings"]["temperature"] = 2.0
    (tmp_path / "bundle" / "config.json").write_text(json.dumps(config))
    others = (
        (f"--model={tmp_path}/bundle", "model"),
        (f"--detector={PRETRAINED}/detector", "detector"),
        ("--max_image_pixels=9", "max_image_pixels"),
    )
    for option, name in others:
        assert main([*arguments(archive, whole, "--resume"), option]) == EXIT_USAGE
        assert f"{name} is" in capsys.readouterr().err
    assert main(arguments(archive, whole, "--resume", "--batch_size=3")) == EXIT_DONE


@pytest.mark.parametrize(
    ("given", "words"), [(["--resume", "--overwrite"], ["--overwrite", "--resume"]), (["--local_workers=99"], ["--local_workers", "99"])]
)
def test_options_that_contradict(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], words: list[str]
) -> None:
    assert main(arguments(archive, tmp_path / "out", *given)) == EXIT_USAGE
    told = capsys.readouterr().err
    assert all(word in told for word in words)


def test_a_folder_without_its_record_is_not_resumed(archive: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows(whole)
    (whole / "run.json").unlink()
    assert main(arguments(archive, whole, "--resume")) == EXIT_USAGE
    assert "run.json" in capsys.readouterr().err
    assert rows(whole) == before


@pytest.mark.skipif(usable_cores() < 2, reason="needs two cores")
def test_two_workers_make_the_same_rows_and_a_killed_one_costs_nothing(archive: Path, whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = [sys.executable, "run_pipeline.py", *arguments(archive, output, "--resume", "--local_workers=2", "--threads=2")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None and len(workers := spawned(children)) < 2:
        time.sleep(0.05)
    os.kill(workers[0], signal.SIGKILL)
    _, told = process.communicate(timeout=120)
    assert process.returncode == EXIT_FAILED
    assert "a worker process died" in told
    assert "--resume" in told
    assert "Traceback" not in told
    assert main(command[2:]) == EXIT_DONE
    assert rows(output) == rows(whole)
    assert inspect(str(output)) == []


def spawned(children: Path) -> list[int]:
    pids = [int(pid) for pid in children.read_text().split()] if children.exists() else []
    return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
