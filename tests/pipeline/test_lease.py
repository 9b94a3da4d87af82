"""Two runs never write into one output; a dead run holds nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pytest

from pipeline.definitions import UsageError
from pipeline.lease import DEAD_AFTER_S, LOCK, lease
from tests.conftest import ROOT

HOLD = "import sys, time; from pipeline.lease import lease\nwith lease(sys.argv[1]): print('held', flush=True); time.sleep(60)"


def hold(output: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, output], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_folder_is_held_by_one_run_and_freed_by_its_death(tmp_path: Path) -> None:
    holder = hold(f"{tmp_path}/out")
    with pytest.raises(UsageError, match="another run is writing"), lease(f"{tmp_path}/out"):
        pass
    holder.kill()
    holder.wait()
    with lease(f"{tmp_path}/out"):
        assert list((tmp_path / "out").iterdir()) == []
    with lease(f"{tmp_path}/out"):
        pass


def test_on_a_store_the_lease_is_an_object_that_goes_at_the_end(tmp_path: Path) -> None:
    output = f"memory://leases/{tmp_path.name}"
    store = fsspec.filesystem("memory")
    with lease(output):
        assert store.exists(f"/leases/{tmp_path.name}/{LOCK}")
        with pytest.raises(UsageError, match="another run is writing"), lease(output):
            pass
    assert not store.exists(f"/leases/{tmp_path.name}/{LOCK}")


@pytest.mark.parametrize("content", [json.dumps({"run": "x", "host": "h", "pid": 1, "heartbeat": 0}), "", "{}", "[]"])
def test_on_a_store_the_lease_of_a_dead_run_is_taken_over(tmp_path: Path, content: str) -> None:
    output = f"memory://leases/{tmp_path.name}"
    store = fsspec.filesystem("memory")
    store.pipe(f"/leases/{tmp_path.name}/{LOCK}", content.encode())
    with lease(output):
        held = json.loads(store.cat(f"/leases/{tmp_path.name}/{LOCK}"))
        assert time.time() - held["heartbeat"] < DEAD_AFTER_S
