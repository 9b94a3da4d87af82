"""Files of every packing and format."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from archive.posts.entries import FileKind, count_entries, describe, read_entries
from archive.posts.formats.delimited import delimited_entries
from archive.posts.packing import DamagedError
from archive.posts.records import Entry, Reject, Skipped

MAX = 10**6
POSTS = [{"id": str(2**60 + i), "text": f'Zoë said "{i}", in\nBerlin; Łódź'} for i in range(5)]


def tar(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def parquet(posts: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(posts), file, row_group_size=2)
    return file.getvalue()


def table(delimiter: str, encoding: str = "utf-8") -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, ["id", "text"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(POSTS)
    return file.getvalue().encode(encoding)


LINES = b"".join(json.dumps(post).encode() + b"\n" for post in POSTS)
FORMATS: dict[str, bytes] = {
    "JSON lines": LINES,
    "JSON lines, Windows": b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n"),
    "JSON lines, UTF-16": LINES.decode().encode("utf-16"),
    "JSON lines, joined": LINES.replace(b"\n", b"", 2),
    "JSON document": json.dumps(POSTS, ensure_ascii=False).encode(),
    "JSON document, pretty": json.dumps(POSTS, indent=2).encode(),
    "JSON document, big-endian": b"\xfe\xff" + json.dumps(POSTS, indent=2).encode("utf-16-be"),
    "JSON document, object": json.dumps({"data": POSTS}, indent=1).encode(),
    "JSON document, sequence": b"".join(b"\x1e" + json.dumps(post).encode() + b"\n" for post in POSTS),
    "JSON document, joined": "".join(json.dumps(post, indent=1) for post in POSTS).encode(),
    "JavaScript": b"window.YTD.tweets.part0 = " + json.dumps(POSTS).encode(),
    "Parquet": parquet(POSTS),
    "CSV": table(","),
    "CSV, semicolon": table(";", "utf-8-sig"),
    "TSV": table("\t", "utf-16"),
}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": lambda raw: gzip.compress(raw[:50]) + bytes(100) + gzip.compress(raw[50:]),
    "bzip2": lambda raw: bz2.compress(raw[:50]) + bz2.compress(raw[50:]),
    "xz": lambda raw: lzma.compress(raw[:50]) + lzma.compress(raw[50:]),
    "zstd": lambda raw: b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstandard.compress(raw[:50]) + zstandard.compress(raw[50:]),
    "tar": lambda raw: tar(("d/._x", b"hidden"), ("d/posts", raw), ("empty", b"")),
    "zip": lambda raw: zipped(("__MACOSX/x", b"{}"), ("posts", raw), method=zipfile.ZIP_LZMA),
    "tar,bzip2": lambda raw: tar(("a.bz2", bz2.compress(raw))),
    "gzip,tar": lambda raw: gzip.compress(tar(("a", raw))),
    "gzip,zip": lambda raw: gzip.compress(zipped(("a", raw))),
}


def read(path: Path, each: tuple[str, ...] = ("data",), max_bytes: int = MAX) -> tuple[list[Entry], str]:
    """Entries, and the damage."""
    found: list[Entry] = []
    try:
        for entry in read_entries(str(path), max_bytes, each):
            found.append(entry)  # noqa: PERF402 - those before the damage count
    except DamagedError as error:
        return found, str(error)
    return found, ""


def values(entries: list[Entry]) -> list[Any]:
    data = [entry.data for entry in entries if not isinstance(entry.data, Skipped)]
    return [json.loads(value) if isinstance(value, bytes) else value for value in data]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("kind", FORMATS)
def test_every_packing_of_every_format_gives_all_posts(tmp_path: Path, kind: str, packing: str) -> None:
    path = tmp_path / "misnamed.txt"
    path.write_bytes(PACKINGS[packing](FORMATS[kind]))
    found, damage = read(path)
    assert values(found) == POSTS
    assert damage == ""
    assert count_entries(str(path), MAX, ("data",)) == len(found)
    told = describe(str(path))
    assert (told.packings, told.format, told.other) == (tuple(filter(None, packing.split(","))), kind.split(",")[0], None)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("kind", ["JSON lines", "JSON document", "Parquet", "CSV"])
def test_a_file_cut_anywhere_keeps_the_posts_before(tmp_path: Path, kind: str, packing: str) -> None:
    path = tmp_path / "cut"
    whole = PACKINGS[packing](FORMATS[kind])
    step = 1 if len(whole) < 1000 else 97
    for end in range(0, len(whole), step):
        path.write_bytes(whole[:end])
        found, _ = read(path)
        good = [e.data for e in found if not isinstance(e.data, Reject | Skipped)]
        assert len(good) <= len(POSTS) + 1
        if packing == "" and kind.startswith("JSON"):
            assert len(good) >= whole[:end].count(b'"}')


def test_a_damaged_member_does_not_cost_those_behind_it(tmp_path: Path) -> None:
    damaged = bz2.compress(LINES)[:-20]
    for packed in (tar(("1.bz2", damaged), ("2", LINES)), zipped(("1.bz2", damaged), ("2", LINES))):
        (tmp_path / "a").write_bytes(packed)
        found, damage = read(tmp_path / "a")
        assert values(found)[-5:] == POSTS
        assert found[-1].source == f"{tmp_path}/a/2"
        assert damage == "1.bz2: the file is cut short"


def test_members_behind_an_end_mark_or_a_damaged_header_are_read(tmp_path: Path) -> None:
    second = bytearray(tar(("x", b"no more"), ("b" * 200, LINES)))
    second[0:5] = b"\xff\xff\xff\xff\xff"
    (tmp_path / "a").write_bytes(tar(("a", LINES)) + second)
    found, damage = read(tmp_path / "a")
    assert values(found) == POSTS * 2
    assert found[-1].source.endswith("/" + "b" * 200)
    assert damage == "a header of the tar is damaged"


def test_members_that_hold_no_posts_are_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(zipped(("i.json", b"\xff\xd8\xff\xe0"), ("archive.html", b"<!DOCTYPE html>"), ("data/tweets.js", LINES)))
    found, _ = read(tmp_path / "a")
    assert [entry.data for entry in found[:2]] == [Skipped("image"), Skipped("HTML")]
    assert values(found) == POSTS


def test_lines_that_hold_pages_give_their_records_with_context(tmp_path: Path) -> None:
    page = {"data": POSTS[:2], "includes": {"media": []}}
    (tmp_path / "a").write_bytes((json.dumps(page) + "\n" + json.dumps(page) + "\n").encode())
    found, _ = read(tmp_path / "a")
    assert values(found) == POSTS[:2] * 2
    assert [entry.line for entry in found] == [1, 1, 2, 2]
    assert bytes((found[3].context or {})["includes"]) == b'{"media": []}'
    assert len(read(tmp_path / "a", ())[0]) == 2


def test_bad_rows_of_a_table_cost_themselves_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'id,text\n1,\n2,\xff\n3,a,b\n4,"open\n5,e\n')
    found, damage = read(tmp_path / "a")
    assert [entry.data.reason if isinstance(entry.data, Reject) else entry.data for entry in found] == [
        {"id": "1", "text": None},
        "not_utf8",
        "bad_row",
        {"id": "4", "text": '"open'},
        {"id": "5", "text": "e"},
    ]
    assert [entry.line for entry in found] == [1, 2, 3, 4, 5]
    assert damage == ""


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b'"a\nb"', b'1,"x""y"', b'"', b"\r", b"1,2\r"]), max_size=12), st.integers(5, 60))
def test_any_table_is_read(rows: list[bytes], max_bytes: int) -> None:
    found = list(delimited_entries([b"id,text\n" + b"\n".join(rows)], "s", ",", max_bytes))
    assert [entry.line for entry in found] == list(range(1, len(found) + 1))


def test_odd_columns_of_parquet(tmp_path: Path) -> None:
    columns = {
        "id": pa.array([1, 2]),
        "at": pa.array([1, 10**18 + 1], pa.timestamp("ns")),
        "text": pa.Array.from_buffers(pa.string(), 2, pa.array([b"a", b"\xff"]).buffers()),
    }
    pq.write_table(pa.table(columns), tmp_path / "a")
    first, second = (entry.data for entry in read(tmp_path / "a")[0])
    assert isinstance(first, dict)
    assert first["text"] == "a"
    assert isinstance(second, Reject)
    assert second.reason == "not_utf8"


@pytest.mark.parametrize(
    "raw", [b"\x00\x01\x02" * 100, b"%PDF-1.4 x\n", b"<html>\n<p>a, b</p>\n", b"PK\x03\x04garbage", b"PAR1garbage", b"BZh9"]
)
def test_files_of_no_posts_raise_nothing_but_damage(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a").write_bytes(raw)
    found, damage = read(tmp_path / "a")
    assert len(found) <= 2
    assert found or damage


def test_an_empty_file_has_no_entries(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert read(tmp_path / "a") == ([], "")
    assert describe(str(tmp_path / "a")).other == "empty"


def test_halves_of_utf16_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\xfe" + '{"id":"1"}\n{"id":"'.encode("utf-16-le") + b"\x3d\xd8" + '"}'.encode("utf-16-le") + b"x")
    assert [entry.data for entry in read(tmp_path / "a")[0]] == [b'{"id":"1"}', '{"id":"\ufffd"}\ufffd'.encode()]


def test_a_cut_first_line_is_not_a_document(tmp_path: Path) -> None:
    for first in (b'{"id":1,"te', b'{"id":1,'):
        (tmp_path / "a").write_bytes(first + b"\n" + LINES)
        assert [entry.data for entry in read(tmp_path / "a")[0]] == [first, *LINES.splitlines()]


def test_a_zstd_file_tells_its_window(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    (tmp_path / "a").write_bytes(compressor.compress(LINES) + compressor.flush())
    assert describe(str(tmp_path / "a")) == FileKind(("zstd",), "JSON lines", window_bytes=2**28)
    assert values(read(tmp_path / "a")[0]) == POSTS


@pytest.mark.parametrize("each", [(), ("data",)])
def test_memory_does_not_grow_with_a_document(tmp_path: Path, each: tuple[str, ...]) -> None:
    element = json.dumps(POSTS[0] | {"x": "y" * 500}).encode()
    head, tail = (b'{"data":[', b"]}") if each else (b"[", b"]")
    with (tmp_path / "a").open("wb") as file:
        file.write(head + element)
        file.writelines(b"," + element for _ in range(50_000))
        file.write(tail)
    program = f"""
import resource
from archive.posts.entries import count_entries
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(count_entries({str(tmp_path / "a")!r}, 2**20, {each!r}), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, grown = map(int, done.stdout.split())
    assert count == 50_001
    assert grown < 40


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zstd", "zip"])
def test_bombs_stay_in_memory_bounds(tmp_path: Path, packing: str) -> None:
    compress = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstandard.compress}
    raw = b'{"id": 1}\n' + b" " * 2**27
    (tmp_path / "a").write_bytes(compress[packing](raw) if packing in compress else zipped(("a", raw), method=zipfile.ZIP_BZIP2))
    program = f"""
import resource
from archive.posts.entries import count_entries
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(count_entries({str(tmp_path / "a")!r}, 2**20), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, grown = map(int, done.stdout.split())
    assert count == 2
    assert grown < 110
