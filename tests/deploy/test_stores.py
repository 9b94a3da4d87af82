"""Posts, shards, model and output on object stores, through the same code as local files."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from models.pretrained import PRETRAINED
from tests.conftest import DEMO, ROOT
from tests.deploy.stores import AmazonStorage, GoogleStorage

Store = AmazonStorage | GoogleStorage


@pytest.fixture(scope="module", params=[AmazonStorage, GoogleStorage], ids=["s3", "gs"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with request.param("archive") as store:
        for path in DEMO.glob("*-*.*"):
            store.filesystem.pipe(f"archive/in/{path.name}", path.read_bytes())
        store.filesystem.put(f"{PRETRAINED}/default/", "archive/model/", recursive=True)
        yield store


def run(store: Store, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "run_pipeline.py", "--threads=1", *options]
    return subprocess.run(command, cwd=ROOT, env=store.environment, capture_output=True, text=True, check=False)


def rows(read: Any, names: list[str]) -> list[dict[str, Any]]:
    found = [row for name in names if name.endswith(".parquet") for row in pq.read_table(io.BytesIO(read(name))).to_pylist()]
    return sorted(({**row, "source": row["source"].rsplit("/", 1)[-1]} for row in found), key=lambda row: (row["source"], row["line"]))


def test_rows_are_those_of_local_files_and_a_rerun_is_refused_and_a_resume_completes(store: Store, tmp_path: Path) -> None:
    at = f"{store.scheme}://archive"
    inputs = [f"--posts={at}/in/posts-*.jsonl", f"--images={at}/in/images-*.tar"]
    ran = run(store, *inputs, f"--model={at}/model", f"--output={at}/out")
    assert (ran.returncode, ran.stderr) == (0, "")
    ran = run(store, f"--posts={DEMO}/posts-*.jsonl", f"--images={DEMO}/images-*.tar", f"--output={tmp_path}/out")
    assert ran.returncode == 0

    store.filesystem.invalidate_cache()
    written = store.filesystem.find("archive/out/annotations")
    local = [str(path) for path in (tmp_path / "out" / "annotations").iterdir()]
    expected = rows(lambda name: Path(name).read_bytes(), local)
    assert rows(store.filesystem.cat, written) == expected

    ran = run(store, *inputs, f"--output={at}/out")
    assert ran.returncode == 2
    assert "is not empty" in ran.stderr

    store.filesystem.rm(written[0])
    told = json.loads(store.filesystem.cat("archive/out/run.json"))
    for file in told["inputs"]["posts"].values():
        file["lines"] = None  # as a run that was killed leaves it
    store.filesystem.pipe("archive/out/run.json", json.dumps(told).encode())
    ran = run(store, *inputs, f"--output={at}/out", "--resume")
    assert (ran.returncode, ran.stderr) == (0, "")
    store.filesystem.invalidate_cache()
    assert rows(store.filesystem.cat, store.filesystem.find("archive/out/annotations")) == expected
