"""Tars as people have them: of every writer, joined, grown, linked and damaged."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.images import End, Link, Member, ShardProblem, fetch, index_shard, members_by_name


def tar_bytes(files: dict[str, bytes], kind: int = tarfile.GNU_FORMAT, mtime: float = 0) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def linked(name: str, target: str, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info.tobuf(tarfile.GNU_FORMAT)


def write(path: Path, *parts: bytes) -> str:
    path.write_bytes(b"".join(parts))
    return str(path)


def names(shard: str, start: int = 0) -> list[str | tuple[str, str]]:
    """Return names, and reasons with their details."""
    entries = [entry for entry in index_shard(shard, start) if not isinstance(entry, End)]
    return [entry[0] if isinstance(entry, tuple) else (entry.reason, entry.detail) for entry in entries]


def end(shard: str, start: int = 0) -> int:
    *_, last = index_shard(shard, start)
    assert isinstance(last, End)
    return last.position


def contents(shard: str) -> dict[str, bytes]:
    members, _ = members_by_name([shard])
    data = dict(fetch(list(members.values()), 10**6))
    return {name: found for name, member in members.items() if isinstance(found := data[member], bytes)}


path_parts = st.text(st.characters(codec="utf-8", exclude_characters="\0/", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=90)
paths = st.lists(path_parts.filter(lambda part: not part.startswith(".")), min_size=1, max_size=4).map("/".join)


@settings(deadline=None, max_examples=80)
@given(
    st.dictionaries(paths, st.binary(max_size=1500), max_size=5),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.sampled_from([0, 1.5, 10**12]),
)
def test_members_lie_where_tarfile_says(files: dict[str, bytes], kind: int, mtime: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shard = write(Path(folder) / "a.tar", tar_bytes(files, kind, mtime))
        with tarfile.open(shard) as archive:
            expected = {info.name: Member(shard, info.offset_data, info.size) for info in archive if "__MACOSX" not in info.name}
        assert {entry[0]: entry[1] for entry in index_shard(shard) if isinstance(entry, tuple)} == expected


@pytest.mark.parametrize("kind", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_gnu_tar_of_every_format(tmp_path: Path, kind: str) -> None:
    deep = tmp_path / "in" / ("long" * 20)
    deep.mkdir(parents=True)
    (deep / "a.jpg").write_bytes(b"A")
    (tmp_path / "in" / "hard.jpg").hardlink_to(deep / "a.jpg")
    (tmp_path / "in" / "soft.jpg").symlink_to(f"{deep.name}/a.jpg")
    subprocess.run(["tar", f"--format={kind}", "-C", tmp_path / "in", "-cf", tmp_path / "a.tar", "."], check=True)
    assert contents(str(tmp_path / "a.tar")) == dict.fromkeys([f"{deep.name}/a.jpg", "hard.jpg", "soft.jpg"], b"A")


def test_a_size_beyond_octal_digits(tmp_path: Path) -> None:
    info = tarfile.TarInfo("large.jpg")
    info.size = 2**34
    shard = write(tmp_path / "a.tar", info.tobuf(tarfile.GNU_FORMAT))
    assert [entry[1] for entry in index_shard(shard) if isinstance(entry, tuple)] == [Member(shard, 512, 2**34)]


def test_signed_checksums_of_old_writers(tmp_path: Path) -> None:
    block = bytearray(tar_bytes({"é.jpg": b""})[:512])
    total = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:]) + 8 * 32
    block[148:156] = b"%06o\0 " % total
    assert names(write(tmp_path / "a.tar", bytes(block), bytes(1024))) == ["é.jpg"]


def test_joined_tars_are_read_to_the_end(tmp_path: Path) -> None:
    shard = write(tmp_path / "a.tar", tar_bytes({"a.jpg": b"a"}), bytes(10**6 // 512 * 512), tar_bytes({"b.jpg": b"b"}))
    assert contents(shard) == {"a.jpg": b"a", "b.jpg": b"b"}
    assert names(shard) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("appends_by_tar", [True, False])
def test_a_grown_tar_is_read_on_from_its_end(tmp_path: Path, appends_by_tar: bool) -> None:
    shard = write(tmp_path / "a.tar", tar_bytes({"a.jpg": b"a"}))
    position = end(shard)
    if appends_by_tar:
        with tarfile.open(shard, "a") as archive:
            archive.addfile(tarfile.TarInfo("b.jpg"))
    else:
        write(Path(shard), Path(shard).read_bytes(), tar_bytes({"b.jpg": b""}))
    assert names(shard, position) == ["b.jpg"]
    assert names(shard, end(shard)) == []
    assert end(shard, position) == end(shard) == end(shard, end(shard))


def test_all_members_of_one_name_and_the_last_counts(tmp_path: Path) -> None:
    shard = write(tmp_path / "a.tar", tar_bytes({"a.jpg": b"old"}), tar_bytes({"a.jpg": b"new"}))
    assert names(shard) == ["a.jpg", "a.jpg"]
    assert contents(shard) == {"a.jpg": b"new"}


@pytest.mark.parametrize(
    ("name", "target", "kind", "inside"),
    [
        ("x/s.jpg", "a.jpg", tarfile.SYMTYPE, "x/a.jpg"),
        ("x/s.jpg", "../y/./a.jpg", tarfile.SYMTYPE, "y/a.jpg"),
        ("x/s.jpg", "../../a.jpg", tarfile.SYMTYPE, None),
        ("s.jpg", "/etc/passwd", tarfile.SYMTYPE, None),
        ("s.jpg", "", tarfile.SYMTYPE, None),
        ("x/h.jpg", "y/a.jpg", tarfile.LNKTYPE, "y/a.jpg"),
        ("x/h.jpg", "./y/a.jpg", tarfile.LNKTYPE, "y/a.jpg"),
        ("h.jpg", "../a.jpg", tarfile.LNKTYPE, None),
        ("h.jpg", "x/../..", tarfile.LNKTYPE, None),
    ],
)
def test_links_stay_inside(tmp_path: Path, name: str, target: str, kind: bytes, inside: str | None) -> None:
    shard = write(tmp_path / "a.tar", linked(name, target, kind), bytes(1024))
    assert next(index_shard(shard)) == ((name, Link(inside)) if inside else ShardProblem(shard, "not_a_file", name))


def test_links_in_a_circle_and_to_nowhere_have_no_member(tmp_path: Path) -> None:
    soft = tarfile.SYMTYPE
    shard = write(tmp_path / "a.tar", linked("a", "b", soft), linked("b", "a", soft), linked("c", "no", soft), tar_bytes({"d": b"d"}))
    assert contents(shard) == {"d": b"d"}


def test_a_damaged_header_costs_its_member_alone(tmp_path: Path) -> None:
    raw = bytearray(tar_bytes({"a.jpg": b"a", "b.jpg": b"b" * 2000, "c.jpg": b"c"}))
    raw[1024 + 5] ^= 1
    shard = write(tmp_path / "a.tar", bytes(raw))
    first, (reason, detail), last = names(shard)
    assert (first, reason, last) == ("a.jpg", "damaged", "c.jpg")
    assert "bytes 1024 to 3584" in detail
    assert contents(shard) == {"a.jpg": b"a", "c.jpg": b"c"}
    raw[5] ^= 1
    assert names(write(tmp_path / "b.tar", bytes(raw)))[-1] == "c.jpg"


def test_what_follows_the_end_is_told(tmp_path: Path) -> None:
    shard = write(tmp_path / "a.tar", tar_bytes({"a.jpg": b"a"}), b"garbage" * 100)
    assert [name if isinstance(name, str) else name[0] for name in names(shard)] == ["a.jpg", "damaged"]
    assert end(shard) == 1024


def test_files_of_macos_are_left_out(tmp_path: Path) -> None:
    files = dict.fromkeys(["._a.jpg", "a.jpg", "x/._b.jpg", "x/.DS_Store", "__MACOSX/a.jpg", "x._y.jpg"], b"x")
    assert names(write(tmp_path / "a.tar", tar_bytes(files))) == ["a.jpg", "x._y.jpg"]


def test_what_is_no_tar(tmp_path: Path) -> None:
    for data in (b"<html>" * 500, b"\xff\xd8\xff\xe0" * 500, b"short"):
        ((reason, _),) = names(write(tmp_path / "a.tar", data))
        assert reason == "damaged"
    assert names(write(tmp_path / "a.tar", b"")) == [("empty", "a file of 0 bytes")]


@settings(deadline=None, max_examples=150)
@given(st.data(), st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_damage_is_told_and_costs_no_more_than_it_hits(data: st.DataObject, kind: int) -> None:
    files = {f"{number}.jpg": bytes([number]) * 700 for number in range(6)}
    raw = bytearray(tar_bytes(files, kind, 1.5))
    hit = data.draw(st.integers(0, len(raw) - 1))
    raw[hit] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        shard = write(Path(folder) / "a.tar", bytes(raw))
        lost = files.keys() - contents(shard).keys()
        assert len(lost) <= 1
        assert not lost or [entry for entry in names(shard) if isinstance(entry, tuple)]
