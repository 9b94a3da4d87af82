"""The files of the index: built, kept, grown, touched, replaced, damaged, interrupted."""

from __future__ import annotations

import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.images import ImageError, Member
from archive.images.index import (
    Index,
    IndexDamagedError,
    IndexFile,
    UpdatedIndex,
    build,
    changed_shards,
    files,
    index_one,
    open_index,
    update,
    update_index,
)
from archive.stores import version_of


def tar(path: Path, *members: tuple[str, bytes], mode: str = "w") -> str:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


def link(path: Path, name: str, target: str, kind: bytes) -> None:
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        archive.addfile(info)


def places(index: Index, *keys: str) -> list[object]:
    """For each key its offset, or the status."""
    located = index.locate(keys, 100).places
    return [place.status if isinstance(place, ImageError) else place.offset for place in map(located.__getitem__, keys)]


def updated(folder: Path, *shards: str) -> UpdatedIndex:
    return update_index(shards, f"{folder}/index", "out")


def states(folder: Path, *shards: str) -> list[str]:
    return list(updated(folder, *shards).states.values())


def index_of(folder: Path, *shards: str) -> Index:
    return open_index(updated(folder, *shards).file)


def entries(index: Index) -> list[tuple[str, Member]]:
    return [(index._segment.name(number), index._segment.member(number)) for number in range(len(index))]


def test_what_is_known_is_not_read_again(tmp_path: Path) -> None:
    a, b = tar(tmp_path / "a.tar", ("1.jpg", b"1")), tar(tmp_path / "b.tar", ("2.jpg", b"2"))
    first = updated(tmp_path, a, b)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "index").iterdir()}
    with patch.object(build, "index_shard", side_effect=AssertionError("nothing is read")):
        again = updated(tmp_path, a, b)
        other = update_index([b], f"{tmp_path}/index", "another output")
    assert list(first.states.values()) == ["new", "new"]
    assert list(again.states.values()) == ["kept", "kept"]
    assert again.file == first.file
    assert list(other.states.values()) == ["kept"]
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert len(open_index(other.file)) == 1


def test_shards_come_and_go(tmp_path: Path) -> None:
    a, b, c = (tar(tmp_path / f"{name}.tar", (f"{name}.jpg", b"1"), ("same.jpg", b"s")) for name in "abc")
    assert states(tmp_path, b) == ["new"]
    assert states(tmp_path, c, a, b) == ["new", "new", "kept"]
    index = index_of(tmp_path, c, a, b)
    assert [place.shard for place in index.locate(["same.jpg"], 9).places.values() if isinstance(place, Member)] == [c]
    assert places(index_of(tmp_path, a), "a.jpg", "b.jpg") == [512, "missing"]
    assert states(tmp_path, a, a) == ["kept"]


def test_a_tar_that_grew_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    shard = tar(path, ("a.jpg", b"1"), ("b.jpg", b"2"), ("odd\0", b"3"))
    index_of(tmp_path, shard)
    tar(path, ("a.jpg", b"4"), ("c.jpg", b"5"), mode="a")
    link(path, "d.jpg", "b.jpg", tarfile.LNKTYPE)
    real, starts = build.index_shard, []

    def spied(shard: str, start: int) -> object:
        starts.append(start)
        return real(shard, start)

    with patch.object(build, "index_shard", spied):
        grown = updated(tmp_path, shard)
    assert list(grown.states.values()) == ["grown"]
    assert starts[0] >= 2048
    anew = update_index([shard], f"{tmp_path}/anew", "out")
    assert list(anew.states.values()) == ["new"]
    assert entries(open_index(grown.file)) == entries(open_index(anew.file))
    assert places(open_index(grown.file), "d.jpg") == places(open_index(grown.file), "b.jpg") == [1536]
    assert states(tmp_path, shard) == ["kept"]


def test_a_tar_that_was_only_touched_is_the_same(tmp_path: Path) -> None:
    shard = tar(tmp_path / "a.tar", ("a.jpg", b"1"))
    index_of(tmp_path, shard)
    os.utime(shard, (1, 1))
    before = entries(index_of(tmp_path, shard))
    os.utime(shard, (2, 2))
    assert states(tmp_path, shard) == ["touched"]
    assert states(tmp_path, shard) == ["kept"]
    assert entries(index_of(tmp_path, shard)) == before


def test_a_zip_that_was_only_touched_is_the_same(tmp_path: Path) -> None:
    for picture in (b"1", b"2"):
        with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
            archive.writestr(zipfile.ZipInfo("a.jpg"), picture)
        os.utime(tmp_path / "z.zip", (1, int(picture)))
        assert states(tmp_path, f"{tmp_path}/z.zip") == ["new" if picture == b"1" else "changed"]
    before = entries(index_of(tmp_path, f"{tmp_path}/z.zip"))
    os.utime(tmp_path / "z.zip", (3, 3))
    with patch.object(build, "index_shard", side_effect=AssertionError("nothing is read")):
        assert states(tmp_path, f"{tmp_path}/z.zip") == ["touched"]
        assert states(tmp_path, f"{tmp_path}/z.zip") == ["kept"]
    assert entries(index_of(tmp_path, f"{tmp_path}/z.zip")) == before


def test_a_shard_that_was_replaced_after_it_was_found_is_no_other_one_at_night(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    found = version_of(tar(path, ("a.jpg", b"1" * 20_000)))
    tar(path, ("b.jpg", b"1"))
    os.utime(path, (2, 2))
    update_index([str(path)], f"{tmp_path}/index", "out", versions={str(path): found})
    assert changed_shards({str(path): (found, version_of(str(path)))}, f"{tmp_path}/index", "out") == []
    assert states(tmp_path, str(path)) == ["touched"]
    assert [name for name, _ in entries(index_of(tmp_path, str(path)))] == ["b.jpg"]


@pytest.mark.parametrize("members", [[("b.jpg", b"1")], [("b.jpg", b"1"), ("c.jpg", b"1")], [], [("a.jpg", b"12")]])
def test_another_tar_of_the_same_name_is_read_anew(tmp_path: Path, members: Sequence[tuple[str, bytes]]) -> None:
    path = tmp_path / "a.tar"
    index_of(tmp_path, tar(path, ("a.jpg", b"1")))
    tar(path, *members)
    os.utime(path, (2, 2))
    assert states(tmp_path, str(path)) == ["changed"]
    assert [name for name, _ in entries(index_of(tmp_path, str(path)))] == [name for name, _ in members]


def test_a_tar_that_was_cut_and_is_whole_now(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    shard = tar(path, ("a.jpg", b"1" * 1000), ("b.jpg", b"2" * 1000))
    whole = path.read_bytes()
    path.write_bytes(whole[:2600])
    assert [problem.reason for _, problems in index_of(tmp_path, shard).problems() for problem in problems] == ["truncated"]
    path.write_bytes(whole)
    assert list(index_of(tmp_path, shard).problems()) == []


def test_zip_and_folder(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    (pictures / "x").mkdir(parents=True)
    (pictures / "x" / "a.jpg").write_bytes(b"a")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("b.jpg", b"b")
    shards = [str(tmp_path / "z.zip"), f"{pictures}/"]
    assert states(tmp_path, *shards) == ["new", "new"]
    assert states(tmp_path, *shards) == ["kept", "kept"]
    (pictures / "c.jpg").write_bytes(b"c")
    assert states(tmp_path, *shards) == ["kept", "new"]
    located = index_of(tmp_path, *shards).locate(["a.jpg", "pictures/c.jpg", "b.jpg", "pictures/b.jpg"], 100).places
    assert located["a.jpg"] == Member(str(pictures / "x" / "a.jpg"), 0, 1)
    assert located["pictures/c.jpg"] == Member(str(pictures / "c.jpg"), 0, 1)
    assert located["b.jpg"] == located["pictures/b.jpg"] == Member(shards[0], 0, 1, "zip_stored")
    (pictures / "x" / "a.jpg").unlink()
    assert places(index_of(tmp_path, *shards), "a.jpg") == ["missing"]


def test_links_lead_to_members_of_the_same_shard(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    shard = tar(path, ("x/a.jpg", b"1"))
    for name, target, kind in [
        ("b.jpg", "x/a.jpg", tarfile.LNKTYPE),
        ("x/c.jpg", "a.jpg", tarfile.SYMTYPE),
        ("d.jpg", "x/c.jpg", tarfile.LNKTYPE),
        ("dead.jpg", "gone.jpg", tarfile.SYMTYPE),
        ("loop.jpg", "pool.jpg", tarfile.SYMTYPE),
        ("pool.jpg", "loop.jpg", tarfile.SYMTYPE),
        ("out.jpg", "/etc/passwd", tarfile.SYMTYPE),
    ]:
        link(path, name, target, kind)
    index = index_of(tmp_path, shard)
    assert places(index, "b.jpg", "c.jpg", "d.jpg", "dead.jpg", "loop.jpg", "out.jpg") == [512] * 3 + ["missing"] * 3


def test_what_no_post_names_costs_nothing(tmp_path: Path) -> None:
    shard = tar(tmp_path / "a.tar", ("1.jpg", b"1"), ("1.json", b"{}"), ("1.txt", b"t"), ("1.TXT", b"t"), ("stats.parquet", b"p"))
    index = index_of(tmp_path, shard)
    assert [name for name, _ in entries(index)] == ["1.jpg"]
    assert places(index, "1", "1.json") == [512, "missing"]


def test_names_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    shard = tar(tmp_path / "a.tar", ("\u0301\u0327" * 100_000 + ".jpg", b"1"), ("a.jpg", b"2"))
    with patch.object(build, "CHUNK_MEMBERS", 1):
        index = index_of(tmp_path, shard)
    assert [(address, [problem.reason for problem in problems]) for address, problems in index.problems()] == [(shard, ["unusable_name"])]
    assert [name for name, _ in entries(index)] == ["a.jpg"]


def test_a_shard_that_cannot_be_read_is_tried_again(tmp_path: Path) -> None:
    shard = str(tmp_path / "a.tar")
    for _ in range(2):
        problems = [problem.reason for _, problems in index_of(tmp_path, shard).problems() for problem in problems]
        assert problems == ["unreadable"]
    tar(tmp_path / "a.tar", ("a.jpg", b"1"))
    assert list(index_of(tmp_path, shard).problems()) == []
    assert places(index_of(tmp_path, shard), "a.jpg") == [512]


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
