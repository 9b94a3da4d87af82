"""run.json tells how a run ended, also if it was stopped; runs/ keeps one file a run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.command import main
from pipeline.process import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TERMINATED, EXIT_USAGE
from tests.conftest import ROOT

STOPS_WITHIN_S = 5.0


def record(output: Path) -> dict[str, Any]:
    return json.loads((output / "run.json").read_text())


def begin(output: Path, posts: Path, *before: str) -> subprocess.Popen[str]:
    """Start a run, and wait until its first rows are there."""
    command = [*before, sys.executable, "run_pipeline.py", f"--posts={posts}", f"--output={output}", "--detector=none", "--threads=1"]
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # a background job inherits deafness to Ctrl-C
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=heard)
    end = time.monotonic() + 120
    while not list(output.glob("annotations/*.parquet")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    return process


def many(posts_file: Callable[..., Path]) -> Path:
    """So many posts that a run is still at work when it is stopped."""
    return posts_file(*({"id": i, "text": f"Anna meets Bob in Paris {i}"} for i in range(1200)))


def stopped_in_s(process: subprocess.Popen[str], stop: Callable[[], None]) -> float:
    """Stop a run and return how long it took to end. It says how to go on, and nothing of its insides."""
    began = time.monotonic()
    stop()
    _, said = process.communicate(timeout=60)
    assert "--resume" in said
    assert "Traceback" not in said
    return time.monotonic() - began


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, EXIT_TERMINATED), (signal.SIGINT, EXIT_INTERRUPTED)])
def test_a_stopped_run_ends_soon_and_says_so(tmp_path: Path, posts_file: Callable[..., Path], number: signal.Signals, status: int) -> None:
    posts, output = many(posts_file), tmp_path / "out"
    process = begin(output, posts)
    running = record(output)
    assert (running["state"], running["pid"]) == ("running", process.pid)
    assert running["heartbeat"] >= running["started"]
    assert stopped_in_s(process, partial(process.send_signal, number)) < STOPS_WITHIN_S
    assert process.returncode == status
    assert record(output)["state"] == "interrupted"
    assert main([f"--posts={posts}", f"--output={output}", "--detector=none", "--threads=1", "--resume"]) == EXIT_DONE
    assert record(output)["state"] == "done"
    history = sorted((json.loads(path.read_text()) for path in (output / "runs").glob("*.json")), key=lambda run: run["started"])
    assert [run["state"] for run in history] == ["interrupted", "done"]
    wrote = {pq.read_schema(path).metadata[b"postner.run"].decode() for path in output.glob("annotations/*.parquet")}
    assert wrote == {run["id"] for run in history}


AS_PROCESS_1 = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]


def may_unshare() -> bool:
    """Whether this user may start a process as process 1 of a namespace."""
    return bool(shutil.which("unshare")) and not subprocess.run([*AS_PROCESS_1, "true"], capture_output=True, check=False).returncode


@pytest.mark.skipif(not may_unshare(), reason="needs the right to make a PID namespace (unshare), as root has")
def test_process_1_of_a_container_ends_soon_too(tmp_path: Path, posts_file: Callable[..., Path]) -> None:
    output = tmp_path / "out"
    process = begin(output, many(posts_file), *AS_PROCESS_1)
    assert record(output)["pid"] == 1
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert stopped_in_s(process, partial(os.kill, int(children[0]), signal.SIGTERM)) < STOPS_WITHIN_S
    assert process.returncode == EXIT_TERMINATED
    assert record(output)["state"] == "interrupted"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "refused",
    [
        ["--resume", "--max_line_bytes=7"],
        ["--resume", "--detector={tmp}/none.onnx"],
        ["--resume", "--runner=Bogus"],
        ["--overwrite", "--model={tmp}/none"],
        ["--overwrite", "--images={tmp}/none.tar"],
        ["--overwrite", "--runner=FlinkRunner", "--flink_master=localhost:1"],
    ],
)
def test_a_refused_command_changes_nothing(
    refused: list[str], tmp_path: Path, posts_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.beam_options.ENGINE_S", 0.1)
    posts, output = posts_file({"id": 1, "text": "Anna in Paris"}), tmp_path / "out"
    command = ["--threads=1", f"--posts={posts}", f"--output={output}"]
    assert main([*command, "--detector=none"]) == EXIT_DONE
    (output / "annotations" / ".half.partial").touch()
    before = contents(output)
    last = ["--detector=none"] * (not any("--detector" in argument for argument in refused))
    assert main([*command, *last, *(argument.format(tmp=tmp_path) for argument in refused)]) == EXIT_USAGE
    assert contents(output) == before


def test_a_failed_run_says_why(tmp_path: Path, posts_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is on fire")

    monkeypatch.setattr("transforms.write.WRITER.write", fail)
    posts = posts_file({"id": 1, "text": "Anna in Paris"})
    assert main(["--threads=1", "--detector=none", f"--posts={posts}", f"--output={tmp_path}/out"]) == EXIT_FAILED
    assert record(tmp_path / "out")["state"] == "failed"
    assert "the disk is on fire" in record(tmp_path / "out")["problems"][0]
