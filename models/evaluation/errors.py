"""List the errors of a model on labelled posts, and show them on a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from models.datasets.labelled_post import LabelledPost, text_of
from models.evaluation.candidates import Labelled
from models.evaluation.predictions import Found, Prediction
from models.tagging.labels import Span

MISSED, SPURIOUS, WRONG_TYPE, WRONG_BOUNDARY = "missed", "spurious", "wrong type", "wrong boundary"
KINDS = (MISSED, SPURIOUS, WRONG_TYPE, WRONG_BOUNDARY)

SHOWN = 500
"""Errors on the page; the file has all."""

_ENVIRONMENT = Environment(
    loader=PackageLoader("models.evaluation"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def per_post(labelled: Labelled, found: Found) -> list[dict[str, Any]]:
    """Return for each post its id, text, pictures, and gold and predicted entities in code points of the text."""
    return [
        {
            "id": name,
            "text": text_of(post)[0],
            "images": [post.image] if post.image else [],
            "gold": [_entity(post, span, labelled.types) for span in post.spans],
            "predicted": [_predicted(post, one, labelled.types) for one in of_post],
        }
        for (name, post), of_post in zip(labelled.posts.items(), found, strict=True)
    ]


def errors_of(labelled: Labelled, found: Found) -> list[dict[str, Any]]:
    """Return one record for each error: id, text, pictures, kind, and the gold and the predicted entity or None."""
    return [
        {
            "id": name,
            "text": text_of(post)[0],
            "images": [post.image] if post.image else [],
            "kind": kind,
            "gold": _entity(post, gold, labelled.types) if gold else None,
            "predicted": _predicted(post, predicted, labelled.types) if predicted else None,
        }
        for (name, post), of_post in zip(labelled.posts.items(), found, strict=True)
        for kind, gold, predicted in sorted_errors(post.spans, of_post)
    ]


def sorted_errors(gold: Sequence[Span], found: Sequence[Prediction]) -> list[tuple[str, Span | None, Prediction | None]]:
    """Return the errors of one post in text order, each with its gold span and its prediction.

    A prediction over the words of a gold entity has a wrong type. One over some of them has a wrong boundary, whatever its
    type. Each span is in one error at most.
    """

    def place(error: tuple[str, Span | None, Prediction | None]) -> tuple[int, int]:
        _, span, one = error
        first = span or (one.span if one else None)
        return (first.first, first.last) if first else (0, 0)

    return sorted(_errors(gold, found), key=place)


def _errors(gold: Sequence[Span], found: Sequence[Prediction]) -> Iterator[tuple[str, Span | None, Prediction | None]]:
    right = {*gold} & {one.span for one in found}
    open_gold = [span for span in gold if span not in right]
    open_found = [one for one in found if one.span not in right]
    for kind in (WRONG_TYPE, WRONG_BOUNDARY):
        for span in [*open_gold]:
            one = next((one for one in open_found if _meet(span, one.span, exactly=kind == WRONG_TYPE)), None)
            if one:
                yield kind, span, one
                open_gold.remove(span)
                open_found.remove(one)
    yield from ((MISSED, span, None) for span in open_gold)
    yield from ((SPURIOUS, None, one) for one in open_found)


def _meet(left: Span, right: Span, exactly: bool) -> bool:
    if exactly:
        return left[:2] == right[:2]
    return left.first <= right.last and right.first <= left.last


def render(model: str, errors: Sequence[Mapping[str, Any]], pictures: Mapping[str, str]) -> str:
    """Return the page of the errors.

    Args:
        model: name of what was scored.
        errors: from `errors_of`.
        pictures: `data:` addresses by key.
    """
    shown = [{**error, "pieces": [*_pieces(error)]} for error in errors[:SHOWN]]
    kinds = Counter(error["kind"] for error in errors)
    counts = [(kind, kinds[kind]) for kind in KINDS]
    numbers = {kind: number for number, kind in enumerate(KINDS, start=1)}
    page = _ENVIRONMENT.get_template("errors.html")
    return page.render(model=model, errors=shown, total=len(errors), kinds=counts, numbers=numbers, pictures=pictures)


def _pieces(error: Mapping[str, Any]) -> Iterator[tuple[str, bool, bool]]:
    """Yield the text in pieces: whether a piece is gold, and whether it is predicted. Control characters are escaped."""
    text, spans = error["text"], (error["gold"], error["predicted"])
    cuts = sorted({0, len(text), *(edge for span in spans if span for edge in (span["start"], span["end"]))})
    for start, end in pairwise(cuts):
        is_gold, is_predicted = (bool(span) and span["start"] <= start < span["end"] for span in spans)
        yield printable(text[start:end]), is_gold, is_predicted


def printable(text: str) -> str:
    """Return a text with control characters, and marks that turn its direction, escaped."""
    return "".join(sign if sign.isprintable() or sign in "\u200d\u200c\n" else sign.encode("unicode_escape").decode() for sign in text)


_ENVIRONMENT.filters["printable"] = printable


def _entity(post: LabelledPost, span: Span, types: Sequence[str]) -> dict[str, Any]:
    text, bounds = text_of(post)
    start, end = bounds[span.first][0], bounds[span.last][1]
    return {"text": text[start:end], "type": types[span.type], "start": start, "end": end}


def _predicted(post: LabelledPost, one: Prediction, types: Sequence[str]) -> dict[str, Any]:
    return _entity(post, one.span, types) | {"score": one.score}
