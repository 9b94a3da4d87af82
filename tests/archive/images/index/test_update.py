"""What is read again when shards come, go, grow, are touched or replaced."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import pytest

from archive.images import Member
from archive.images.index import (
    build,
    changed_shards,
    open_index,
    update_index,
)
from archive.stores import version_of
from tests.archive.images.index.indexed import entries, index_of, link, places, states, tar, updated


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
