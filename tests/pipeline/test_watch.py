"""`--watch`: posts that come while it runs are annotated too; stop and start again loses and doubles nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from tests.conftest import ROOT


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "run_pipeline.py", f"--posts={folder}/*.jsonl", f"--output={folder}/out", "--detector=none", "--threads=1"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # jobs that a shell put into the background inherit deafness to Ctrl-C
    return subprocess.Popen(
        [*command, "--watch=0.5", *options], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heard
    )


def put(folder: Path, name: str, first: int, count: int) -> None:
    """A file of posts, there whole or not at all."""
    lines = "".join(f'{{"id": {number}, "text": "Paris {number}"}}\n' for number in range(first, first + count))
    (folder / f"{name}.part").write_text(lines)
    (folder / f"{name}.part").rename(folder / f"{name}.jsonl")


def ids(folder: Path) -> list[int]:
    return sorted(int(key) for key in pq.read_table(folder / "out" / "annotations", columns=["post_id"])["post_id"].to_pylist())


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.1)


def has_done(folder: Path, files: int) -> Callable[[], bool]:
    def check() -> bool:
        path = folder / "out" / "run.json"
        told = json.loads(path.read_text()) if path.exists() else {}
        return told.get("state") == "done" and len(told["sources"]) == files

    return check


def test_new_files_are_annotated_once_each_also_over_a_stop(tmp_path: Path) -> None:
    put(tmp_path, "a", 0, 70)
    running = start(tmp_path)
    until(has_done(tmp_path, 1))
    put(tmp_path, "b", 70, 10)
    until(has_done(tmp_path, 2))
    running.send_signal(signal.SIGINT)
    said, failed = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "--resume" in failed
    assert said.count("posts annotated") == 2  # rounds with nothing new say nothing
    put(tmp_path, "c", 80, 10)

    refused = start(tmp_path)
    _, failed = refused.communicate(timeout=60)
    assert refused.returncode == 2
    assert "--resume" in failed

    running = start(tmp_path, "--resume")
    until(has_done(tmp_path, 3))
    running.kill()
    running.communicate(timeout=30)
    assert ids(tmp_path) == list(range(90))


def test_a_watched_file_that_grows_is_refused_in_a_sentence(tmp_path: Path) -> None:
    put(tmp_path, "a", 0, 5)
    running = start(tmp_path)
    until(has_done(tmp_path, 1))
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write('{"id": 99, "text": "late"}\n')
    _, failed = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "a.jsonl was changed since it was read" in failed
