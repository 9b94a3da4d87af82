"""Which fields are chosen: by options, by preset, by what the first records hold."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from archive.posts.fields.choose import EACH, FieldOptions, NoPresetError, choose
from archive.posts.records import Entry


def entries(*records: Any) -> list[Entry]:
    lines = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    return [Entry(line, "s", number) for number, line in enumerate(lines, start=1)]


def error_of(found: list[Entry], **options: str) -> str:
    with pytest.raises(NoPresetError) as raised:
        choose(found, FieldOptions(**options))
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("record", "preset"),
    [
        ({"id": 1, "text": "a"}, "postner"),
        ({"id": 1, "text": "a", "created_at": "x", "images": []}, "postner"),
        ({"_id": {"$oid": "ab"}, "id": 1, "text": "a"}, "postner"),
        ({"_id": {"$oid": "ab"}, "id_str": "1", "text": "a", "user": {}}, "x-stream"),
        ({"_id": {"$oid": "ab"}, "text": "a"}, "hf"),
        ({"text": "a"}, "hf"),
        ({"tweet_id": 1, "text": "a"}, "hf"),
        ({"id": "1", "text": "a", "author_id": "2"}, "x-v2"),
        ({"id": "1", "id_str": "1", "full_text": "a"}, "x-export"),
        ({"id": 1, "id_str": "1", "full_text": "a", "user": {"id": 1}}, "x-stream"),
        ({"id": "gk", "body": "a"}, "reddit"),
        ({"id": "1", "content": "<p>a</p>", "text": None}, "mastodon"),
        ({"_id": "1", "content": "a"}, "weibo"),
        ({"id": 1, "mid": "2", "content": "a"}, "weibo"),
        ({"id": 2, "type": "message", "text": "a"}, "telegram"),
        ({"did": "d", "commit": {"rkey": "r", "record": {"text": "a"}}}, "bluesky"),
    ],
)
def test_small_records_are_known(record: Any, preset: str) -> None:
    assert choose(entries(record), FieldOptions()).preset == preset


def test_records_that_are_skipped_or_broken_do_not_hide_the_source() -> None:
    tweet = {"id_str": "1", "text": "a", "user": {}}
    assert choose(entries(*[{"delete": {}}] * 60, tweet, b"{broken"), FieldOptions()).preset == "x-stream"
    assert choose(entries(*[{"delete": {}}] * 64), FieldOptions()).preset == "x-stream"
    assert choose(entries(*[{"id": 1, "text": "a"}] * 9, {"text": "no id"}, {"id": 2}), FieldOptions()).preset == "postner"
    assert choose(entries({"id": 1}, {"id": 2}, {"id": 3, "text": "a"}), FieldOptions()).preset == "postner"


def test_a_file_without_records_is_any() -> None:
    assert choose([], FieldOptions()).preset == "postner"
    assert choose(entries(b"", b" "), FieldOptions(preset="reddit")).preset == "reddit"


def test_options_win() -> None:
    record = {"id": "gk", "body": "a", "title": "b", "pic": "c"}
    fields = choose(entries(record), FieldOptions(text="title", images="pic", markup="plain"))
    assert (fields.preset, fields.id, fields.text, fields.images, fields.alt, fields.markup) == (
        "reddit",
        "id,data.id",
        "title",
        "pic",
        None,
        "plain",
    )
    fields = choose(entries(record), FieldOptions(id="line", text="title", each="rows"))
    assert (fields.preset, fields.id, fields.text, fields.markup, fields.each) == ("options", "line", "title", "plain", "rows")
    assert choose(entries({"nr": 1, "text": "a"}), FieldOptions(id="nr")).id == "nr"


@pytest.mark.parametrize(
    ("record", "options", "sentence"),
    [
        ({"uid": 1, "message": "a"}, {}, "fields seen: uid, message; add --id uid --text message"),
        ({"message": "a", "n": {"o": 1}}, {}, "fields seen: message, n.o; add --id line --text message"),
        ({"TweetAt": "16-03", "OriginalTweet": "a b c"}, {}, "add --id line --text OriginalTweet"),
        ({"text": {"0": "a"}, "id": {"0": 1}}, {}, "to_json(PATH, orient='records', lines=True)"),
        ({"x": 1, "y.z": 2}, {}, r"fields seen: x, y\.z; add --id PATH (or --id line) and --text PATH"),
        ({"message": "a"}, {"text": "message"}, "fields seen: message; add --id line, for file and line"),
        ({"uid": 1, "message": "a"}, {"text": "message"}, "add --id uid, or --id line for file and line"),
        ({"id": "gk", "body": "a"}, {"preset": "mastodon"}, "no post by --preset mastodon; fields seen: id, body; add --preset reddit"),
        (
            {"id": "gk", "body": "a"},
            {"id": "id", "text": "nothing"},
            "no post by these options; fields seen: id, body; no record has 'nothing': give another --text",
        ),
        ({f"k{i}": i for i in range(30)}, {}, "k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11, …; "),
        ({"a\n\x1b[31m": 1}, {}, "fields seen: a\ufffd\ufffd\\[31m; "),
        (b"1,2,3", {}, "no post by any preset, since it is no JSON object"),
    ],
)
def test_one_sentence_leads_on(record: Any, options: dict[str, str], sentence: str) -> None:
    assert sentence in error_of(entries(record), **options)


def test_records_of_two_sources_are_refused() -> None:
    record = {"id": "1", "body": "comment", "content": "status", "account": {"id": "2"}}
    assert re.search("fit reddit and mastodon, .* add --preset reddit", error_of(entries(record)))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"preset": "twitter"}, "--preset 'twitter' is none of auto, postner"),
        ({"markup": "xml"}, "--markup 'xml' is none of plain, escaped, html"),
        ({"text": "a..b"}, "'a..b' is not a field path"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        choose(entries({"id": 1, "text": "a"}), FieldOptions(**options))


def test_documents_hold_their_posts_in_known_fields() -> None:
    assert {"data", "data.children", "orderedItems", "messages", "feed", "statuses"} <= set(EACH)
