"""A labelled post: its words, and its gold entities over them."""

from __future__ import annotations

from dataclasses import dataclass

from models.tagging.labels import Span


@dataclass(frozen=True)
class LabelledPost:
    """A tweet with gold entities.

    Attributes:
        image: key of its picture, with or without extension, or None.
        tokens: words as split in the file.
        spans: entities over tokens; `type` is an index into the list of types that it was read with.
        text: where the file has it.
        bounds: (start, end) of each token in `text`.
    """

    image: str | None
    tokens: tuple[str, ...]
    spans: tuple[Span, ...]
    text: str | None = None
    bounds: tuple[tuple[int, int], ...] = ()


def text_of(post: LabelledPost) -> tuple[str, list[tuple[int, int]]]:
    """Return the text, and the (start, end) of each token in it. A post that has tokens only is joined by spaces."""
    if post.text is not None:
        return post.text, [*post.bounds]
    bounds, position = [], 0
    for token in post.tokens:
        bounds.append((position, position + len(token)))
        position += len(token) + 1
    return " ".join(post.tokens), bounds


def covering(bounds: list[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    """Return the indices of the first and last of the sorted `bounds` that overlap [start, end), or None."""
    hit = [i for i, (a, b) in enumerate(bounds) if a < end and b > start]
    return (hit[0], hit[-1]) if hit else None


def add_tag(spans: list[Span], position: int, prefix: str, kind: int) -> bool:
    """Extend the last span by a token, or begin a new one. Return True for an I- that does not continue a span."""
    if prefix == "O":
        return False
    continues = bool(spans) and spans[-1].last == position - 1 and spans[-1].type == kind
    if prefix == "I" and continues:
        spans[-1] = spans[-1]._replace(last=position)
        return False
    spans.append(Span(position, position, kind))
    return prefix == "I"
