"""Find the names in the texts of pictures: what is written in them, and their alt texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from models.tagging.annotate import Annotator, Entity
from models.tagging.blocks import LineSpan, PictureText

MIN_LETTERS, MIN_NAME_SCORE = 2, 0.3
"""Letters and score of a name that was read, at least; `docs/model.md` has what the score does."""

MIN_LINE_SCORE = 0.9
"""Score of the reader, at least, of each line that a name stands in: in others, names are mostly words that were read wrongly."""


def tag_texts(annotator: Annotator, texts: Sequence[PictureText]) -> list[list[Entity]]:
    """Return the entities of each text, in text order; the result for a text does not depend on the others.

    What was read is tagged as a whole and line by line. Of entities that overlap, the one with the highest score is kept:
    a name that is broken over lines is found in the whole, two names in two lines are kept apart.
    """
    inputs = [(index, start, end) for index, text in enumerate(texts) for start, end in _pieces(text)]
    tagged = annotator.annotate([(texts[index].text[start:end], {}) for index, start, end in inputs])
    found: list[list[Entity]] = [[] for _ in texts]
    for (index, offset, _), entities in zip(inputs, tagged, strict=True):
        found[index] += [replace(entity, start=offset + entity.start, end=offset + entity.end) for entity in entities]
    return [
        _best([entity for entity in entities if _is_name(entity, text.lines)]) if text.lines else entities
        for text, entities in zip(texts, found, strict=True)
    ]


def row(text: PictureText, entities: Sequence[Entity]) -> dict[str, Any]:
    """Return an entry of `images[].texts`, as `transforms.writers.schema` describes it."""
    names = [{name: getattr(entity, name) for name in ("text", "type", "start", "end", "score")} for entity in entities]
    return {"kind": text.kind, "text": text.text, "box": text.box, "score": text.score, "entities": names}


def _pieces(text: PictureText) -> list[tuple[int, int]]:
    """Return the parts of a text that are tagged, each on its own: the whole, and of several lines each one."""
    legible = [(line.start, line.end) for line in text.lines if line.score >= MIN_LINE_SCORE]
    if text.lines and not legible:
        return []
    return [(0, len(text.text)), *(legible if len(text.lines) > 1 else [])]


def _is_name(entity: Entity, lines: Sequence[LineSpan]) -> bool:
    """Whether what was found in lines that were read is a name."""
    read = min(line.score for line in lines if line.start < entity.end and entity.start < line.end)
    letters = sum(character.isalpha() for character in entity.text)
    return read >= MIN_LINE_SCORE and entity.score >= MIN_NAME_SCORE and letters >= MIN_LETTERS


def _best(entities: Sequence[Entity]) -> list[Entity]:
    """Return entities that do not overlap, in text order: of those that do, the one with the highest score, then the longest."""
    kept: list[Entity] = []
    taken: set[int] = set()
    for entity in sorted(entities, key=lambda entity: (-entity.score, entity.start - entity.end, entity.start)):
        if taken.isdisjoint(span := range(entity.start, entity.end)):
            taken.update(span)
            kept.append(entity)
    return sorted(kept, key=lambda entity: entity.start)
