"""run.json tells how a run ended, also if it was stopped; runs/ keeps one file a run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.command import main
from pipeline.process import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TERMINATED
from tests.conftest import ROOT


def record(output: Path) -> dict[str, Any]:
    return json.loads((output / "run.json").read_text())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, EXIT_TERMINATED), (signal.SIGINT, EXIT_INTERRUPTED)])
def test_a_stopped_run_ends_soon_and_says_so(tmp_path: Path, posts_file: Callable[..., Path], number: signal.Signals, status: int) -> None:
    posts = posts_file(*({"id": i, "text": f"Anna meets Bob in Paris {i}"} for i in range(5000)))
    output = tmp_path / "out"
    command = [sys.executable, "run_pipeline.py", f"--posts={posts}", f"--output={output}", "--detector=none", "--threads=1"]
    listening = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **listening)  # type: ignore[call-overload]
    end = time.monotonic() + 90
    while not list(output.glob("annotations/*.parquet")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    running = record(output)
    assert (running["state"], running["pid"]) == ("running", process.pid)
    assert running["heartbeat"] >= running["started"]
    process.send_signal(number)
    stopped = time.monotonic()
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - stopped < 5
    assert process.returncode == status
    assert "--resume" in said
    assert "Traceback" not in said
    assert record(output)["state"] == "interrupted"
    assert main([*command[2:], "--resume"]) == EXIT_DONE
    assert record(output)["state"] == "done"
    history = sorted((json.loads(path.read_text()) for path in (output / "runs").iterdir()), key=lambda run: run["started"])
    assert [run["state"] for run in history] == ["interrupted", "done"]
    wrote = {pq.read_schema(path).metadata[b"postner.run"].decode() for path in output.glob("annotations/*.parquet")}
    assert wrote == {run["id"] for run in history}


def test_a_failed_run_says_why(tmp_path: Path, posts_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is on fire")

    monkeypatch.setattr("transforms.write.WRITER.write", fail)
    posts = posts_file({"id": 1, "text": "Anna in Paris"})
    assert main(["--threads=1", "--detector=none", f"--posts={posts}", f"--output={tmp_path}/out"]) == EXIT_FAILED
    assert record(tmp_path / "out")["state"] == "failed"
    assert "the disk is on fire" in record(tmp_path / "out")["problems"][0]
