"""Entries to posts: what is repaired, what is refused and why, what stays in `extra`."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.posts.fields.post import parse
from archive.posts.fields.presets import PRESETS
from archive.posts.records import Entry, Post, Reject, Skipped

POSTNER = PRESETS["postner"].fields("postner")


def post_of(data: bytes | dict[str, Any], **fields: Any) -> Post:
    parsed = parse(Entry(data, "file.jsonl", 3), replace(POSTNER, **fields))
    assert isinstance(parsed, Post), parsed
    return parsed


def reject_of(data: bytes | dict[str, Any], **fields: Any) -> Reject:
    parsed = parse(Entry(data, "file.jsonl", 3), replace(POSTNER, **fields))
    assert isinstance(parsed, Reject), parsed
    assert (parsed.stage, parsed.source, parsed.line) == ("post", "file.jsonl", 3)
    return parsed


@pytest.mark.parametrize(
    ("line", "text", "extra"),
    [
        (rb'{"id":1,"text":"half \ud83d"}', "half \ufffd", None),
        (rb'{"id":1,"text":"\ude00 low \ud83d\ude00 \\ud83d"}', "\ufffd low 😀 \\ud83d", None),
        (rb'{"id":1,"text":"a","u":{"d":"\ud83d","\udc00":1.50}}', "a", rb'{"u":{"d":"\ufffd","\ufffd":1.50}}'),
        (b'{"id":1,"text":"a \xed\xa0\xbd\xed\xb8\x80 b","x":1.0}', "a 😀 b", b'{"x":1.0}'),
        (b'{"id":1,"text":"a \xed\xa0\xbd b"}', "a \ufffd b", None),
        (b'{"id":1,"text":"NaN","x":[NaN, -Infinity,Infinity],"y":"NaN"}', "NaN", b'{"x":[null, null,null],"y":"NaN"}'),
    ],
)
def test_what_most_tools_write_is_repaired(line: bytes, text: str, extra: bytes | None) -> None:
    post = post_of(line)
    assert (post.text, post.extra) == (text, extra.decode() if extra else None)


@pytest.mark.parametrize(
    ("line", "id"),
    [
        (b'{"id":"","text":"a"}', ""),
        (b'{"id":9007199254740993,"text":"a"}', "9007199254740993"),
        (b'{"id":123456789012345678901234567890,"text":"a"}', "123456789012345678901234567890"),
        (b'{"id":{"$oid":"ab"},"text":"a"}', "ab"),
        (b'{"id":{"$numberLong":"1355560000000000001"},"text":"a"}', "1355560000000000001"),
    ],
)
def test_ids(line: bytes, id: str) -> None:
    assert post_of(line).id == id


@pytest.mark.parametrize(
    ("line", "reason", "payload"),
    [
        (b'{"id":1.5e18,"text":"a"}', "wrong_type", "id: a number with a fraction or exponent has lost digits: {"),
        (b'{"id":1.0,"text":"a"}', "wrong_type", "id: a number with a fraction or exponent has lost digits: {"),
        (b'{"id":1e999,"text":"a"}', "wrong_type", "id: a number with a fraction or exponent has lost digits: {"),
        (b'{"id":true,"text":"a"}', "wrong_type", "id: a boolean is no id: {"),
        (b'{"id":["a"],"text":"a"}', "wrong_type", "id: a list is no id: {"),
        (b'{"id":{"$oid":"a","x":1},"text":"a"}', "wrong_type", "id: an object is no id: {"),
        (b'{"id":1,"text":7}', "wrong_type", "text: a number is no text: {"),
        (b'{"id":1,"text":{}}', "wrong_type", "text: an object is no text: {"),
        (b'{"id":1,"text":["a",7]}', "wrong_type", "text: a list that holds other things than texts: {"),
        (b'{"id":1}', "no_text", '{"id":1}'),
        (b'{"id":null,"text":"a"}', "no_id", '{"id":null,"text":"a"}'),
    ],
)
def test_refusals_name_the_field(line: bytes, reason: str, payload: str) -> None:
    reject = reject_of(line)
    assert reject.reason == reason
    assert reject.payload.startswith(payload)


@pytest.mark.parametrize(
    ("value", "images", "problem"),
    [
        ('["a.jpg","b.jpg"]', ("a.jpg", "b.jpg"), ""),
        ('"a.jpg"', ("a.jpg",), ""),
        ('""', (), ""),
        ("null", (), ""),
        ('["a.jpg",null,""]', ("a.jpg", ""), ""),
        ('[{"url":"b"}]', (), 'images: 1 of 1 are no keys, the first is an object: {"url":"b"}'),
        ('["a.jpg",17]', ("a.jpg",), "images: 1 of 2 are no keys, the first is a number: 17"),
        ("17", (), "images: 1 of 1 are no keys, the first is a number: 17"),
    ],
)
def test_no_post_is_lost_for_its_pictures(value: str, images: tuple[str, ...], problem: str) -> None:
    post = post_of(f'{{"id":1,"text":"Rome","images":{value}}}'.encode())
    assert (post.images, post.image_problems) == (images, (problem,) if problem else ())
    assert post.extra == (f'{{"images":{value}}}' if problem else None)


def test_what_was_changed_stays_in_extra() -> None:
    assert post_of(b'{"id":1,"text":"AT&amp;T"}', markup="escaped").extra == '{"text":"AT&amp;T"}'
    assert post_of(b'{"id":1,"text":"AT&T"}', markup="escaped").extra is None
    pieces = post_of(b'{"id":1,"text":["A",{"type":"bold","text":"B"}]}')
    assert (pieces.text, pieces.extra) == ("AB", '{"text":["A",{"type":"bold","text":"B"}]}')
    joined = post_of(b'{"id":1,"title":"A","body":"B","x":null}', text="title+x+body")
    assert (joined.text, joined.extra) == ("A\n\nB", '{"title":"A","body":"B","x":null}')
    assert post_of(b'{"":0,"id":1,"text":"a"}').extra == '{"":0}'


def test_alternatives() -> None:
    line = b'{"a":null,"b":"","c":7,"d":"text","id":1.5,"id_str":"x"}'
    assert post_of(line, id="id,id_str", text="a,b,c,d").text == "text"
    assert post_of(line, id="id,id_str", text="a,b").text == ""
    assert reject_of(line, id="id_str", text="a,c").payload.startswith("c: a number is no text: ")
    assert post_of(line, id="line", text="d").id == "file.jsonl:3"
    assert post_of(line, id="none,line", text="d").id == "file.jsonl:3"
    assert post_of(line, id="id_str+d", text="d").id == "x/text"
    assert reject_of(line, id="id_str+none", text="d").reason == "no_id"


def test_alternative_texts_belong_to_their_pictures() -> None:
    line = b'{"id":1,"text":"a","m":[{"u":"x","alt":"X"},{"alt":"none"},{"u":"y"}],"n":[{"u":"z","alt":"Z"}]}'
    post = post_of(line, images="m[].u", alt="m[].alt")
    assert (post.images, post.alts) == (("x", "y"), ("X", None))
    assert post_of(line, images="m[].u,n[].u", alt="o[].alt,n[].alt").alts == ()
    assert post_of(line, images="m[].u+n[].u", alt="m[].alt+n[].alt").alts == ("X", None, "Z")


def test_plain_texts_with_entities_are_noted() -> None:
    assert post_of(b'{"id":1,"text":"AT&amp;T"}').has_entities
    assert not post_of(b'{"id":1,"text":"AT&T"}').has_entities
    assert not post_of(b'{"id":1,"text":"AT&amp;amp;T"}', markup="escaped").has_entities


def test_rows_of_tables() -> None:
    row = {
        "id": 1355560000000000001,
        "text": "Rome",
        "images": '["a.jpg", "b.jpg"]',
        "when": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        "price": Decimal("1.50"),
        "thumb": b"x" * 2000,
        "n": float("nan"),
        "nested": {"list": [1, b"ab", None]},
    }
    post = post_of(row)
    assert (post.id, post.text, post.images) == ("1355560000000000001", "Rome", ("a.jpg", "b.jpg"))
    assert json.loads(post.extra or "") == {
        "when": "2026-01-02T00:00:00Z",
        "price": "1.50",
        "thumb": "(2000 bytes)",
        "n": None,
        "nested": {"list": [1, "YWI=", None]},
    }
    assert row["id"] == 1355560000000000001
    assert post_of({"id": "1", "text": "a", "images": ["a.jpg", None]}).images == ("a.jpg",)
    assert post_of({"id": Decimal(7), "text": "a", "images": "[not json"}).images == ("[not json",)
    assert reject_of({"id": 1.5e18, "text": "a"}).payload.startswith("id: a number with a fraction")
    assert reject_of({"id": float("nan"), "text": "a"}).reason == "no_id"
    assert reject_of({"id": 1, "text": None}).reason == "no_text"


def test_a_reject_of_the_reader_is_passed_on() -> None:
    reject = Reject("post", "too_long", "file.jsonl", 3, "x")
    assert parse(Entry(reject, "file.jsonl", 3), POSTNER) is reject


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "text", "url", "$oid", "data", "media"]) | st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = sorted(
    {
        name
        for preset in PRESETS.values()
        for path in (preset.id, preset.text)
        for name in path.replace(",", ".").replace("+", ".").split(".")
    }
)


@given(st.dictionaries(st.sampled_from(NAMES), json_values, max_size=5), st.sampled_from(list(PRESETS)), st.booleans())
def test_any_object_under_any_preset_is_a_post_a_reject_or_skipped(value: dict[str, Any], preset: str, is_row: bool) -> None:
    data = value if is_row else json.dumps(value).encode()
    parsed = parse(Entry(data, "s", 1), PRESETS[preset].fields(preset))
    assert isinstance(parsed, Post | Reject | Skipped)
    if isinstance(parsed, Post):
        (parsed.id + parsed.text + "".join(parsed.images) + (parsed.extra or "")).encode()
        assert not parsed.alts or len(parsed.alts) == len(parsed.images)


@given(st.binary(), st.sampled_from(list(PRESETS)))
def test_any_bytes_are_a_post_a_reject_or_skipped(data: bytes, preset: str) -> None:
    assert isinstance(parse(Entry(data, "s", 1), PRESETS[preset].fields(preset)), Post | Reject | Skipped)
