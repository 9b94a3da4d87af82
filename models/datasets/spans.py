"""Read labelled posts with character spans from JSON, as labelling tools and `datasets` write it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.datasets.labelled_post import LabelledPost, add_tag, covering
from models.datasets.type_names import TypeNames
from models.tagging.labels import Span
from models.tagging.words import split_words, without_half_pairs

FORMS = "spans (Prodigy), label (doccano, Label Studio), annotations (Label Studio), or tokens with ner_tags (datasets)"
NAMES_FILE = "dataset_info.json"
"""File of `datasets` beside the data, with the names of numbered tags."""


def read_spans(path: Path, names: TypeNames) -> tuple[list[LabelledPost], Counter[str]]:
    """Return the posts of a file of JSON lines, or of one JSON array.

    Spans that do not begin and end with words are widened to words. Counts of repairs: `moved_to_words`, `utf16_offsets`
    (Label Studio counts UTF-16 units), `without_words` and `overlapping` (left out), `rejected` (posts left out, since the
    annotator rejected them), `more_pictures` (left out: the first one of a post is read), `orphan_inside`.

    Raises:
        ValueError: the file or one record is of no known form, or a type is not in the list. The message names the file
            and the record.
    """
    posts: list[LabelledPost] = []
    repaired: Counter[str] = Counter()
    tag_names = _tag_names(path.parent / NAMES_FILE)
    for number, record in _records(path):
        try:
            post = _post(record, names, tag_names, repaired)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            said = error if isinstance(error, ValueError) else f"is of no known form: give text and {FORMS}"
            raise ValueError(f"{path}:{number}: {said}") from error
        if post:
            posts.append(post)
    if not posts:
        raise ValueError(f"{path} holds no labelled posts: give text and {FORMS}")
    return posts, repaired


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    text = path.read_text(encoding="utf-8-sig")
    try:
        if text.lstrip().startswith("["):
            yield from enumerate(json.loads(text), start=1)
            return
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield number, json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def _post(record: Mapping[str, Any], names: TypeNames, tag_names: Sequence[str], repaired: Counter[str]) -> LabelledPost | None:
    if record.get("answer") in ("reject", "ignore"):
        repaired["rejected"] += 1
        return None
    if "ner_tags" in record:
        return _of_tags(record, names, tag_names, repaired)
    data = record["data"] if "annotations" in record else record
    text = data["text"]
    if not isinstance(text, str):
        raise TypeError
    text = without_half_pairs(text)
    bounds = split_words(text)
    spans: list[Span] = []
    for start, end, name, covered in sorted(_spans(record), key=lambda span: (span[0], -span[1])):
        start, end = _code_points(text, start, end, covered, repaired)
        hit = covering(bounds, start, end)
        kind = names.index(name)
        if hit is None or (spans and hit[0] <= spans[-1].last):
            repaired["overlapping" if hit else "without_words"] += 1
        elif kind >= 0:
            repaired["moved_to_words"] += (bounds[hit[0]][0], bounds[hit[1]][1]) != (start, end)
            spans.append(Span(*hit, kind))
    return LabelledPost(_picture(data, repaired), tuple(text[a:b] for a, b in bounds), tuple(spans), text, tuple(bounds))


def _spans(record: Mapping[str, Any]) -> list[tuple[int, int, str, str | None]]:
    """Return start, end, type and, where it is given, text of each entity of a record."""
    if "annotations" in record:
        kept = [one for one in record["annotations"] if not one.get("was_cancelled")]
        found = [one["value"] for one in kept[0]["result"] if "value" in one and "labels" in one["value"]] if kept else []
    else:
        key = next((key for key in ("spans", "entities", "label", "labels") if key in record), "")
        found = record.get(key) or []
    return [_span(one) for one in found]


def _span(span: Any) -> tuple[int, int, str, str | None]:
    if isinstance(span, list):
        start, end, name, covered = *span, None
    else:
        start, end, covered = span["start"], span["end"], span.get("text")
        name = span["labels"][0] if "labels" in span else span["label"] if "label" in span else span["type"]
    if not (type(start) is type(end) is int and isinstance(name, str) and name):
        raise TypeError
    return start, end, name, covered


def _code_points(text: str, start: int, end: int, covered: str | None, repaired: Counter[str]) -> tuple[int, int]:
    """Return a span in code points. Raises ValueError if it is not inside the text."""
    if covered is not None and text[start:end] != covered:
        units = text.encode("utf-16-le")
        before, inside = (units[2 * a : 2 * b].decode("utf-16-le", "replace") for a, b in ((0, start), (start, end)))
        if inside == covered:
            repaired["utf16_offsets"] += 1
            start, end = len(before), len(before) + len(inside)
    if not 0 <= start < end <= len(text):
        raise ValueError(f"the span from {start} to {end} is not inside the text of {len(text)} characters")
    return start, end


def _of_tags(record: Mapping[str, Any], names: TypeNames, tag_names: Sequence[str], repaired: Counter[str]) -> LabelledPost:
    tokens, tags = record["tokens"], record["ner_tags"]
    if len(tokens) != len(tags):
        raise ValueError(f"{len(tokens)} tokens have {len(tags)} ner_tags")
    spans: list[Span] = []
    for position, tag in enumerate(tags):
        if isinstance(tag, int) and not tag_names:
            raise ValueError(f"ner_tags are numbers: put {NAMES_FILE} of the dataset, which names them, beside the file")
        prefix, _, name = (tag_names[tag] if isinstance(tag, int) else tag).partition("-")
        if prefix not in ("O", "B", "I") or (prefix != "O" and not name):
            raise ValueError(f"tag {tag!r} is not O, B- or I- of a type")
        kind = -1 if prefix == "O" else names.index(name)
        repaired["orphan_inside"] += add_tag(spans, position, prefix if kind >= 0 else "O", kind)
    return LabelledPost(_picture(record, repaired), tuple(str(token) for token in tokens), tuple(spans))


def _tag_names(path: Path) -> list[str]:
    """Return the names of numbered tags; none where there is no such file. Raises ValueError if it names none."""
    if not path.is_file():
        return []
    try:
        tags = json.loads(path.read_text(encoding="utf-8"))["features"]["ner_tags"]
        return [str(name) for name in tags.get("feature", tags)["names"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} has no names at features.ner_tags.feature.names") from error


def _picture(data: Mapping[str, Any], repaired: Counter[str]) -> str | None:
    found: Any = next((data[key] for key in ("images", "image", "IMGID") if data.get(key)), [])
    keys = [str(key) for key in (found if isinstance(found, list) else [found])]
    repaired["more_pictures"] += max(len(keys) - 1, 0)
    return keys[0] if keys else None
