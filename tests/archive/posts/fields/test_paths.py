"""Field paths on records of JSON and on rows of tables."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.posts.fields.paths import Scope, decoded, values
from archive.posts.fields.rules import parse_rule
from archive.posts.fields.syntax import parse_path, spelled

RECORD = {
    "id": 7,
    "_id": {"$oid": "ab"},
    "@type": "Note",
    "full text": "hello",
    "a.b": {"c+d": 1},
    "keys": ["k2", "k1"],
    "refs": [{"type": "quoted", "id": 1}, {"type": "retweeted", "id": 2}],
    "media": [{"url": "u1", "sizes": [{"w": 1}, {"w": 2}]}, {"url": None}, {"sizes": []}],
    "links": ["https://i.example/a", "https://www.example/b"],
}
CONTEXT = {"media": [{"key": "k1", "url": "one"}, {"key": "k2", "url": "two"}, {"key": "k3", "url": "three"}], "x": 1}


def raw(record: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in record.items()}


@pytest.mark.parametrize("encoded", [True, False])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("id", [7]),
        ("_id.$oid", ["ab"]),
        ("@type", ["Note"]),
        ("full text", ["hello"]),
        (r"a\.b.c\+d", [1]),
        ('"a.b"."c+d"', [1]),
        ("missing.more", [None]),
        ("missing[].more", []),
        ("id.more", [None]),
        ("keys", [["k2", "k1"]]),
        ("keys[]", ["k2", "k1"]),
        ("id[]", [7]),
        ("media[].url", ["u1", None, None]),
        ("media[].sizes[].w", [1, 2]),
        ("refs[type='retweeted'].id", [2]),
        ("refs[type='other'].id", []),
        ("^x", [1]),
        ("^media[key=keys].url", ["two", "one"]),
        ("^media[key=^x].url", []),
        ("^media[key=missing].url", []),
        ("links[]", ["https://i.example/a", "https://www.example/b"]),
        ("id'-'links[]", ["7-a", "7-b"]),
        ("id'-'media[].url", ["7-u1", None, None]),
        ("@type['ot']", ["Note"]),
        ("@type['x']", [None]),
        ("id['7']", [None]),
    ],
)
def test_values(path: str, expected: list[Any], encoded: bool) -> None:
    scope = Scope(raw(RECORD), raw(CONTEXT)) if encoded else Scope(RECORD, CONTEXT)
    (((term,),)) = parse_path(path)
    assert [decoded(value) for value in values(term, scope)] == expected


@pytest.mark.parametrize("path", ["", " ", "a,", ",a", "a..b", "a.", "a[x]", "a[x=b", "a[", "a]", "+", "^", "a'b", "a[]b", "a['x'"])
def test_what_is_no_path_is_refused_in_one_sentence(path: str) -> None:
    with pytest.raises(ValueError, match="is not a field path: ") as refused:
        parse_path(path)
    assert repr(path) in str(refused.value)


def test_plus_binds_closer_than_comma() -> None:
    assert [[spelled(term) for term in terms] for terms in parse_path("a , b.c+d[], ^e")] == [["a"], ["b.c", "d[]"], ["^e"]]


@given(st.text(max_size=30) | st.text("ab.,+[]=^'\"\\ ", max_size=12))
def test_any_text_is_a_path_or_a_value_error(path: str) -> None:
    try:
        expression = parse_path(path)
    except ValueError:
        return
    for terms in expression:
        for term in terms:
            assert isinstance(values(term, Scope(raw(RECORD), raw(CONTEXT))), list)


@given(st.text(min_size=1).filter(lambda name: name.strip() == name and '"' not in name), st.integers())
def test_a_quoted_name_is_any_field(name: str, value: int) -> None:
    ((term,),) = parse_path(f'"{name}"')
    assert values(term, Scope({name: value}, None)) == [value]


def test_a_page_is_indexed_once_for_all_its_records() -> None:
    context = raw({"media": [{"key": f"k{i}", "url": f"u{i}"} for i in range(5000)]})
    ((term,),) = parse_path("^media[key=keys].url")
    start = time.process_time()
    for i in range(5000):
        (found,) = values(term, Scope({"keys": [f"k{i}"]}, context))
        assert decoded(found) == f"u{i}"
    assert time.process_time() - start < 5


def test_a_context_that_needs_repair_is_read() -> None:
    context = {"tweets": msgspec.Raw(rb'[{"id": "1", "text": "half \ud83d", "n": NaN}]')}
    ((term,),) = parse_path("^tweets[id=id].text")
    assert [decoded(value) for value in values(term, Scope({"id": 1}, context))] == ["half \ufffd"]


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("id", True),
        ("missing", False),
        ("!missing", True),
        ("!id", False),
        ("@type=Note", True),
        ("@type=note", False),
        ("@type!=Like", True),
        ("missing!=Like", False),
        ("id=7", True),
        ("full text=hello", True),
        ("^x=1", True),
        ("refs[type='retweeted'].id=2", True),
    ],
)
def test_rules(rule: str, holds: bool) -> None:
    assert parse_rule(rule).holds(Scope(raw(RECORD), raw(CONTEXT))) is holds
