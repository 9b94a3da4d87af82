"""Pieces of posts files give the same slices as the whole file, wherever it is cut."""

from __future__ import annotations

import gzip
import io
import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.posts.entries import read_entries
from archive.posts.fields.presets import PRESETS
from archive.posts.packing import DamagedError
from archive.posts.pieces import Piece, cut
from archive.posts.places import why_whole
from archive.posts.records import Slice
from archive.posts.slices import read_slices

MAX = 200
FIELDS = replace(PRESETS["postner"].fields("postner"), each="data")
PAGE = b'{"data":[{"id":1,"text":"a"},{"id":2,"text":"b"}],"n":[]}'
LINES = st.sampled_from(
    [
        b'{"id":1,"text":"a"}',
        '{"id":2,"text":"Zoë in Łódź 🙂"}'.encode(),
        b'{"id":3,"text":"a"}{"id":4,"text":"b"}',
        b'\xef\xbb\xbf{"id":5,"text":"a"}',
        b'{"id":6,"text":"' + b"long " * 60 + b'"}',
        PAGE,
        b"",
        b" \t",
        b"\r",
        b"{",
        b"\xff",
    ]
)


@contextmanager
def sizes(piece: int, chunk: int = 2**16, slice_: int = 150) -> Iterator[None]:
    """Make pieces, chunks and slices small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archive.posts.pieces.PIECE_BYTES", piece)
        patch.setattr("archive.posts.slice_builder.LARGEST_SLICE_BYTES", slice_)
        for module in ("packing.stream", "packing.compressed", "places"):
            patch.setattr(f"archive.posts.{module}.CHUNK_BYTES", chunk)
        yield


@contextmanager
def file_of(raw: bytes) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "posts").write_bytes(raw)
        yield f"{folder}/posts"


def in_pieces(
    path: str, piece: int, chunks: tuple[int, int] = (2**16, 2**16), lines: int | None = None, slice_: int = 150, most: int = MAX
) -> list[Slice]:
    """The slices of the pieces; each piece tells the names and lines of its slices before they are read."""
    fields = replace(FIELDS, lines=lines)
    with sizes(piece, chunks[0], slice_):
        pieces = list(cut(path, most, fields))
    found: list[Slice] = []
    with sizes(piece, chunks[1], slice_):
        for one in random.Random(0).sample(pieces, len(pieces)):
            slices = list(read_slices(path, most, fields, piece=one))
            assert one is None or [(slice_.name, slice_.lines) for slice_ in slices] == list(one.slices)
            found += slices
    return sorted(found, key=lambda slice_: slice_.first_line)


def whole(path: str, lines: int | None = None, slice_: int = 150, most: int = MAX) -> list[Slice]:
    with sizes(1, slice_=slice_):
        return list(read_slices(path, most, replace(FIELDS, lines=lines)))


@settings(deadline=None, max_examples=150)
@given(
    lines=st.lists(LINES | st.binary(max_size=30), max_size=60),
    line_end=st.sampled_from([b"\n", b"\r\n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    first=st.sampled_from([b'{"id":0,"text":"a"}', PAGE]),
    is_ended=st.booleans(),
    piece=st.integers(1, 600),
    chunks=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    limit=st.none() | st.integers(1, 40),
)
def test_lines_cut_at_any_bytes(
    lines: list[bytes], line_end: bytes, mark: bytes, first: bytes, is_ended: bool, piece: int, chunks: tuple[int, int], limit: int | None
) -> None:
    with file_of(mark + line_end.join([first, *lines]) + line_end * is_ended) as path:
        assert in_pieces(path, piece, chunks, limit) == whole(path, limit)


@settings(deadline=None, max_examples=100)
@given(
    lines=st.lists(LINES, max_size=60),
    cuts=st.lists(st.integers(0, 3000), max_size=12),
    piece=st.integers(1, 600),
    chunks=st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
def test_zstd_frames_that_end_within_lines(lines: list[bytes], cuts: list[int], piece: int, chunks: tuple[int, int]) -> None:
    raw = b"\n".join([b'{"id":0,"text":"a"}', *lines])
    with file_of(frames(raw, cuts)) as path:
        assert in_pieces(path, piece, chunks) == whole(path)


def frames(raw: bytes, cuts: list[int]) -> bytes:
    bounds = sorted({0, len(raw), *(end for end in cuts if end < len(raw))})
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip"
    return skippable + b"".join(zstandard.compress(raw[begin:end]) for begin, end in pairwise(bounds)) + skippable


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_damaged_zstd_files(data: st.DataObject) -> None:
    chance = random.Random(1)
    raw = b"".join(b'{"id":%d,"text":"%x"}\n' % (number, chance.getrandbits(200)) for number in range(200))
    packed = bytearray(frames(raw, list(range(700, len(raw), 700))))
    for _ in range(data.draw(st.integers(1, 2))):
        packed[data.draw(st.integers(200, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with file_of(packed[: data.draw(st.integers(400, len(packed)))]) as path:
        assert in_pieces(path, data.draw(st.integers(1, 2000))) == whole(path)


def test_damage_behind_blocks_that_are_unpacked_in_one_call() -> None:
    """A block unpacks to 128 KiB, so what a failing call of the decompressor loses are thousands of lines."""
    chance = random.Random(2)
    raw = b"".join(b'{"id":1,"text":"%0900x"}\n' % chance.getrandbits(3600) * 145 for _ in range(12))
    packed = bytearray(frames(raw, [len(raw) // 3, 2 * len(raw) // 3]))
    for position in range(200, len(packed), len(packed) // 12):
        damaged = packed[:]
        damaged[position] ^= 255
        with file_of(damaged) as path:
            assert in_pieces(path, 1000, slice_=50_000) == whole(path, slice_=50_000)


def parquet(rows: int, group: int, compression: str = "none") -> bytes:
    file = io.BytesIO()
    texts = [b"\xff" if number % 50 == 7 else f"post number {number} 🙂".encode() for number in range(rows)]
    text = pa.Array.from_buffers(pa.string(), rows, pa.array(texts).buffers())
    ids = pa.array([None if number % 30 == 3 else str(number) for number in range(rows)])
    tags = pa.array([["a", None, "é"] * (number % 3) for number in range(rows)])
    pq.write_table(pa.table({"id": ids, "text": text, "tags": tags}), file, row_group_size=group, compression=compression)
    return file.getvalue()


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 300), st.integers(1, 200), st.integers(100, 3000), st.none() | st.integers(1, 300))
def test_parquet_row_groups(rows: int, group: int, piece: int, limit: int | None) -> None:
    with file_of(parquet(rows, group)) as path:
        assert in_pieces(path, piece, lines=limit, most=10_000) == whole(path, limit, most=10_000)


@settings(deadline=None, max_examples=15)
@given(st.data(), st.sampled_from(["none", "zstd"]))
def test_damaged_parquet_files(data: st.DataObject, compression: str) -> None:
    raw = bytearray(parquet(300, 70, compression))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(4, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with file_of(raw) as path:
        assert in_pieces(path, data.draw(st.integers(100, 3000)), most=10_000) == whole(path, most=10_000)


def numbered(lines: int) -> bytes:
    return b"".join(b'{"id":%d,"text":"post"}\n' % number for number in range(1, lines + 1))


@pytest.mark.parametrize("kind", ["lines", "zstd", "Parquet"])
def test_large_files_have_many_pieces_that_read_only_their_part(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = numbered(8000)
    table = pa.Table.from_pylist([json.loads(line) for line in raw.splitlines()])
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=700)
    with file_of({"lines": raw, "zstd": frames(raw, list(range(0, len(raw), 9999))), "Parquet": file.getvalue()}[kind]) as path:
        monkeypatch.setattr("archive.posts.pieces.PIECE_BYTES", 3000)
        pieces = [piece for piece in cut(path, 10_000, FIELDS) if piece]
        assert len(pieces) > 2
        posts = [post for piece in pieces for slice_ in read_slices(path, 10_000, FIELDS, piece=piece) for post in slice_.posts]
        assert [post.line for post in posts] == list(range(1, 8001))
        assert kind == "Parquet" or [post.id for post in posts] == [str(post.line) for post in posts]
        if kind != "Parquet":
            spans = [(piece.place.start, piece.end) for piece in pieces[:-1]]
            assert all(end and end - start < 2**18 for start, end in spans)


def test_a_file_that_changed_since_it_was_cut_is_no_shorter_slice(tmp_path: Path) -> None:
    path = tmp_path / "posts"
    path.write_bytes(numbered(2000))
    with sizes(1000, chunk=500):
        first = next(cut(str(path), MAX, FIELDS))
        path.write_bytes(numbered(3))
        with pytest.raises(OSError, match="changed"):
            list(read_slices(str(path), MAX, FIELDS, piece=first))


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (numbered(9), None),
        (b"\xef\xbb\xbf" + numbered(9), None),
        (frames(numbered(9), [50]), None),
        (parquet(9, 4), None),
        (gzip.compress(numbered(9)), "gzip"),
        (frames(numbered(9), []), "zstd of one frame"),
        (frames(gzip.compress(numbered(9)), [50]), "gzip in zstd"),
        (frames(parquet(9, 4), [50]), "Parquet in zstd"),
        (parquet(9, 9), "Parquet of one row group"),
        (parquet(9, 4)[:-1], "damaged Parquet"),
        (numbered(9).decode().encode("utf-16"), "UTF-16"),
        (b'[{"id":1,"text":"a"}]', "JSON document"),
        (b"id,text\n1,a\n", "CSV"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_files_that_cannot_be_cut_say_why_and_are_one_piece(raw: bytes, why: str | None) -> None:
    with file_of(raw) as path:
        assert why_whole(path, MAX) == why
        with sizes(1):
            pieces = list(cut(path, MAX, FIELDS))
        assert (pieces == [None]) == (why is not None)


def test_small_files_are_not_cut() -> None:
    with file_of(numbered(1000)) as path:
        assert list(cut(path, MAX, FIELDS)) == [None]
        with sizes(1000):
            assert all(isinstance(piece, Piece) for piece in cut(path, MAX, FIELDS))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.binary(max_size=8) | st.sampled_from([b"\n", b"x" * 50, b"y" * 2000]), max_size=30),
    st.integers(1, 60),
    st.integers(1, 3000),
)
def test_lines_do_not_depend_on_the_chunks(parts: list[bytes], max_bytes: int, chunk: int) -> None:
    def entries() -> tuple[list[object], str]:
        found: list[object] = []
        try:
            for entry in read_entries(path, max_bytes):
                found.append(entry)  # noqa: PERF402 - those before the damage count
        except DamagedError as error:
            return found, str(error)
        return found, ""

    with file_of(b"{}\n" + b"".join(parts)) as path:
        expected = entries()
        with sizes(1, chunk):
            assert entries() == expected
