"""Records of JSON documents, against Python's own parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.posts.formats.document import split_document
from archive.posts.formats.pages import Element, parse_paths
from archive.posts.formats.too_long import TooLong
from archive.posts.packing import DamagedError

MAX = 10_000

texts = st.text(alphabet=st.sampled_from('ab"\\[]{},: \n\u00e9\U0001f600'), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, values, max_size=3)


def chunks_of(raw: bytes, size: int) -> list[bytes]:
    return [raw[start : start + size] for start in range(0, len(raw), size)]


def split(raw: bytes, size: int = 2**16, max_bytes: int = MAX, each: tuple[str, ...] = ()) -> tuple[list[Element], bool]:
    """Elements, and whether the document is damaged."""
    found: list[Element] = []
    try:
        for element in split_document(chunks_of(raw, size), max_bytes, parse_paths(each)):
            found.append(element)  # noqa: PERF402 - those before the damage count
    except DamagedError:
        return found, True
    return found, False


@given(st.lists(values, max_size=5), st.sampled_from([None, 1, 2]), st.booleans(), st.integers(1, 30))
def test_elements_are_those_of_the_array(array: list[Any], indent: int | None, ascii: bool, size: int) -> None:
    found, damaged = split(json.dumps(array, indent=indent, ensure_ascii=ascii).encode(), size)
    assert [json.loads(element.data) for element in found] == array
    assert not damaged


@given(st.lists(objects, max_size=5), st.sampled_from(["", ",\n", "\x1e", "\n\ufeff"]), st.sampled_from([None, 1]), st.integers(1, 30))
def test_joined_documents_are_records(documents: list[Any], between: str, indent: int | None, size: int) -> None:
    raw = between.join(json.dumps(document, indent=indent) for document in documents)
    found, damaged = split(raw.encode(), size)
    assert [json.loads(element.data) for element in found] == documents
    assert not damaged


@given(st.lists(objects, min_size=1, max_size=5), st.integers(1, 30), st.integers(20, 60))
def test_an_object_gives_the_records_of_its_array(records: list[Any], size: int, max_bytes: int) -> None:
    """With little memory as with much, if the other fields come first."""
    raw = json.dumps({"name": "n", "data": {"after": 1, "children": records}}).encode()
    found, damaged = split(raw, size, each=("messages", "data.children"))
    assert [json.loads(element.data) for element in found] == records
    assert {name: json.loads(bytes(value)) for name, value in (found[0].context or {}).items()} == {"name": "n", "after": 1}
    streamed, _ = split(raw, size, max_bytes, ("messages", "data.children"))
    assert [e.data[:max_bytes] for e in found] == [e.data[:max_bytes] for e in streamed]
    assert not damaged


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\ =\n1a', max_size=60).map(str.encode), st.integers(1, 20), st.integers(5, 70))
def test_any_bytes_give_the_same_in_any_chunks(raw: bytes, size: int, max_bytes: int) -> None:
    assert split(raw, size, MAX, ("a",)) == split(raw, 2**16, MAX, ("a",))
    split(raw, size, max_bytes, ("a", "a.a"))


def test_a_document_cut_anywhere_keeps_its_whole_records() -> None:
    records = [json.dumps({"id": i, "text": 'x"]}'}).encode() for i in range(4)]
    raw = b'{"n": 1, "data": [' + b", ".join(records) + b"]}"
    for end in range(1, len(raw)):
        found, damaged = split(raw[:end], 7, each=("data",))
        whole = [record for record in records if raw.index(record) + len(record) <= end]
        assert [element.data for element in found][: len(whole)] == whole
        assert damaged


@pytest.mark.parametrize(
    "raw",
    [
        b'window.YTD.tweets.part0 = [{"a":1},{"a":2}]',
        b'var a=[{"a":1}];\nvar b=[{"a":2}];',
        b'[\n{"a":1},\n{"a":2}\n]\n',
        b'[{"a":1}][{"a":2}]',
        b'[{"a":1} {"a":2},]',
    ],
)
def test_what_stands_around_records_is_left_out(raw: bytes) -> None:
    assert split(raw) == ([Element(b'{"a":1}'), Element(b'{"a":2}')], False)


def test_long_numbers_and_spaces_are_kept() -> None:
    assert split(b'[{"id": 12345678901234567890,  "x": 1.0}]')[0] == [Element(b'{"id": 12345678901234567890,  "x": 1.0}')]


def test_a_record_too_long_costs_itself_alone() -> None:
    long = b'{"x":"' + b"a" * 5000 + b'"}'
    found, damaged = split(b"[1," + long + b",2]", 100, 1000)
    assert [element.data for element in found] == [b"1", long[:1024], b"2"]
    assert isinstance(found[1].data, TooLong)
    assert not damaged
