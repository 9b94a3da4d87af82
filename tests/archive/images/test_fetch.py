"""Ranged reads: few requests, few bytes, and the same bytes as reading each member alone."""

from __future__ import annotations

import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given
from hypothesis import strategies as st

from archive.images import Member, fetch, members_by_name
from archive.images.image_error import ImageError
from archive.images.ranges import LARGEST_BYTES, ranges_of

CAP = 10**7


class Counting(LocalFileSystem):
    """A disk that counts what is asked of it."""

    protocol = "counting"
    asked: list[int] = []  # noqa: RUF012 (one list for all of them, emptied by the fixture)
    opened: list[str] = []  # noqa: RUF012

    def cat_ranges(self, paths: list[str], starts: Any, ends: Any, *args: Any, **options: Any) -> list[bytes]:
        self.asked += [end - start for start, end in zip(starts, ends, strict=True)]
        return super().cat_ranges(paths, starts, ends, *args, **options)

    def open(self, path: str, *args: Any, **options: Any) -> Any:
        self.opened.append(path)
        return super().open(path, *args, **options)


class KnowsNoRanges(Counting):
    """A server that answers with the whole file."""

    protocol = "noranges"

    def cat_ranges(self, paths: list[str], starts: Any, ends: Any, *args: Any, **options: Any) -> list[bytes]:
        return [Path(path).read_bytes() for path in paths]


@pytest.fixture(autouse=True)
def asked() -> list[int]:
    """Bytes of each request."""
    for kind in (Counting, KnowsNoRanges):
        fsspec.register_implementation(kind.protocol, kind, clobber=True)
    Counting.asked.clear()
    return Counting.asked


def tar_of(folder: Path, sizes: dict[str, int]) -> tuple[str, dict[str, bytes]]:
    files = {name: Random(name).randbytes(size) for name, size in sizes.items()}
    with tarfile.open(folder / "a.tar", "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, BytesIO(data))
    return str(folder / "a.tar"), files


def read(shard: str, protocol: str, wanted: list[str]) -> dict[str, bytes | ImageError]:
    found, _ = members_by_name([shard])
    names = {Member(f"{protocol}://{shard}", m.offset, m.size, m.packing): name for name, m in found.items() if name in wanted}
    return {names[member]: data for member, data in fetch(list(names), CAP)}


def test_neighbours_are_one_request(tmp_path: Path, asked: list[int]) -> None:
    shard, files = tar_of(tmp_path, {f"{i}.jpg": 100_000 for i in range(30)})
    assert read(shard, "counting", list(files)) == files
    assert len(asked) == 1
    assert sum(asked) <= 1.2 * 30 * 100_000


@pytest.mark.parametrize("step", [2, 3, 7])
def test_a_picture_costs_its_own_bytes(tmp_path: Path, asked: list[int], step: int) -> None:
    shard, files = tar_of(tmp_path, {f"{i}.{end}": size for i in range(60) for end, size in (("jpg", 100_000), ("json", 700))})
    wanted = [f"{i}.jpg" for i in range(0, 60, step)]
    assert read(shard, "counting", wanted) == {name: files[name] for name in wanted}
    assert sum(asked) <= 1.2 * len(wanted) * 100_000


def test_large_neighbours_are_several_requests(tmp_path: Path, asked: list[int]) -> None:
    shard, files = tar_of(tmp_path, {f"{i}.jpg": 1_500_000 for i in range(6)})
    assert read(shard, "counting", list(files)) == files
    assert len(asked) == 3


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_members_with_long_local_headers(tmp_path: Path, asked: list[int], packing: int) -> None:
    """The length of a local header stands in it alone."""
    files = {f"{i}.jpg": Random(i).randbytes(50_000) for i in range(5)}
    with zipfile.ZipFile(tmp_path / "a.zip", "w", packing) as archive:
        for i, (name, data) in enumerate(files.items()):
            info = zipfile.ZipInfo(name)
            info.compress_type = packing
            info.extra = b"\xfe\xca" + (1000 * i).to_bytes(2, "little") + bytes(1000 * i)
            archive.writestr(info, data)
    assert read(str(tmp_path / "a.zip"), "counting", list(files)) == files
    assert len(asked) == 1


def test_a_folder_is_read_in_parallel(tmp_path: Path, asked: list[int]) -> None:
    for i in range(8):
        (tmp_path / f"{i}.jpg").write_bytes(bytes([i]) * 100)
    found = dict(fetch([Member(f"counting://{tmp_path}/{i}.jpg", 0, 100) for i in range(8)], CAP))
    assert [found[member] for member in sorted(found)] == [bytes([i]) * 100 for i in range(8)]
    assert asked == [100] * 8


def test_a_server_without_ranges_gives_no_wrong_picture(tmp_path: Path) -> None:
    shard, files = tar_of(tmp_path, {"a.jpg": 1000, "b.jpg": 1000})
    assert read(shard, "noranges", ["b.jpg"]) == {"b.jpg": files["b.jpg"]}


def test_what_is_not_there_or_too_large(tmp_path: Path, asked: list[int]) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 1000)
    members = [
        Member(f"counting://{path}", 0, 10),
        Member(f"counting://{path}", 10, 0),
        Member(f"counting://{path}", 990, 20),
        Member(f"counting://{path}", 2000, 20),
        Member(f"counting://{path}", 0, 600),
        Member(f"counting://{path}", 0, 2000),
        Member(f"counting://{path}-gone", 0, 10),
        Member("nostore://x", 0, 10),
    ]
    truncated = ImageError("corrupt", "truncated")
    lost = ImageError("missing", "unreadable_shard")
    expected = [b"x" * 10, b"", truncated, truncated, ImageError("too_large", "too_many_bytes"), truncated, lost, lost]
    assert dict(fetch(members, 500)) == dict(zip(members, expected, strict=True))
    assert sum(asked) < 1100


@given(st.lists(st.tuples(st.integers(0, 300_000), st.integers(0, 200_000), st.sampled_from("ab")), max_size=40))
def test_ranges_hold_all_members_in_order_and_waste_little(places: list[tuple[int, int, str]]) -> None:
    """Members follow each other at gaps, as in a shard."""
    members = []
    ends = {"a": 0, "b": 0}
    for gap, size, shard in places:
        members.append(Member(shard, ends[shard] + gap, size))
        ends[shard] += gap + size
    members.sort()
    ranges = list(ranges_of(members, 150_000))
    assert [member for one in ranges for member in one.members] == members
    for one in ranges:
        assert len({member.shard for member in one.members}) == 1
        wanted = sum(member.size for member in one.members)
        if members and one.end > one.start:
            assert all(one.start <= member.offset and member.offset + member.size <= one.end for member in one.members)
            assert one.end - one.start <= max(LARGEST_BYTES, one.members[0].size)
            assert one.end - one.start <= 1.15 * wanted + 4096 * len(one.members)
        else:
            assert wanted == 0 or wanted > 150_000
