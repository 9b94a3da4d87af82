"""Shards: what went in comes out, and hostile ones give problems, never exceptions."""

from __future__ import annotations

import errno
import io
import os
import tarfile
import tempfile
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileOpener, LocalFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.images import Member, ShardProblem, fetch, find_shards, index_shard
from archive.images.image_error import ImageError

CAP = 10_000

contents = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="\0/\\", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=120).filter(
        lambda name: name not in (".", "..", ".DS_Store") and not name.startswith("._") and len(name.encode()) < 250
    ),
    st.binary(max_size=2000),
    max_size=6,
)


def tar_of(files: dict[str, bytes], path: Path, kind: int = tarfile.GNU_FORMAT) -> str:
    with tarfile.open(path, "w", format=kind) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


def zip_of(files: dict[str, bytes], path: Path, packing: int = zipfile.ZIP_DEFLATED) -> str:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return str(path)


def split(shard: str) -> tuple[dict[str, Member], list[str]]:
    entries = list(index_shard(shard))
    return {e[0]: e[1] for e in entries if isinstance(e, tuple) and isinstance(e[1], Member)}, [
        e.reason for e in entries if isinstance(e, ShardProblem)
    ]


def read_back(shard: str, cap: int = CAP) -> dict[str, bytes | str]:
    members, _ = split(shard)
    names = {member: name for name, member in members.items()}
    return {names[m]: data if isinstance(data, bytes) else data.reason for m, data in fetch(list(members.values()), cap)}


@settings(deadline=None, max_examples=60)
@given(contents, st.sampled_from(["gnu", "pax", "stored", "deflated"]))
def test_what_went_in_comes_out(files: dict[str, bytes], kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if kind in ("gnu", "pax"):
            shard = tar_of(files, Path(folder) / "a.tar", tarfile.GNU_FORMAT if kind == "gnu" else tarfile.PAX_FORMAT)
        else:
            shard = zip_of(files, Path(folder) / "a.zip", zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED)
        assert split(shard)[1] == []
        assert read_back(shard) == files


def test_folder_gives_paths_below_it(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.jpg").write_bytes(b"A")
    (tmp_path / "in" / "b.jpg").write_bytes(b"B")
    (tmp_path / "secret").write_bytes(b"S")
    (tmp_path / "in" / "link.jpg").symlink_to(tmp_path / "secret")
    (tmp_path / "in" / "same.jpg").symlink_to("b.jpg")
    (tmp_path / "in" / "broken.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(tmp_path / "in" / "pipe.jpg")
    (tmp_path / "in" / "to_pipe.jpg").symlink_to("pipe.jpg")
    (shard,) = find_shards([str(tmp_path / "in")], "--images").shards
    assert read_back(shard) == {"deep/a.jpg": b"A", "b.jpg": b"B", "same.jpg": b"B"}
    assert sorted(split(shard)[1]) == ["not_a_file", "not_a_file", "not_a_file", "outside_folder"]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from([".tar", ".zip"]))
def test_mutated_shards_never_raise_and_never_exceed_the_cap(data: st.DataObject, extension: str) -> None:
    files = {"a.jpg": b"a" * 700, "b.jpg": b"b" * 300, "c.jpg": b""}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{extension}"
        (tar_of if extension == ".tar" else zip_of)(files, path)
        raw = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(0, 8))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
        for found in read_back(str(path), cap=500).values():
            assert isinstance(found, str) or len(found) <= 500


def test_truncated_tar_keeps_what_is_whole(tmp_path: Path) -> None:
    shard = tar_of({"a.jpg": b"a" * 600, "b.jpg": b"b" * 600}, tmp_path / "a.tar")
    whole = Path(shard).read_bytes()
    Path(shard).write_bytes(whole[: 512 + 1024 + 512 + 100])
    assert read_back(shard) == {"a.jpg": b"a" * 600, "b.jpg": "truncated"}
    assert split(shard)[1] == ["truncated"]


def test_tar_cut_between_two_members_is_reported(tmp_path: Path) -> None:
    shard = tar_of({"a.jpg": b"a" * 600, "b.jpg": b"b" * 600}, tmp_path / "a.tar")
    Path(shard).write_bytes(Path(shard).read_bytes()[: 512 + 1024])
    assert read_back(shard) == {"a.jpg": b"a" * 600}
    assert split(shard)[1] == ["truncated"]


def test_tar_whose_first_name_begins_like_a_compressed_file(tmp_path: Path) -> None:
    assert read_back(tar_of({"BZ1.jpg": b"a"}, tmp_path / "a.tar")) == {"BZ1.jpg": b"a"}


@pytest.mark.parametrize("raw", [b"", b"\x00" * 100, b"this is no archive" * 100])
@pytest.mark.parametrize("extension", [".tar", ".zip"])
def test_no_archive_at_all(tmp_path: Path, raw: bytes, extension: str) -> None:
    path = tmp_path / f"x{extension}"
    path.write_bytes(raw)
    assert split(str(path)) == ({}, ["damaged" if raw else "empty"])


def test_compressed_tar_is_refused_with_the_cure(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.jpg"))
    (problem,) = index_shard(str(tmp_path / "a.tar.gz"))
    assert isinstance(problem, ShardProblem)
    assert (problem.reason, "unpack" in problem.detail) == ("compressed_shard", True)
    with pytest.raises(ValueError, match=r"--images: '.*a\.tar\.gz' is a tar compressed with gzip.*gunzip"):
        find_shards([str(tmp_path / "a.tar.gz")], "--images")


def test_links_devices_and_strange_names_in_tar(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("odd")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name in ("/etc/passwd", "../../up.jpg", "./here.jpg"):
            info = tarfile.TarInfo(name)
            info.size = 2
            archive.addfile(info, io.BytesIO(b"ok"))
    assert split(str(path))[1] == ["not_a_file"] * 4
    assert read_back(str(path)) == {"/etc/passwd": b"ok", "../../up.jpg": b"ok", "here.jpg": b"ok"}


def test_a_giant_extended_header_is_not_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**40
    path = tmp_path / "a.tar"
    path.write_bytes(info.tobuf() + b"\0" * 2048)
    assert split(str(path)) == ({}, ["damaged"])


def test_a_giant_header_behind_a_small_one_is_not_read(tmp_path: Path) -> None:
    comment = b"13 comment=a\n"
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        for kind, size, data in ((tarfile.XHDTYPE, len(comment), comment.ljust(512, b"\0")), (tarfile.GNUTYPE_LONGNAME, 2**28, b"")):
            info = tarfile.TarInfo("x")
            info.type, info.size = kind, size
            file.write(info.tobuf() + data)
        file.truncate(2**28 + 2**12)
    tracemalloc.start()
    try:
        assert split(str(path)) == ({}, ["damaged"])
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_a_sparse_member_costs_only_itself(tmp_path: Path) -> None:
    sparse = tarfile.TarInfo("sparse.jpg")
    sparse.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[148:156] = b" " * 8
    header[386:410] = b"00000000000\x0000000000000\x00"
    header[148:156] = b"%06o\0 " % sum(header)
    rest = Path(tar_of({"a.jpg": b"a"}, tmp_path / "rest.tar")).read_bytes()
    (tmp_path / "a.tar").write_bytes(bytes(header) + rest)
    assert split(str(tmp_path / "a.tar"))[1] == ["unsupported_packing"]
    assert read_back(str(tmp_path / "a.tar")) == {"a.jpg": b"a"}


def test_names_that_are_no_text(tmp_path: Path) -> None:
    shard = tar_of({"bad\udcff.jpg": b"x", "good.jpg": b"y"}, tmp_path / "a.tar")
    assert read_back(shard) == {"good.jpg": b"y"}
    assert split(shard)[1] == ["undecodable_name"]


def test_zip_bomb_stops_at_the_cap(tmp_path: Path) -> None:
    shard = zip_of({"bomb.jpg": b"\0" * 50_000_000}, tmp_path / "a.zip")
    assert Path(shard).stat().st_size < 100_000
    assert read_back(shard, cap=10**6) == {"bomb.jpg": "too_many_bytes"}


def test_unsupported_packing_and_encryption(tmp_path: Path) -> None:
    path = Path(zip_of({"a.jpg": b"x" * 100}, tmp_path / "a.zip"))
    raw = path.read_bytes()
    entry = raw.index(b"PK\x01\x02")
    for change in ((10, 9), (8, 1)):  # method: deflate64; flags: encrypted
        path.write_bytes(raw[: entry + change[0]] + bytes([change[1], 0]) + raw[entry + change[0] + 2 :])
        assert split(str(path)) == ({}, ["unsupported_packing"])


def test_a_shard_that_vanishes_after_it_was_indexed(tmp_path: Path) -> None:
    shard = tar_of({"a.jpg": b"x"}, tmp_path / "a.tar")
    members, _ = split(shard)
    os.remove(shard)
    assert [error for _, error in fetch(list(members.values()), CAP)] == [ImageError("missing", "unreadable_shard")]


class FailingDisk(LocalFileSystem):
    """A disk that cannot be read past its second block."""

    protocol = "failing"

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> LocalFileOpener:
        class File(LocalFileOpener):
            def read(self, size: int = -1) -> bytes:
                if self.tell() >= 1024:
                    raise OSError(errno.EIO, "bad block")
                return self.f.read(size)

        return File(path, mode, fs=self, **options)


def test_a_disk_that_fails_half_way_gives_each_member_one_answer(tmp_path: Path) -> None:
    shard = tar_of({"a.jpg": b"a", "b.jpg": b"b", "c.jpg": b"c"}, tmp_path / "a.tar")
    fsspec.register_implementation("failing", FailingDisk, clobber=True)
    members = [replace(member, shard=f"failing://{shard}") for member in split(shard)[0].values()]
    lost = ImageError("missing", "unreadable_shard")
    assert list(fetch(members, CAP)) == [(members[0], b"a"), (members[1], lost), (members[2], lost)]


def test_a_member_larger_than_the_cap_is_not_read(tmp_path: Path) -> None:
    assert read_back(tar_of({"a.jpg": b"x" * 101}, tmp_path / "a.tar"), cap=100) == {"a.jpg": "too_many_bytes"}


def test_brackets_in_the_name_of_a_shard(tmp_path: Path) -> None:
    shard = tar_of({}, tmp_path / "a[1].tar")
    assert find_shards([shard], "--images").shards == [shard]


def test_nothing_matched(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--images matched no file: '.*nothing-\*\.tar'"):
        find_shards([str(tmp_path / "nothing-*.tar")], "--images")


def test_every_picture_of_the_real_archive_is_read(shared: Path) -> None:
    shards = find_shards([str(shared / "archive" / "images-*.tar")], "--images").shards
    members = [entry[1] for shard in shards for entry in index_shard(shard) if isinstance(entry, tuple)]
    assert len(members) == 1593
    assert all(isinstance(data, bytes) and data.startswith(b"\xff\xd8") for _, data in fetch(members, 10**8))
