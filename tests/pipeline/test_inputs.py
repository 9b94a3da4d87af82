"""What the start of a run asks a store for."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from archive.images.index import changed_shards, update_index
from pipeline.inputs import find_inputs
from pipeline.options import RunOptions

LATENCY_S = 0.03
SHARDS = 2000


class SlowStore(MemoryFileSystem):
    """A store that answers each request after a while, and counts them."""

    protocol = "slowstore"
    requests = 0
    lock = threading.Lock()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("slowstore://"))

    def _request(self) -> None:
        with SlowStore.lock:
            SlowStore.requests += 1
        time.sleep(LATENCY_S)

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        self._request()
        return super().info(path, **options)

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        self._request()
        return super().ls(path, detail, **options)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        self._request()
        return super()._open(path, mode, **options)


@pytest.fixture
def store() -> Iterator[str]:
    fsspec.register_implementation("slowstore", SlowStore, clobber=True)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"))
    memory = MemoryFileSystem()
    for shard in range(SHARDS):
        memory.pipe_file(f"/many/images-{shard:04d}.tar", content.getvalue())
        if shard < 100:
            memory.pipe_file(f"/many/posts-{shard:04d}.jsonl", b'{"id": 1, "text": "a"}\n')
    yield "slowstore:///many"
    memory.rm("/many", recursive=True)


def test_two_thousand_shards_are_found_within_seconds_and_known_ones_by_listing(store: str, tmp_path: Any) -> None:
    options = RunOptions((f"{store}/posts-*.jsonl",), f"{tmp_path}/out", (f"{store}/images-*.tar",))
    SlowStore.requests, started = 0, time.monotonic()
    found = find_inputs(options)
    assert len(found.shards) == SHARDS
    assert len(found.posts) == 100
    assert SlowStore.requests < 1.1 * SHARDS
    assert time.monotonic() - started < 10
    some = found.shards[:300]
    update_index(some, f"{tmp_path}/index", "out", versions=found.versions)
    SlowStore.requests, started = 0, time.monotonic()
    again = find_inputs(options, found.versions)
    assert again == found
    assert changed_shards({shard: (found.versions[shard],) * 2 for shard in some}, f"{tmp_path}/index", "out") == []  # type: ignore[misc]
    assert set(update_index(some, f"{tmp_path}/index", "out", versions=again.versions).states.values()) == {"kept"}
    assert SlowStore.requests < 20
    assert time.monotonic() - started < 5
