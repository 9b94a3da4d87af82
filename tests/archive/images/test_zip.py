"""Zips as people have them: of every packer and system, with bytes around them, cut and damaged."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.images import End, Link, Member, ShardProblem, fetch, index_shard, members_by_name


def zip_bytes(files: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED, **options: bool) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, data in files.items():
            with archive.open(zipfile.ZipInfo(name) if not options else name, "w", **options) as member:
                member.write(data)
    return file.getvalue()


def raw_zip(name: bytes, flags: int = 0, extra: bytes = b"", data: bytes = b"x") -> bytes:
    """Return a zip with one stored member, its name in any bytes."""
    fields = struct.pack("<HHHHIIIHH", flags, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(name), len(extra))
    local = b"PK\x03\x04\x14\x00" + fields + name + extra + data
    entry = b"PK\x01\x02\x14\x00\x14\x00" + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name + extra
    return local + entry + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(entry), len(local), 0)


def write(path: Path, *parts: bytes) -> str:
    path.write_bytes(b"".join(parts))
    return str(path)


def names(shard: str) -> list[str]:
    """Return names and reasons."""
    entries = [entry for entry in index_shard(shard) if not isinstance(entry, End)]
    return [entry[0] if isinstance(entry, tuple) else entry.reason for entry in entries]


def contents(shard: str, cap: int = 10**6) -> dict[str, bytes | str]:
    members, _ = members_by_name([shard])
    data = dict(fetch(list(members.values()), cap))
    return {name: found if isinstance(found := data[member], bytes) else found.reason for name, member in members.items()}


FILES = {"a.jpg": b"a" * 900, "x/b.jpg": b"b", "Café.jpg": b""}


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("around", [(b"", b""), (b"#!/bin/sh\n" * 99, b""), (b"", b"\0" * 3000), (b"MZ" * 9, b"PK\x05\x06" * 9)])
def test_every_packing_with_bytes_around(tmp_path: Path, packing: int, around: tuple[bytes, bytes]) -> None:
    shard = write(tmp_path / "a.zip", around[0], zip_bytes(FILES, packing), around[1])
    assert contents(shard) == FILES
    assert names(shard) == list(FILES)


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_bombs_stop_at_the_cap(tmp_path: Path, packing: int) -> None:
    assert contents(write(tmp_path / "a.zip", zip_bytes({"a.jpg": bytes(10**7)}, packing))) == {"a.jpg": "too_many_bytes"}


def test_64_bit_sizes(tmp_path: Path) -> None:
    shard = write(tmp_path / "a.zip", zip_bytes(FILES, force_zip64=True))
    assert contents(shard) == FILES
    many = {f"{number}.jpg": b"" for number in range(66_000)}
    assert names(write(tmp_path / "b.zip", zip_bytes(many, zipfile.ZIP_STORED))) == list(many)


@pytest.mark.parametrize(
    ("raw", "flags", "found"),
    [
        ("写真.jpg".encode(), 0, "写真.jpg"),
        ("写真.jpg".encode(), 0x800, "写真.jpg"),
        ("写真.jpg".encode("cp932"), 0, "undecodable_name"),
        (b"\xff.jpg", 0x800, "undecodable_name"),
        (b"images\\a.jpg", 0, "images/a.jpg"),
        (b"images/a\\b.jpg", 0, "images/a\\b.jpg"),
        (b"./a.jpg", 0, "a.jpg"),
        (b"", 0, "damaged"),
    ],
)
def test_names(tmp_path: Path, raw: bytes, flags: int, found: str) -> None:
    assert names(write(tmp_path / "a.zip", raw_zip(raw, flags))) == [found]


@pytest.mark.parametrize("is_of_this_name", [True, False])
def test_the_unicode_path_counts_if_it_is_of_this_name(tmp_path: Path, is_of_this_name: bool) -> None:
    raw, path = "写真.jpg".encode("cp932"), "写真.jpg".encode()
    extra = struct.pack("<HHBI", 0x7075, 5 + len(path), 1, zlib.crc32(raw) ^ (not is_of_this_name)) + path
    shard = write(tmp_path / "a.zip", raw_zip(raw, extra=extra))
    assert names(shard) == ["写真.jpg" if is_of_this_name else "undecodable_name"]


def test_an_odd_name_costs_its_member_alone(tmp_path: Path) -> None:
    raw = zip_bytes({"é.jpg": b"", "b.jpg": b"b"}).replace("é".encode(), b"\xff\xff")
    assert names(write(tmp_path / "a.zip", raw)) == ["undecodable_name", "b.jpg"]


def test_symbolic_links(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, target in {"x/in.jpg": "../a.jpg", "out.jpg": "/etc/passwd"}.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, target)
    shard = write(tmp_path / "a.zip", file.getvalue())
    assert list(index_shard(shard)) == [("x/in.jpg", Link("a.jpg")), ShardProblem(shard, "not_a_file", "out.jpg")]


def test_a_lost_directory_is_replaced_by_local_headers(tmp_path: Path) -> None:
    raw = zip_bytes(FILES)
    shard = write(tmp_path / "a.zip", raw[: raw.index(b"PK\x01\x02") + 9])
    assert names(shard) == ["truncated", *FILES]
    assert contents(shard) == FILES
    cut = write(tmp_path / "b.zip", zip_bytes({"a.jpg": b"a", "b.jpg": bytes(range(256))}, zipfile.ZIP_STORED)[:200])
    assert names(cut) == ["truncated", "a.jpg", "truncated", "b.jpg"]
    assert contents(cut) == {"a.jpg": b"a", "b.jpg": "truncated"}


def test_local_headers_without_sizes_are_told(tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", b"a" * 99)
    raw = pipe.getvalue()
    assert contents(write(tmp_path / "a.zip", raw)) == {"a.jpg": b"a" * 99}
    assert names(write(tmp_path / "a.zip", raw[: raw.index(b"PK\x01\x02")])) == ["truncated", "truncated"]


def test_a_damaged_entry_of_the_directory_leaves_the_members(tmp_path: Path) -> None:
    raw = bytearray(zip_bytes(FILES))
    raw[raw.index(b"PK\x01\x02", raw.index(b"PK\x01\x02") + 1)] = 0
    shard = write(tmp_path / "a.zip", bytes(raw))
    assert "damaged" in names(shard)
    assert contents(shard) == FILES


@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0/\\.", exclude_categories=["Cs"]), min_size=1, max_size=50),
        st.binary(max_size=500),
        max_size=5,
    )
)
def test_members_lie_where_zipfile_says(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shard = write(Path(folder) / "a.zip", zip_bytes(files))
        with zipfile.ZipFile(shard) as archive:
            expected = {info.filename: Member(shard, info.header_offset, info.compress_size, "zip_stored") for info in archive.infolist()}
        assert {entry[0]: entry[1] for entry in index_shard(shard) if isinstance(entry, tuple)} == expected
