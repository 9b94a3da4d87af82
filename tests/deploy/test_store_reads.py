"""What finding and indexing shards read of an S3 store, counted by the server."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import fsspec
import pytest

from archive import stores
from archive.images import find_shards
from archive.images.index import update_index
from bench.night import write_shard
from bench.store import CountingServer

MEMBERS = 2000


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shards") / "shard.tar"
    write_shard(path, 0, MEMBERS)
    return path


@pytest.fixture(scope="module")
def server(shard: Path) -> Iterator[CountingServer]:
    """A server with a bucket `reads` and three copies of the shard in it."""
    with CountingServer(0) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        store = fsspec.filesystem("s3")
        store.mkdir("reads")
        for copy in range(3):
            store.put_file(str(shard), f"reads/{copy}.tar")
        yield server
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_shards_are_found_by_their_first_block_read_once_and_never_again(server: CountingServer, shard: Path, tmp_path: Path) -> None:
    size = shard.stat().st_size
    server.begin()
    found = find_shards(["s3://reads/*.tar"], "--images")
    assert sum(server.sent.values()) < 3 * 512 + 5000
    server.begin()
    update_index(found.shards, f"{tmp_path}/index", "out", versions=found.versions)
    assert 3 * size < sum(server.sent.values()) < 3 * size + 3 * 17 * 512 + 10_000
    server.begin()
    again = find_shards(["s3://reads/*.tar"], "--images", found.versions)
    assert set(update_index(again.shards, f"{tmp_path}/index", "out", versions=again.versions).states.values()) == {"kept"}
    assert sum(server.requests.values()) < 6
    assert sum(server.sent.values()) < 5000


def test_a_compressed_tar_is_refused_on_a_store_too(server: CountingServer, shard: Path) -> None:
    fsspec.filesystem("s3").pipe("reads/packed/a.tar", gzip.compress(shard.read_bytes()))
    with pytest.raises(ValueError, match="is a tar compressed with gzip"):
        find_shards(["s3://reads/packed/"], "--images")


def test_a_range_of_a_file_on_a_store_is_that_range(server: CountingServer, shard: Path) -> None:
    with patch.object(stores, "READ_AHEAD_BYTES", 1000):
        assert b"".join(stores.read_range("s3://reads/0.tar", 700, 3200)) == shard.read_bytes()[700:3200]
