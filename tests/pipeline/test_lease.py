"""Two runs never write into one output; a dead run holds nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import fsspec
import pytest

from archive.stores import resolve
from pipeline.definitions import UsageError
from pipeline.lease import DEAD_AFTER_S, LOCK, lease
from tests.conftest import ROOT
from tests.deploy.stores import AmazonStorage, GoogleStorage

DEAD = json.dumps({"run": "x", "host": "h", "pid": 1, "heartbeat": 0})
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


@pytest.fixture(scope="module", params=["memory", "s3", "gs"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a folder on a store; those of Amazon and Google are real servers."""
    if request.param == "memory":
        yield "memory://leases"
        return
    server: AmazonStorage | GoogleStorage = (AmazonStorage if request.param == "s3" else GoogleStorage)("leases")
    with server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        fsspec.get_filesystem_class(request.param).clear_instance_cache()
        yield f"{request.param}://leases"
    fsspec.get_filesystem_class(request.param).clear_instance_cache()


def test_on_a_store_the_lease_is_an_object_that_goes_at_the_end(store: str, tmp_path: Path) -> None:
    output = f"{store}/{tmp_path.name}"
    filesystem, path = resolve(f"{output}/{LOCK}")
    with lease(output):
        assert filesystem.exists(path)
        with pytest.raises(UsageError, match="another run is writing"), lease(output):
            pass
    filesystem.invalidate_cache()
    assert not filesystem.exists(path)


def test_of_runs_that_begin_at_the_same_moment_one_gets_the_lease(store: str, tmp_path: Path) -> None:
    if store.startswith("gs"):
        pytest.skip("the emulator of Google's storage has no conditional put: it ignores ifGenerationMatch")
    output = f"{store}/{tmp_path.name}"
    filesystem, path = resolve(f"{output}/{LOCK}")
    begin, decided, held = threading.Barrier(4), threading.Barrier(4), []

    def run(number: int) -> None:
        with ExitStack() as stack:
            begin.wait()
            with suppress(UsageError):
                stack.enter_context(lease(output))
                held.append(number)
            decided.wait()

    for content in (None, DEAD.encode()):
        held.clear()
        if content:
            filesystem.pipe_file(path, content)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, range(4)))
        assert len(held) == 1


@pytest.mark.parametrize("content", [DEAD, "", "{}", "[]"])
def test_on_a_store_the_lease_of_a_dead_run_is_taken_over(store: str, tmp_path: Path, content: str) -> None:
    output = f"{store}/{tmp_path.name}"
    filesystem, path = resolve(f"{output}/{LOCK}")
    filesystem.pipe_file(path, content.encode())
    with lease(output):
        held = json.loads(filesystem.cat_file(path))
        assert time.time() - held["heartbeat"] < DEAD_AFTER_S
    filesystem.invalidate_cache()
    assert filesystem.find(output) == []
