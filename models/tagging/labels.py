"""Entity types and their IOB2 tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

Index = TypeVar("Index", int, "Tensor")

TYPES = ("PER", "LOC", "ORG", "MISC")
"""Entity types of the Twitter-2015 and Twitter-2017 sets, and of the shipped bundle. Each bundle stores its own list."""

ALIASES = {
    "OTHER": "MISC",  # Twitter-2015
    **{"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG", "creative-work": "MISC", "product": "MISC"},  # WNUT-17
}
"""Type names of data sets, and our type for each."""


class Span(NamedTuple):
    """An entity over words `first` to `last`, both included; `type` indexes the bundle's list of types."""

    first: int
    last: int
    type: int


def tags_of(types: Sequence[str]) -> list[str]:
    """Return the tags in the order of emissions: O, then B and I of each type."""
    return ["O", *(f"{prefix}-{name}" for name in types for prefix in "BI")]


def begin(kind: Index) -> Index:
    """Return the index of the B tag of a type."""
    return 1 + 2 * kind


def inside(kind: Index) -> Index:
    """Return the index of the I tag of a type."""
    return 2 + 2 * kind


def is_inside(tag: int) -> bool:
    """Return whether a tag is an I."""
    return tag > 0 and tag % 2 == 0


def type_of(tag: int) -> int:
    """Return the index of the type of a B or an I."""
    return (tag - 1) // 2


def is_legal(previous: int, tag: int) -> bool:
    """Return whether `tag` may follow `previous` in IOB2: an I must follow a B or I of its own type, any other tag is free."""
    return not is_inside(tag) or previous in (tag, tag - 1)


def spans_of(tags: Sequence[int]) -> list[Span]:
    """Return the entities of a legal IOB2 sequence of tag indices."""
    spans: list[Span] = []
    for position, tag in enumerate(tags):
        if tag == 0:
            continue
        if is_inside(tag):
            spans[-1] = spans[-1]._replace(last=position)
        else:
            spans.append(Span(position, position, type_of(tag)))
    return spans


def with_others(best: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return the spans of one sequence, and those of another one that share no word with them, in order."""
    taken = {word for span in best for word in range(span.first, span.last + 1)}
    return sorted([*best, *(span for span in others if taken.isdisjoint(range(span.first, span.last + 1)))])


def spans_to_tags(spans: Sequence[Span], words: int) -> list[int]:
    """Return the tag indices of `words` words with these spans, which must not overlap: the inverse of `spans_of`."""
    tags = [0] * words
    for first, last, kind in spans:
        tags[first : last + 1] = [begin(kind)] + [inside(kind)] * (last - first)
    return tags
