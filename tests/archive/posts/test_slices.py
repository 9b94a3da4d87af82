"""The line parser and the slices, on any bytes."""

from __future__ import annotations

import bz2
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.posts import slices
from archive.posts.fields.post import parse
from archive.posts.fields.presets import PRESETS
from archive.posts.fields.record import MAX_NESTING
from archive.posts.find import find_posts
from archive.posts.records import Entry, Post, Reject, Skipped, Slice
from archive.posts.slice_builder import LARGEST_SLICE_LINES

MAX = 10 * 2**20
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


POSTNER = PRESETS["postner"].fields("postner")
read_slices = partial(slices.read_slices, fields=POSTNER)


def parse_post(line: bytes, source: str, number: int) -> Post | Reject | Skipped:
    return parse(Entry(line, source, number), POSTNER)


def slices_of(raw: bytes, extension: str = "", max_line_bytes: int = MAX) -> list[Slice]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"posts.jsonl{extension}"
        path.write_bytes(raw)
        return list(read_slices(str(path), max_line_bytes))


def reason(line: bytes) -> str:
    parsed = parse_post(line, "s", 7)
    assert isinstance(parsed, Reject)
    assert (parsed.stage, parsed.source, parsed.line) == ("post", "s", 7)
    return parsed.reason


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"\xff{}", "not_utf8"),
        (b'{"id":1,"text":"\xed"}', "not_utf8"),
        (b"{", "not_json"),
        (b'{"id":1,"text":"a"} x', "not_json"),
        (b'{"id":1,"text":"a","x":nan}', "not_json"),
        (b'"tweet": {', "not_json"),
        (b"123,abc", "not_json"),
        (b'{"id":1,"text":"\\ud800', "not_json"),
        (b'{"id":1,"text":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep"),
        (b"[" * 100_000, "too_deep"),
        (b"[1]", "not_an_object"),
        (b'"s"', "not_an_object"),
        (b'{"text":"a"}', "no_id"),
        (b'{"id":1}', "no_text"),
        (b'{"id":true,"text":"a"}', "wrong_type"),
        (b'{"id":1.5,"text":"a"}', "wrong_type"),
        (b'{"id":null,"text":"a"}', "no_id"),
        (b'{"id":1,"text":null}', "no_text"),
        (b'{"id":1,"text":7}', "wrong_type"),
    ],
)
def test_rejects_name_their_reason(line: bytes, expected: str) -> None:
    assert reason(line) == expected


def test_brackets_in_strings_or_beside_each_other_are_not_nesting() -> None:
    line = json.dumps({"id": 1, "text": '"[{' * 500, "x": [[]] * 500, "y": "\\"}).encode()
    assert isinstance(parse_post(line, "s", 1), Post)


def test_nesting_is_judged_the_same_however_deep_the_stack() -> None:
    def below(frames: int, line: bytes) -> Post | Reject:
        return below(frames - 1, line) if frames else parse_post(line, "s", 1)

    for nesting in (98, 99, 100, 400, 900):
        line = b'{"id":1,"text":"a","x":' + b"[" * nesting + b"]" * nesting + b"}"
        assert below(0, line) == below(600, line)
        assert isinstance(below(600, line), Post) == (nesting + 1 <= MAX_NESTING)


@given(st.binary() | st.text(alphabet='{}[]":,\\ \n0tfn\ud800ud8', max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_post_or_a_reject(line: bytes) -> None:
    assert isinstance(parse_post(line, "s", 1), Post | Reject)
    assert isinstance(parse_post(b'{"id":1,"text":"a","x":' + line + b"}", "s", 1), Post | Reject)


def test_payload_is_cut_at_one_kilobyte() -> None:
    parsed = parse_post(b"[" + "é".encode() * 5000, "s", 1)
    assert isinstance(parsed, Reject)
    assert len(parsed.payload.encode()) <= 1024


def test_other_fields_are_carried_byte_for_byte() -> None:
    parsed = parse_post(b'{"id":12345678901234567890,"n":1.0, "text":"a","big":123456789012345678901, "o":{"a": [1,2]}}', "s", 1)
    assert parsed == Post("12345678901234567890", "a", (), '{"n":1.0,"big":123456789012345678901,"o":{"a": [1,2]}}', "s", 1)


def test_of_duplicate_fields_the_last_counts() -> None:
    parsed = parse_post(b'{"id":1,"id":2,"text":"a","text":"b"}', "s", 1)
    assert isinstance(parsed, Post)
    assert (parsed.id, parsed.text) == ("2", "b")


@given(
    st.text() | st.integers(),
    st.text(),
    st.lists(st.text(), max_size=3),
    st.dictionaries(st.text(), json_values, max_size=3),
    st.booleans(),
)
def test_a_post_comes_back_as_it_went_in(id: Any, text: str, images: list[str], other: dict[str, Any], ascii: bool) -> None:
    other = {name: value for name, value in other.items() if name not in ("id", "text", "images")}
    line = json.dumps(other | {"id": id, "text": text, "images": images}, ensure_ascii=ascii).encode()
    parsed = parse_post(line, "s", 1)
    assert isinstance(parsed, Post)
    assert (parsed.id, parsed.text, parsed.images) == (str(id), text, tuple(images))
    assert json.loads(parsed.extra or "{}") == other


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b'{"id":1,"text":"a"}', b"", b" \t\r"]), max_size=200),
    st.sampled_from(list(COMPRESS)),
)
def test_accounts_add_up_for_any_bytes(lines: list[bytes], extension: str) -> None:
    raw = b"\n".join([b"{}", *lines])
    slices = slices_of(COMPRESS[extension](raw), extension, max_line_bytes=30)
    expected = len(raw.split(b"\n")) - (1 if raw.endswith(b"\n") or not raw else 0)
    assert sum(slice_.lines for slice_ in slices) == expected
    for slice_, following in zip(slices, [*slices[1:], None], strict=False):
        assert slice_.lines == len(slice_.posts) + len(slice_.rejects) + slice_.blanks
        assert following is None or following.first_line == slice_.first_line + slice_.lines


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(list(COMPRESS)))
def test_damaged_files_give_what_can_be_read_and_one_reject(data: st.DataObject, extension: str) -> None:
    whole = b"".join(b'{"id":%d,"text":"post number %d"}\n' % (i, i * i) for i in range(300))
    raw = bytearray(COMPRESS[extension](whole))
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    slices = slices_of(cut, extension)
    broken = [reject for slice_ in slices for reject in slice_.rejects if reject.stage == "shard"]
    assert len(broken) <= 1
    lines = sum(slice_.lines for slice_ in slices)
    assert lines == sum(len(slice_.posts) + len(slice_.rejects) + slice_.blanks for slice_ in slices) - len(broken)


@pytest.mark.parametrize("extension", [".gz", ".bz2", ".zst"])
def test_a_truncated_file_is_reported(extension: str) -> None:
    whole = b"".join(b'{"id":%d,"text":"post number %d"}\n' % (i, i**7) for i in range(30_000))
    compressed = COMPRESS[extension](whole)
    slices = slices_of(compressed[: len(compressed) * 3 // 4], extension)
    assert [r.reason for r in slices[-1].rejects if r.stage == "shard"] == ["unreadable_posts"]
    assert extension == ".bz2" or sum(len(slice_.posts) for slice_ in slices) > 15_000


@pytest.mark.parametrize("extension", [".gz", ".bz2", ".zst"])
def test_files_of_several_compressed_parts_are_read_whole(extension: str) -> None:
    part = COMPRESS[extension](b'{"id":1,"text":"a"}\n')
    assert sum(len(slice_.posts) for slice_ in slices_of(part * 3, extension)) == 3


def test_a_line_too_long_is_rejected_and_never_held() -> None:
    (slice_,) = slices_of(b'{"id":1,"text":"a"}\n' + b"x" * 5_000_000 + b'\n{"id":2,"text":"b"}\n' + b"y" * 200_000, max_line_bytes=1000)
    assert [post.id for post in slice_.posts] == ["1", "2"]
    assert [(r.reason, r.line, len(r.payload)) for r in slice_.rejects] == [("too_long", 2, 1024), ("too_long", 4, 1024)]


@pytest.mark.parametrize("line", [b'{"id":1,"text":"a"}' + b" " * 3000 + b"garbage", b" " * 3000])
def test_a_first_line_too_long_is_not_judged_by_its_beginning(line: bytes) -> None:
    (slice_,) = slices_of(line + b"\n", max_line_bytes=2000)
    assert [(r.reason, r.line) for r in slice_.rejects] == [("too_long", 1)]
    assert (slice_.posts, slice_.blanks) == ((), 0)


@pytest.mark.parametrize("extension", [".bz2", ".zst"])
def test_a_compression_bomb_stays_in_memory_bounds(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"posts.jsonl{extension}"
    path.write_bytes(COMPRESS[extension](b"\n" * 2**26) * 16)
    assert path.stat().st_size < 50_000
    program = f"""
import itertools, resource
from archive.posts.fields.presets import PRESETS
from archive.posts.slices import read_slices
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
list(itertools.islice(read_slices({str(path)!r}, 2**20, PRESETS["postner"].fields("postner")), 3))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 400


def test_byte_order_mark_and_windows_line_ends() -> None:
    (slice_,) = slices_of(b'\xef\xbb\xbf{"id":1,"text":"a"}\r\n\r\n{"id":2,"text":"b"}\r\n')
    assert ([post.id for post in slice_.posts], slice_.blanks, slice_.lines) == (["1", "2"], 1, 3)


def test_slices_double_and_depend_on_the_lines_alone() -> None:
    raw = b"".join(b'{"id":%d,"text":"a"}\n' % i for i in range(5000))
    plain = slices_of(raw)
    assert [slice_.lines for slice_ in plain] == [64, 128, 256, 512, LARGEST_SLICE_LINES, LARGEST_SLICE_LINES, LARGEST_SLICE_LINES, 968]
    assert [slice_.first_line for slice_ in slices_of(gzip.compress(raw), ".gz")] == [slice_.first_line for slice_ in plain]


def test_a_slice_also_ends_by_bytes() -> None:
    raw = (b'{"id":1,"text":"' + b"a" * 2**20 + b'"}\n') * 9
    assert [slice_.lines for slice_ in slices_of(raw)] == [4, 4, 1]


def test_an_empty_file_has_no_slice() -> None:
    assert slices_of(b"") == []


def test_names_tell_the_file_and_the_line_and_are_safe(tmp_path: Path) -> None:
    names = set()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "2026 ü posts.v2.jsonl"
        path.write_bytes(b'{"id":1,"text":"a"}\n' * 65)
        names |= {slice_.name for slice_ in read_slices(str(path), MAX)}
    assert len(names) == 4
    assert all(name.startswith("2026___posts-") and name[-9:] in ("000000001", "000000065") for name in names)


def test_finding_posts(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl.gz", "other.txt"):
        (tmp_path / name).write_text('{"id": 1, "text": "a"}' if "jsonl" in name else "nothing")
    assert [Path(p).name for p in find_posts([str(tmp_path)], "--posts").files] == ["a.jsonl.gz", "b.jsonl"]
    assert [Path(p).name for p in find_posts([str(tmp_path / "*.txt")], "--posts").files] == ["other.txt"]
    strange = tmp_path / "2026 [new]"
    strange.mkdir()
    (strange / "a[1].jsonl").write_text("{}")
    assert find_posts([str(strange)], "--posts").files == find_posts([str(strange / "a[1].jsonl")], "--posts").files
    assert find_posts([str(strange)], "--posts").files == [str(strange / "a[1].jsonl")]
    with pytest.raises(ValueError, match=r"--posts matched no file: '.*none'"):
        find_posts([str(tmp_path / "none")], "--posts")


def test_the_real_archive_has_1593_posts(shared: Path) -> None:
    slices = [slice_ for file in find_posts([str(shared / "archive")], "--posts").files for slice_ in read_slices(file, MAX)]
    assert sum(len(slice_.posts) for slice_ in slices) == sum(slice_.lines for slice_ in slices) == 1593


def test_zeros_behind_a_compressed_part_are_padding(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"id": 1, "text": ""}\n') + bytes(10_000))
    (slice_,) = read_slices(str(tmp_path / "a.jsonl.gz"), MAX)
    assert (slice_.lines, slice_.rejects) == (1, ())
