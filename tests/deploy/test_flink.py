"""The command on a Flink cluster of two TaskManagers: the same rows, also when processes are killed on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from deploy.flink.cluster import JARS, Cluster
from tests.conftest import ROOT

pytestmark = [
    pytest.mark.flink,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (JARS / ".ready").exists(), reason="make test-flink fetches the jars of Flink"),
]
DEMO = [f"--posts={ROOT}/demo/archive/posts-*.jsonl", f"--images={ROOT}/demo/archive/images-*.tar"]
PROGRESS = (
    r"^\S+ \S+ postner: (finding|reading|loading|comparing|indexing|starting|counting|.*files of annotations written|.*pictures$).*\n"
)
FILES, LINES = 6, 80
WAIT_S = 120.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(JARS, tmp_path_factory.mktemp("cluster"), task_managers=2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options of a run over many slices of posts without pictures, some lines of them broken."""
    folder = tmp_path_factory.mktemp("posts")
    for file in range(FILES):
        lines = [json.dumps({"id": f"{file}-{line}", "text": f"Paris, {line} km from Berlin #{file}"}) for line in range(LINES)]
        lines[file] = "{"
        (folder / f"{file:02}.jsonl").write_text("\n".join(lines))
    return [f"--posts={folder}/*.jsonl", "--detector=none"]


@pytest.fixture(scope="module")
def local(posts: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    output = tmp_path_factory.mktemp("local") / "out"
    assert finish(start(output, *posts)) == (0, "")
    return content(output)


def start(output: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "run_pipeline.py", f"--output={output}", "--threads=1", *options]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, env={**os.environ}
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status and what was said on standard error, without the lines of progress."""
    _, said = process.communicate(timeout=280)
    return process.returncode, re.sub(PROGRESS, "", said, flags=re.MULTILINE)


def content(output: Path) -> dict[str, Any]:
    """All that must be equal, read from outside."""
    told = json.loads((output / "run.json").read_text())
    rejects = pq.read_table(output / "rejects").to_pylist()
    return {
        "rows": sorted(pq.read_table(output / "annotations").to_pylist(), key=lambda row: (row["post_id"], row["source"], row["line"])),
        "rejects": sorted(json.dumps(reject, sort_keys=True) for reject in rejects),
        "counts": {name: told[name] for name in ("lines", "rows", "blanks", "entities", "images", "rejects", "posts_annotated")},
        "sources": told["sources"],
    }


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.05)
    return found


def written(output: Path) -> list[Path]:
    return list(output.glob("annotations/*.parquet"))


def children(process: subprocess.Popen[bytes], what: str) -> list[psutil.Process]:
    return [child for child in psutil.Process(process.pid).children(recursive=True) if what in " ".join(child.cmdline())]


def test_rows_rejects_and_counts_are_those_of_the_local_runner(cluster: Cluster, tmp_path: Path) -> None:
    assert finish(start(tmp_path / "local", *DEMO)) == (0, "")
    running = start(tmp_path / "flink", *DEMO, *cluster.options())
    assert finish(running) == (0, "")
    assert content(tmp_path / "flink") == content(tmp_path / "local")
    told = json.loads((tmp_path / "flink" / "run.json").read_text())
    assert all(told["time_msec"][stage] > 0 for stage in ("fetch", "decode", "detect", "tag", "write"))


def test_a_task_manager_is_killed_and_replaced(cluster: Cluster, posts: list[str], local: dict[str, Any], tmp_path: Path) -> None:
    running = start(tmp_path / "out", *posts, *cluster.options())
    until(lambda: written(tmp_path / "out"))
    victim = cluster.processes[-1]
    os.kill(victim.pid, signal.SIGKILL)
    cluster.start_task_manager(2)
    assert finish(running) == (0, "")
    assert content(tmp_path / "out") == local
    os.killpg(victim.pid, signal.SIGKILL) if psutil.pid_exists(victim.pid) else None


def test_a_python_worker_is_killed(cluster: Cluster, posts: list[str], local: dict[str, Any], tmp_path: Path) -> None:
    running = start(tmp_path / "out", *posts, *cluster.options())
    until(lambda: written(tmp_path / "out"))
    workers = [worker for manager in cluster.processes[1:] if manager.poll() is None for worker in children(manager, "deploy.flink.boot")]
    workers[0].kill()
    assert finish(running) == (0, "")
    assert content(tmp_path / "out") == local


def test_the_job_server_is_lost(cluster: Cluster, posts: list[str], local: dict[str, Any], tmp_path: Path) -> None:
    running = start(tmp_path / "out", *posts, *cluster.options())
    until(lambda: written(tmp_path / "out"))
    [server] = [child for child in psutil.Process(running.pid).children(recursive=True) if "job-server.jar" in " ".join(child.cmdline())]
    server.kill()
    status, said = finish(running)
    assert status == 1
    assert len(said.splitlines()) == 1
    assert "--resume" in said
    end_jobs(cluster)
    assert finish(start(tmp_path / "out", *posts, "--resume"))[0] == 0
    assert {**content(tmp_path / "out"), "counts": None} == {**local, "counts": None}


def test_a_cancelled_job_ends_in_a_sentence(cluster: Cluster, posts: list[str], tmp_path: Path) -> None:
    running = start(tmp_path / "out", *posts, *cluster.options())
    until(lambda: written(tmp_path / "out"))
    end_jobs(cluster)
    status, said = finish(running)
    assert status == 1
    assert len(said.splitlines()) == 1
    assert "cancelled" in said
    assert "--resume" in said


def test_sigterm_cancels_the_job(cluster: Cluster, posts: list[str], local: dict[str, Any], tmp_path: Path) -> None:
    metrics = tmp_path / "postner.prom"
    running = start(tmp_path / "out", *posts, *cluster.options(), f"--metrics={metrics}")
    until(lambda: written(tmp_path / "out"))
    assert 'postner_state{state="running"} 1.0' in metrics.read_text()
    before = time.monotonic()
    running.send_signal(signal.SIGTERM)
    status, said = finish(running)
    assert (status, len(said.splitlines())) == (143, 1), said
    assert time.monotonic() - before < 30
    assert json.loads((tmp_path / "out" / "run.json").read_text())["state"] == "interrupted"
    assert 'postner_state{state="interrupted"} 1.0' in metrics.read_text()
    until(lambda: not [job for job in cluster.ask("jobs")["jobs"] if job["status"] in ("RUNNING", "CREATED", "RESTARTING", "CANCELLING")])
    assert finish(start(tmp_path / "out", *posts, "--resume"))[0] == 0
    assert {**content(tmp_path / "out"), "counts": None} == {**local, "counts": None}


def end_jobs(cluster: Cluster) -> None:
    for job in cluster.ask("jobs")["jobs"]:
        if job["status"] in ("RUNNING", "CREATED", "RESTARTING"):
            urllib.request.urlopen(urllib.request.Request(f"http://{cluster.web}/jobs/{job['id']}", method="PATCH"), timeout=10)
            until(lambda job=job: cluster.ask(f"jobs/{job['id']}")["state"] in ("CANCELED", "FAILED", "FINISHED"))


def test_a_terminated_run_leaves_no_process(tmp_path: Path) -> None:
    options = [*DEMO, f"--output={tmp_path}/out"]
    running = subprocess.Popen([sys.executable, "-m", "deploy.flink.cluster", "--", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert "http://127.0.0.1:" in running.stdout.readline()
    started = until(lambda: (found := psutil.Process(running.pid).children(recursive=True)) and len(found) >= 4 and found)
    running.terminate()
    assert running.wait(60) == 130
    assert [process for process in psutil.wait_procs(started, 5)[1] if process.status() != psutil.STATUS_ZOMBIE] == []
