"""A small file of each source, in its real form: the preset that is chosen, and the posts that it makes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from archive.posts.fields.choose import EACH, FieldOptions, NoPresetError, choose
from archive.posts.fields.post import parse
from archive.posts.fields.presets import PRESETS
from archive.posts.records import Entry, Post, Skipped

SOURCES = Path(__file__).parents[2] / "sources"
CLARA = "Clara Meyer took the night train from Bremen to Oslo, and the whole choir came to the station to sing for Hapag & Lloyd"
EVA = "Eva Lind reads at the Gothenburg library tonight, and everyone from the Nordic Reading Society comes"
ROSA = "Rosa Blum at the Elbphilharmonie in Hamburg"
TWIMG = "https://pbs.twimg.com/media/"
FILES = "https://files.social.example/media_attachments/files/109/300/"

# file, preset, posts as (id, text, images, alternative texts), kinds that are skipped
EXPECTED: list[tuple[str, str, list[tuple[str, str, list[str], list[str | None]]], list[str]]] = [
    (
        "postner.jsonl",
        "postner",
        [
            ("p1", "Rain in Lisbon today", ["rain.jpg"], []),
            ("1355560000000000001", "Ana Costa opens the Tagus museum", [], []),
        ],
        [],
    ),
    (
        "x-stream.jsonl",
        "x-stream",
        [
            ("1355560000083886080", CLARA, [f"{TWIMG}EtAAAAXMAAA1.jpg", f"{TWIMG}EtAAAAXMAAA2.jpg"], ["A platform in Bremen", None]),
            ("1355560004000000000", CLARA, [f"{TWIMG}EtAAAAXMAAA1.jpg"], []),
            ("1355560008000000000", "Fish & chips in Hull <3 https://t.co/b2", [f"{TWIMG}EtBBBBXMAAA1.png"], []),
        ],
        ["delete", "limit"],
    ),
    (
        "x-search.json",
        "x-stream",
        [("1355560000083886081", "Nils Berg of Volvo speaks in Malmö & Lund", [f"{TWIMG}EtCCCCXMAAA1.jpg"], [])],
        [],
    ),
    (
        "gallery-dl.json",
        "x-stream",
        [("1355560000083886082", "Nils Berg in Malmö & Lund", ["1355560000083886082_2"], [])],
        [],
    ),
    (
        "snscrape.jsonl",
        "x-stream",
        [("1355560000083886083", "Ida Juhl & Ole <3 Oslo", [f"{TWIMG}EtDDDDXMAAA1?format=jpg&name=large"], ["A pier"])],
        [],
    ),
    (
        "img2dataset.json",
        "img2dataset",
        [("000000001", "Rosa Blum in Kiel", ["000000001"], [])],
        [],
    ),
    (
        "elasticsearch.jsonl",
        "hf",
        [("9", "Ana Costa in Faro", ["faro.jpg"], [])],
        [],
    ),
    (
        "weibo-crawler.csv",
        "weibo",
        [("4800000000000012", "我在北京大学, 你好", ["https://wx1.example/006b.jpg", "https://wx2.example/006c.jpg"], [])],
        [],
    ),
    (
        "x-export-tweets.js",
        "x-export",
        [
            (
                "1593387213315784000",
                "Marta & Tom at the Prado in Madrid https://t.co/c3",
                ["1593387213315784000-FhxAAAAXEAA1.jpg", "1593387213315784000-FhxBBBBXEAA2.png"],
                [],
            ),
            ("1593387213315784001", "Back home in Porto", [], []),
        ],
        [],
    ),
    (
        "x-v2-stream.jsonl",
        "x-v2",
        [
            ("1600000000000000001", EVA, [f"{TWIMG}FjAAAAXEAA2.jpg", f"{TWIMG}FjAAAAXEAA1.jpg"], ["A reading desk", None]),
            ("1600000000000000005", "Eva Lind reads at the Gothenburg library tonight & tomorrow", [f"{TWIMG}FjAAAAXEAA1.jpg"], []),
        ],
        [],
    ),
    (
        "x-v2-page.json",
        "x-v2",
        [
            ("1600000000000000011", "Otto Krug plays in Graz", [f"{TWIMG}FkAAAAXEAA1.jpg"], ["A piano"]),
            ("1600000000000000012", "Otto Krug plays in Graz with the Styria Quartet", [], []),
        ],
        [],
    ),
    (
        "x-v2-flat.jsonl",
        "x-v2",
        [
            ("1600000000000000021", "Lena Fuchs runs in Vienna", [f"{TWIMG}FlAAAAXEAA1.jpg"], []),
            ("1600000000000000022", "Lena Fuchs runs in Vienna", [], []),
        ],
        [],
    ),
    ("reddit-comments.jsonl", "reddit", [("gk0001", "The Rijksmuseum in Amsterdam & its café > all", [], [])], ["deleted", "removed"]),
    (
        "reddit-submissions.jsonl",
        "reddit",
        [
            ("l9aaaa", "Two days in Ghent\n\nWe met Jan Peeters at the Gravensteen.", [], []),
            ("l9aaab", "Antwerp station", ["https://i.redd.it/abcdef012345.jpg"], []),
            ("l9aaac", "Bruges gallery", ["m2", "m1"], ["The belfry", None]),
        ],
        ["deleted"],
    ),
    (
        "reddit-listing.json",
        "reddit",
        [("l9bbbb", "Storm over Calais", ["https://i.redd.it/storm0123.png"], []), ("gk0009", "Ask Marie Dubois", [], [])],
        ["more"],
    ),
    (
        "mastodon-statuses.json",
        "mastodon",
        [
            (
                "109300000000000001",
                "@ole see you in Aarhus\nTom & Ida\n\nnews.example/aarhus/a-very-lon…",
                [f"{FILES}000/original/aa11.jpg", f"{FILES}001/original/bb22.png"],
                ["The harbour of Aarhus", None],
            ),
            ("109300000000000002", "Ole Holm sails to Skagen", [], []),
        ],
        [],
    ),
    (
        "mastodon-outbox.json",
        "mastodon",
        [
            (
                "https://social.example/users/ida/statuses/109300000000000001",
                "Ida Juhl in Aarhus\n\nwith R&B",
                ["/media_attachments/files/109/300/000/original/aa11.jpg"],
                ["The harbour of Aarhus"],
            )
        ],
        ["repost"],
    ),
    (
        "bluesky-jetstream.jsonl",
        "bluesky",
        [("did:plc:aaaa/3l3p", ROSA, ["bafkreiaaaa"], ["A concert hall"])],
        ["like", "identity", "delete", "account"],
    ),
    (
        "bluesky-feed.json",
        "bluesky",
        [
            ("at://did:plc:aaaa/app.bsky.feed.post/3l3p", ROSA, ["bafkreiaaaa"], []),
            ("at://did:plc:bbbb/app.bsky.feed.post/3l4p", "Night bus to Kiel", [], []),
        ],
        [],
    ),
    ("bluesky-records.json", "bluesky", [("at://did:plc:aaaa/app.bsky.feed.post/3l3p", "Rosa Blum in Hamburg", [], [])], []),
    (
        "telegram-result.json",
        "telegram",
        [
            ("2", "Heavy rain in Lisbon today, says Ana Costa", ["photos/photo_1@01-01-2024_10-05-00.jpg"], []),
            ("3", "Tom & Jerry play in Faro", [], []),
        ],
        ["service"],
    ),
    (
        "weibo.jsonl",
        "weibo",
        [
            ("4800000000000001", "王芳在上海博物馆", ["https://wx1.sinaimg.cn/orj960/006aaaaa.jpg"], []),
            ("4800000000000002", "Li Wei in Beijing", [], []),
        ],
        [],
    ),
    ("weibo-api.json", "weibo", [("4800000000000011", "@fang 在北京大学", ["006bbbbb", "006ccccc"], [])], []),
    ("hf-rows.jsonl", "hf", [("hf-rows.jsonl:1", "Angela Ruiz in Bilbao", [], []), ("hf-rows.jsonl:2", "No names here", [], [])], []),
    (
        "hf-ids.csv",
        "hf",
        [("1355560000000000021", "Angela Ruiz in Bilbao", ["a1.jpg"], []), ("1355560000000000022", "No names here", [], [])],
        [],
    ),
]


def entries_of(name: str) -> list[Entry]:
    """The entries of a small file, by a reader that knows its whole content."""
    text = (SOURCES / name).read_text()
    if name.endswith(".csv"):
        return [Entry(row, name, number) for number, row in enumerate(csv.DictReader(text.splitlines()), start=1)]
    if name.endswith(".jsonl"):
        return [Entry(line.encode(), name, number) for number, line in enumerate(text.splitlines(), start=1)]
    return [
        Entry(json.dumps(element).encode(), name, number, context)
        for number, (element, context) in enumerate(
            elements(json.loads(text[text.index("=") + 1 :] if name.endswith(".js") else text)), start=1
        )
    ]


def elements(document: Any) -> Iterator[tuple[Any, dict[str, msgspec.Raw] | None]]:
    if isinstance(document, list):
        yield from ((element, None) for element in document)
        return
    for path in EACH:
        around, found = None, document
        for name in path.split("."):
            around, found = found, found.get(name) if isinstance(found, dict) else None
        if isinstance(found, list):
            context = {key: msgspec.Raw(json.dumps(value).encode()) for key, value in around.items() if value is not found}
            yield from ((element, context) for element in found)
            return
    yield document, None


@pytest.mark.parametrize(("name", "preset", "posts", "skipped"), EXPECTED, ids=[row[0] for row in EXPECTED])
def test_each_source_is_known_and_read(
    name: str, preset: str, posts: list[tuple[str, str, list[str], list[str | None]]], skipped: list[str]
) -> None:
    entries = entries_of(name)
    fields = choose(entries, FieldOptions())
    assert fields.preset == preset
    parsed = [parse(entry, fields) for entry in entries]
    assert [(post.id, post.text, list(post.images), list(post.alts)) for post in parsed if isinstance(post, Post)] == posts
    assert [found.kind for found in parsed if isinstance(found, Skipped)] == skipped
    assert len(parsed) == len(posts) + len(skipped)
    assert not any(post.image_problems for post in parsed if isinstance(post, Post))


@pytest.mark.parametrize("name", [row[0] for row in EXPECTED])
def test_the_named_preset_reads_the_same_as_auto(name: str) -> None:
    entries = entries_of(name)
    chosen = choose(entries, FieldOptions())
    assert choose(entries, FieldOptions(preset=chosen.preset)) == chosen


def test_fields_that_no_preset_knows_lead_to_the_options() -> None:
    entries = entries_of("any-fields.jsonl")
    with pytest.raises(NoPresetError, match=r"uid, message, attached, stars; add --id uid --text message$"):
        choose(entries, FieldOptions())
    post = parse(entries[0], choose(entries, FieldOptions(id="uid", text="message", images="attached")))
    assert isinstance(post, Post)
    assert (post.id, post.text, post.images, post.extra) == (
        "681586186498908161",
        "Angela Ruiz in Bilbao",
        ("CXAAAAUkAEJfH7",),
        '{"stars":4}',
    )


def test_every_preset_has_a_file() -> None:
    assert {row[1] for row in EXPECTED} == set(PRESETS)
    assert {row[0] for row in EXPECTED} | {"any-fields.jsonl"} == {path.name for path in SOURCES.iterdir()}
