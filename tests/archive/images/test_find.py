"""Finding shards: globs as in a shell, WebDataset's braces, folders of shards and of pictures."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import fsspec
import pytest
import zstandard

from archive.images import find_shards


def tar_bytes() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.jpg"))
    return file.getvalue()


TAR = tar_bytes()


def make(root: Path, *names: str, data: bytes = TAR) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def found(root: Path, *patterns: str) -> list[str]:
    shards = find_shards([f"{root}/{pattern}" for pattern in patterns], "--images").shards
    return [shard.removeprefix(str(root)) for shard in shards]


def test_patterns(tmp_path: Path) -> None:
    make(tmp_path, "00000.tar", "00001.tar", "x/00002.tar", "x/y/z.tar", ".hidden.tar", "x/.h/a.tar", "a{b}.tar", "c[1].tar")
    assert found(tmp_path, "0*.tar") == ["/00000.tar", "/00001.tar"]
    assert found(tmp_path, "{00000..00001}.tar") == ["/00000.tar", "/00001.tar"]
    assert found(tmp_path, "{00001,x/00002}.tar") == ["/00001.tar", "/x/00002.tar"]
    assert found(tmp_path, "x/**/*.tar") == ["/x/00002.tar", "/x/y/z.tar"]
    assert found(tmp_path, "{x,x/y}/*.tar") == ["/x/00002.tar", "/x/y/z.tar"]
    assert found(tmp_path, "{" + ",".join(["00000"] * 99) + "}.tar") == ["/00000.tar"]
    assert found(tmp_path, ".h*.tar") == ["/.hidden.tar"]
    assert found(tmp_path, "a{b}.tar", "c[1].tar") == ["/a{b}.tar", "/c[1].tar"]
    assert found(tmp_path, "*.tar") == ["/00000.tar", "/00001.tar", "/a{b}.tar", "/c[1].tar"]


def test_a_shard_counts_once(tmp_path: Path) -> None:
    make(tmp_path, "a.tar", "b.tar")
    assert found(tmp_path, "b.tar", "*.tar", "../" + tmp_path.name) == ["/b.tar", "/a.tar"]


def test_a_folder_of_shards_and_files_beside_them(tmp_path: Path) -> None:
    make(tmp_path, "in/00000.tar", "in/deep/00001.TAR")
    make(tmp_path, "in/00000.parquet", "in/00000_stats.json", "in/00001_stats.json", "in/.part.crc", data=b"PAR1")
    result = find_shards([str(tmp_path / "in")], "--images")
    assert result.shards == [f"{tmp_path}/in/00000.tar", f"{tmp_path}/in/deep/00001.TAR"]
    assert result.passed_over == {"hidden: .part.crc": 1, ".parquet: 00000.parquet": 1, ".json: 00000_stats.json": 2}
    assert find_shards([f"{tmp_path}/in/*"], "--images").passed_over == {
        ".parquet: 00000.parquet": 1,
        ".json: 00000_stats.json": 2,
        "folder: deep": 1,
    }


def test_a_folder_of_pictures_and_a_folder_of_both(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "x/b", data=b"picture")
    assert found(tmp_path, "") == ["/"]
    make(tmp_path, "x/c.tar")
    assert found(tmp_path, "") == ["/", "/x/c.tar"]


def test_bytes_count_not_names(tmp_path: Path) -> None:
    make(tmp_path, "SHARD.TAR", "no ending", "b.dat")
    with zipfile.ZipFile(tmp_path / "z.bin", "w"):
        pass
    make(tmp_path, "c.dat", "d.tar", "e", data=b"<html>")
    make(tmp_path, "f.tar", data=b"")
    assert found(tmp_path, "*") == ["/SHARD.TAR", "/b.dat", "/d.tar", "/f.tar", "/no ending", "/z.bin"]
    for name in ("c.dat", "e"):
        with pytest.raises(ValueError, match=rf"--images: '.*/{name}' is no tar and no zip"):
            found(tmp_path, name)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    """Most often a disk that is not mounted; each post is annotated once, so its pictures would be missing for ever."""
    make(tmp_path, "a.json", data=b"{}")
    with pytest.raises(ValueError, match="--images matched no tar, zip or picture"):
        find_shards([str(tmp_path)], "--images")


@pytest.mark.parametrize(
    ("name", "data", "cure"),
    [
        ("a.tar.gz", gzip.compress(TAR, mtime=0), "gunzip <"),
        ("a.tgz", gzip.compress(TAR, mtime=0), "gunzip <"),
        ("a.tar", bz2.compress(TAR), "bunzip2 <"),
        ("a.tar.zst", zstandard.compress(TAR), "unzstd <"),
        ("a", lzma.compress(TAR), "unxz <"),
    ],
)
def test_compressed_tars_are_refused_with_the_cure(tmp_path: Path, name: str, data: bytes, cure: str) -> None:
    make(tmp_path, name, data=data)
    make(tmp_path, "plain.tar")
    for pattern in (name, "*"):
        with pytest.raises(ValueError, match=rf"--images: '.*/{name}' is a tar compressed with .* run `{cure} {name} > a-unpacked.tar`"):
            found(tmp_path, pattern)


def test_compressed_files_that_hold_no_tar_are_no_compressed_tars(tmp_path: Path) -> None:
    make(tmp_path, "posts.jsonl.gz", data=gzip.compress(b"{}\n" * 500))
    make(tmp_path, "cut.tar", data=b"\x1f\x8bno gzip")
    assert found(tmp_path, "*") == ["/cut.tar"]


@pytest.mark.parametrize("pattern", ["no.tar", "no-*.tar", "{00000..00002}.tar", "no/"])
def test_nothing_matched(tmp_path: Path, pattern: str) -> None:
    make(tmp_path, "00000.tar", "00001.tar")
    with pytest.raises(ValueError, match="--images matched no file: "):
        found(tmp_path, pattern)


def test_only_other_files_matched(tmp_path: Path) -> None:
    make(tmp_path, "a.json", data=b"{}")
    with pytest.raises(ValueError, match=r"--images matched no tar, zip or picture: '.*/\*'"):
        found(tmp_path, "*")


def test_stores(tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    for name in ("0.tar", "1.tar", "x/2.tar"):
        store.pipe(f"/find-shards/{name}", TAR)
    store.pipe("/find-shards/x/empty.tar", b"")
    root = "memory://find-shards"
    assert find_shards([f"{root}/{{0..1}}.tar", f"{root}/*.tar"], "--images").shards == [f"memory:///find-shards/{n}.tar" for n in (0, 1)]
    assert len(find_shards([root], "--images").shards) == 4
