"""A shard that only grew, or only has another date, is the same; any other is not."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from archive.images.index import changed_shards, update_index
from archive.stores import version_of


def write_tar(path: Path, *names: str, mode: str = "w") -> None:
    with tarfile.open(path, mode) as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))


def write_zip(path: Path, *names: str, mode: str = "w") -> None:
    with zipfile.ZipFile(path, mode) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), name)


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9000])
    touch(path)


@pytest.mark.parametrize(
    ("write", "change", "is_changed"),
    [
        (write_tar, lambda path: None, False),
        (write_tar, touch, False),
        (write_tar, lambda path: write_tar(path, "d.jpg", mode="a"), False),
        (write_tar, lambda path: write_tar(path, "a.jpg", "B.jpg", "c.jpg"), True),
        (write_tar, lambda path: write_tar(path, "b.jpg", "c.jpg"), True),
        (write_tar, lambda path: write_tar(path, "a.jpg"), True),
        (write_tar, cut, True),
        (write_tar, Path.unlink, True),
        (write_zip, touch, False),
        (write_zip, lambda path: write_zip(path, "a.jpg", "B.jpg", "c.jpg"), True),
        (write_zip, lambda path: write_zip(path, "a.jpg"), True),
    ],
)
def test_what_is_the_same(tmp_path: Path, write: Callable[..., None], change: Callable[[Path], None], is_changed: bool) -> None:
    path = tmp_path / "shard"
    write(path, "a.jpg", "b.jpg", "c.jpg")
    os.utime(path, (2, 2))
    shard, index = str(path), f"{tmp_path}/index"
    then = version_of(shard)
    update_index([shard], index, "out")
    change(path)
    now = version_of(shard) if path.exists() else (then[0], "0")
    for _ in range(2):  # asking changes nothing
        assert changed_shards({shard: (then, now)}, index, "out") == [shard] * is_changed
    update_index([], index, "out")  # a night without this shard
    assert changed_shards({shard: (then, now)}, index, "out") == [shard] * is_changed


def test_without_an_index_another_date_is_a_change(tmp_path: Path) -> None:
    write_tar(tmp_path / "shard", "a.jpg")
    assert changed_shards({f"{tmp_path}/shard": ((1, "1"), (1, "2"))}, f"{tmp_path}/index", "out") == [f"{tmp_path}/shard"]
