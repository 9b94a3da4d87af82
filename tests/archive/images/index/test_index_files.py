"""The files of the index: joined, damaged, interrupted, copied from a store."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from unittest.mock import patch

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.images.index import (
    IndexDamagedError,
    IndexFile,
    build,
    files,
    index_one,
    open_index,
    update,
    update_index,
)
from tests.archive.images.index.indexed import entries, index_of, places, states, tar, updated


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a.jpg", "x/a.jpg", "x/b", "y/x/a.jpg"]), max_size=7), max_size=6), st.integers(1, 3))
def test_chunks_and_joins_change_nothing(tmp_path_factory: pytest.TempPathFactory, shards: list[list[str]], size: int) -> None:
    folder = tmp_path_factory.mktemp("shards")
    addresses = [tar(folder / f"{n}.tar", *((name, b"%d" % n) for name in names)) for n, names in enumerate(shards)]
    whole = index_of(folder / "1", *addresses)
    with (
        patch.object(build, "CHUNK_MEMBERS", size),
        patch.object(build, "MOST_CHUNKS", 2),
        patch("archive.images.index.merge._ROWS_AT_ONCE", size),
        patch("archive.images.index.merge._MEMBERS_AT_ONCE", size),
        patch("archive.images.index.merge._BYTES_AT_ONCE", size),
        patch.object(update, "OPEN_TOGETHER", size),
    ):
        pieces = index_of(folder / "2", *addresses)
    assert entries(pieces) == entries(whole)
    assert (pieces._segment.hashes == whole._segment.hashes).all()
    assert (pieces._segment.owners == whole._segment.owners).all()
    assert (whole._segment.hashes[1:] >= whole._segment.hashes[:-1]).all()


@pytest.mark.parametrize("pattern", ["*", "all-*"])
@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "foreign", "gone", "other"])
def test_damaged_files_are_made_anew(tmp_path: Path, damage: str, pattern: str) -> None:
    a, b = tar(tmp_path / "a.tar", ("1.jpg", b"1")), tar(tmp_path / "b.tar", ("2.jpg", b"22"))
    good = updated(tmp_path, a, b)
    for path in (tmp_path / "index").glob(pattern):
        data = path.read_bytes()
        middle = len(data) // 2
        bad = {
            "cut": data[:-10],
            "empty": b"",
            "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            "foreign": b"PK\x03\x04" + data,
            "other": b"POSTNER INDEX 9\n" + data[16:],
        }
        path.unlink() if damage == "gone" else path.write_bytes(bad[damage])
    again = updated(tmp_path, a, b)
    assert again.file == good.file
    assert places(open_index(again.file), "1.jpg", "2.jpg") == [512, 512]


def test_the_file_of_another_shard_is_not_believed(tmp_path: Path) -> None:
    a, b = tar(tmp_path / "a.tar", ("1.jpg", b"1")), tar(tmp_path / "b.tar", ("2.jpg", b"22"))
    updated(tmp_path, a, b)
    one, two = (tmp_path / "index" / f"{files.hashed(shard)}.index" for shard in (a, b))
    one.write_bytes(two.read_bytes())
    for path in (tmp_path / "index").glob("all-*"):
        path.unlink()
    assert places(index_of(tmp_path, a, b), "1.jpg", "2.jpg") == [512, 512]


def test_a_kill_leaves_files_whole_or_not_at_all(tmp_path: Path) -> None:
    a = tar(tmp_path / "a.tar", ("1.jpg", b"1"))
    old = updated(tmp_path, a)
    b = tar(tmp_path / "b.tar", ("2.jpg", b"2"))
    before = {path.name: path.read_bytes() for path in (tmp_path / "index").iterdir()}

    def killed(source: io.BufferedReader, target: io.BufferedWriter) -> int:
        target.write(source.read(100))
        raise KeyboardInterrupt

    with patch.object(files, "seal", killed), pytest.raises(KeyboardInterrupt):
        updated(tmp_path, a, b)
    assert {path.name: path.read_bytes() for path in (tmp_path / "index").iterdir()} == before
    assert open_index(old.file) is not None
    assert states(tmp_path, a, b) == ["kept", "new"]


def test_a_reader_never_takes_another_file_for_its_own(tmp_path: Path) -> None:
    first = updated(tmp_path, tar(tmp_path / "a.tar", ("1.jpg", b"1"))).file
    open_index(first)
    second = updated(tmp_path, tar(tmp_path / "b.tar", ("2.jpg", b"2"))).file
    assert first.address == second.address
    assert places(open_index(first), "1.jpg") == [512]  # what is open stays open
    files.open_index.cache_clear()
    with pytest.raises(IndexDamagedError, match="replaced"):
        open_index(first)
    assert places(open_index(second), "1.jpg", "2.jpg") == ["missing", 512]


def test_an_index_on_a_store_is_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = fsspec.filesystem("memory")
    folder = f"memory://{tmp_path.name}/index"
    a = tar(tmp_path / "a.tar", ("1.jpg", b"1"))
    assert index_one(a, folder) == "new"
    assert index_one(a, folder) == "kept"
    updated = update_index([a], folder, "out")
    assert updated.states == {a: "kept"}
    assert places(open_index(updated.file), "1.jpg") == [512]
    files.open_index.cache_clear()
    opened = []
    with patch.object(files, "open_file", opened.append):
        assert places(open_index(updated.file), "1.jpg") == [512]
    assert opened == []
    store.rm(updated.file.address)
    with pytest.raises(IndexDamagedError):
        open_index(IndexFile(updated.file.address, 1))


def test_progress_and_examples(tmp_path: Path) -> None:
    shards = [tar(tmp_path / f"{n}.tar", *((f"{n}-{m}.jpg", b"1") for m in range(4))) for n in range(5)]
    told: list[tuple[int, int]] = []
    index = open_index(update_index(shards, f"{tmp_path}/index", "out", lambda done, total: told.append((done, total))).file)
    assert told == [(n, 5) for n in range(1, 6)]
    assert index.examples(3) == ["0-0.jpg", "1-2.jpg", "3-1.jpg"]
    assert index_of(tmp_path / "none").examples(3) == []
    assert places(index_of(tmp_path / "none"), "a.jpg") == ["missing"]


def test_an_interruption_does_not_wait_for_large_shards(tmp_path: Path) -> None:
    shards = [tar(tmp_path / name, ("1.jpg", b"x")) for name in ("a.tar", "b.tar")]
    at_work, ended = threading.Event(), threading.Event()

    def build_slowly(shard: str, *_: object) -> None:
        if shard == shards[1]:
            at_work.set()
            ended.wait(30)
        assert at_work.wait(30)
        raise KeyboardInterrupt

    with patch.object(update, "build", build_slowly), pytest.raises(KeyboardInterrupt):
        updated(tmp_path, *shards)
    assert not ended.is_set()
    ended.set()
