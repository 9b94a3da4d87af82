"""The cache never fails and never gives other bytes than were put."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.inference import compiled_cache
from models.inference.compiled_cache import CompiledCache, cache_folder


def test_bytes_come_back_by_their_key(tmp_path: Path) -> None:
    cache = CompiledCache(tmp_path / "new" / "folder")
    assert cache.get("a") is None
    cache.put("a", b"one")
    cache.put("b", b"")
    assert (cache.get("a"), cache.get("b"), CompiledCache(tmp_path / "new" / "folder").get("a")) == (b"one", b"", b"one")
    assert (tmp_path / "new" / "folder").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"x", b"y" * 31, b"z" * 500])
def test_a_damaged_file_is_nothing_and_is_made_again(tmp_path: Path, content: bytes) -> None:
    cache = CompiledCache(tmp_path)
    cache.put("a", b"one" * 100)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert cache.get("a") is None
    cache.put("a", b"two")
    assert cache.get("a") == b"two"


def test_a_folder_that_cannot_be_made_or_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = CompiledCache(tmp_path / "file" / "postner")  # root may write to any folder, but not below a file
    cache.put("a", b"one")
    assert cache.get("a") is None
    assert (tmp_path / "file").read_bytes() == b""


def test_a_file_is_whole_however_many_write_it(tmp_path: Path) -> None:
    contents = [bytes([i]) * 100_000 for i in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda content: CompiledCache(tmp_path).put("a", content), contents * 4))
    assert CompiledCache(tmp_path).get("a") in contents
    assert len(list(tmp_path.iterdir())) == 1


def test_what_was_used_longest_ago_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_cache, "MAX_BYTES", 250)
    cache = CompiledCache(tmp_path)
    for number, key in enumerate("ab"):
        cache.put(key, key.encode() * 60)
        for file in tmp_path.iterdir():
            os.utime(file, (number, number))
    cache.get("a")
    cache.put("c", b"c" * 60)
    assert [cache.get(key) is None for key in "abc"] == [False, True, False]


def test_the_folder_is_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "postner"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "postner"
