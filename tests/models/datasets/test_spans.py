"""Labelled posts as labelling tools write them."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.datasets.conll import file_of, read_labelled, type_names_in
from models.datasets.labelled_post import LabelledPost, text_of
from models.datasets.type_names import TypeNames, renames_of, types_of
from models.tagging.labels import TYPES
from tests.conftest import ROOT

TEXT = "🎉 Ada Lovelace in London, with Bob"
"""The first sign is one code point and two UTF-16 units."""

ENTITIES = [("Ada Lovelace", "person"), ("London", "city")]


def bounds(name: str) -> tuple[int, int]:
    start = TEXT.index(name)
    return start, start + len(name)


SPANS = [{"start": bounds(name)[0], "end": bounds(name)[1], "label": kind} for name, kind in ENTITIES]
VALUES = [
    {"start": span["start"], "end": span["end"], "text": name, "labels": [kind]} for span, (name, kind) in zip(SPANS, ENTITIES, strict=True)
]
TASK = {"id": 1, "data": {"text": TEXT, "image": "7.png"}}


def read(path: Path, content: Any, lines: bool = True) -> tuple[list[tuple[str, str]], LabelledPost, Counter[str]]:
    records = content if isinstance(content, list) else [content]
    path.write_text("\n".join(map(json.dumps, records)) if lines else json.dumps(records), encoding="utf-8")
    types = sorted(type_names_in([path]))
    posts, repaired = read_labelled(path, TypeNames(types, {}))
    text, words = text_of(posts[0])
    found = [(text[words[span.first][0] : words[span.last][1]], types[span.type]) for span in posts[0].spans]
    return found, posts[0], repaired


@pytest.mark.parametrize(
    "record",
    [
        {"text": TEXT, "spans": SPANS, "answer": "accept", "image": "7.png"},  # Prodigy
        {"text": TEXT, "label": [[*bounds(name), kind] for name, kind in ENTITIES], "IMGID": "7.png"},  # doccano
        {"text": TEXT, "label": VALUES, "images": ["7.png"]},  # Label Studio, JSON min
        TASK | {"annotations": [{"was_cancelled": True, "result": []}, {"result": [{"type": "labels", "value": one} for one in VALUES]}]},
    ],
)
@pytest.mark.parametrize("lines", [True, False])
def test_every_tool_says_the_same(tmp_path: Path, record: dict[str, Any], lines: bool) -> None:
    found, post, repaired = read(tmp_path / "a.any", record, lines)
    assert found == ENTITIES
    assert text_of(post)[0] == TEXT
    assert post.image == "7.png"
    assert not repaired


def test_the_example_of_the_docs_is_read(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (tmp_path / "train.jsonl").write_text(page.partition("```json\n")[2].partition("```")[0], encoding="utf-8")
    names = TypeNames(None, {})
    (post,), repaired = read_labelled(file_of(tmp_path, "train"), names)
    assert (names.seen, post.image, repaired) == (["PERSON", "BUILDING"], "1023.jpg", Counter())
    text, bounds = text_of(post)
    assert [text[bounds[span.first][0] : bounds[span.last][1]] for span in post.spans] == ["Grace Hopper", "Pentagon"]


def test_tokens_and_tags_of_datasets_by_name_or_number(tmp_path: Path) -> None:
    tokens, tags = ["Ada", "Lovelace", "in", "London"], ["B-person", "I-person", "O", "B-city"]
    assert read(tmp_path / "a.jsonl", {"tokens": tokens, "ner_tags": tags})[0] == ENTITIES
    numbered = {"tokens": tokens, "ner_tags": [1, 2, 0, 3]}
    with pytest.raises(ValueError, match=r"b\.jsonl:1: ner_tags are numbers: put dataset_info\.json"):
        read(tmp_path / "b.jsonl", numbered)
    names = ["O", "B-person", "I-person", "B-city"]
    (tmp_path / "dataset_info.json").write_text(json.dumps({"features": {"ner_tags": {"feature": {"names": names}}}}))
    assert read(tmp_path / "b.jsonl", numbered)[0] == ENTITIES


def test_what_is_changed_is_counted(tmp_path: Path) -> None:
    spans = [
        *({"start": 2, "end": 5, "label": "person"}, {"start": 2, "end": 14, "label": "person"}),  # one inside the other
        {"start": bounds("Lon")[0], "end": bounds("Lon")[1], "label": "city"},  # a part of a word
        {"start": 1, "end": 2, "label": "city"},  # a space
    ]
    rejected = {"text": TEXT, "spans": SPANS, "answer": "reject"}
    found, _, repaired = read(tmp_path / "a.jsonl", [{"text": TEXT, "spans": spans, "images": ["1", "2", "3"]}, rejected])
    assert found == ENTITIES
    assert repaired == {"moved_to_words": 1, "overlapping": 1, "without_words": 1, "more_pictures": 2, "rejected": 1}


def test_offsets_of_label_studio_in_utf_16(tmp_path: Path) -> None:
    values = [one | {"start": one["start"] + 1, "end": one["end"] + 1} for one in VALUES]
    found, _, repaired = read(tmp_path / "a.json", {"text": TEXT, "label": values})
    assert found == ENTITIES
    assert repaired == {"utf16_offsets": 2}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[1]", r"a\.jsonl:1: is of no known form"),
        ('{"words": []}', r"a\.jsonl:1: is of no known form"),
        ('{"text": "a", "spans": [{"start": 0, "end": 9, "label": "X"}]}', r"a\.jsonl:1: the span from 0 to 9 is not inside the text"),
        ('{"text": "a", "spans": [{"start": "0", "end": 1, "label": "X"}]}', r"a\.jsonl:1: is of no known form"),
        ('{"tokens": ["a"], "ner_tags": []}', r"1 tokens have 0 ner_tags"),
        ('{"text": "a", "answer": "reject"}', "holds no labelled posts"),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(ValueError, match=said):
        read_labelled(tmp_path / "a.jsonl", TypeNames(None, {}))


KEYS = st.sampled_from(["text", "spans", "label", "data", "annotations", "tokens", "ner_tags", "images", "start", "end"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(record=st.dictionaries(KEYS, JSON, max_size=4))
def test_any_json_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, record: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("any") / "any.jsonl"
    path.write_text(json.dumps(record))
    with suppress(ValueError):  # told in a sentence; anything else fails
        ((post,), _) = read_labelled(path, TypeNames(None, {}))
        assert len(post.tokens) == len(text_of(post)[1])


def test_types_of_known_sets_become_ours_unless_there_are_others() -> None:
    wnut = ["person", "location", "corporation", "group", "product", "creative-work"]
    assert types_of(wnut, renames_of(wnut, {})) == TYPES
    own = ["person", "product", "vehicle"]
    assert types_of(own, renames_of(own, {})) == ("person", "product", "vehicle")
    assert types_of(own, renames_of(own, {"vehicle": ""})) == ("PER", "MISC")
    assert types_of(["LOC", "PER"], {}) == ("PER", "LOC")
    with pytest.raises(ValueError, match="no entities"):
        types_of([], {})


def test_a_file_or_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no valid\.txt"):
        file_of(tmp_path, "valid")
    (tmp_path / "valid.jsonl").touch()
    assert file_of(tmp_path, "valid") == file_of(tmp_path / "valid.jsonl", "valid") == tmp_path / "valid.jsonl"
    (tmp_path / "valid.conll").touch()
    with pytest.raises(ValueError, match=r"has valid\.conll and valid\.jsonl: keep one"):
        file_of(tmp_path, "valid")
