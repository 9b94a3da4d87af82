"""Find the names in the texts of pictures: what is written in them, and their alt texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.tagging.annotate import Annotator, Entity
from models.tagging.blocks import join_lines
from models.vision.images.features import TextLine

OCR, ALT = "ocr", "alt"

MIN_SCORE = 0.8
"""Blocks that were read with a lower score are kept, but no names are looked for in them."""

MIN_LETTERS, MIN_NAME_SCORE = 2, 0.3
"""Letters and score of a name that was read, at least; `docs/model.md` has what the score does."""


@dataclass(frozen=True, slots=True)
class PictureText:
    """One text of a picture: a block of lines that were read, or its alt text.

    Attributes:
        kind: `ocr` or `alt`.
        text: without spaces at its ends where it was read; an alt text stands as it was given.
        box: xyxy, pixels of the original, or None for an alt text.
        score: of the reader, or None for an alt text.
    """

    kind: str
    text: str
    box: tuple[float, ...] | None = None
    score: float | None = None


def texts_of(lines: Sequence[TextLine], alt: str | None) -> list[PictureText]:
    """Return the texts of one picture: blocks in reading order, then the alt text unless it is missing or blank."""
    texts = [PictureText(OCR, block.text, tuple(block.box.tolist()), block.score) for block in join_lines(lines)]
    return texts + ([PictureText(ALT, alt)] if alt and not alt.isspace() else [])


def tag_texts(annotator: Annotator, texts: Sequence[PictureText]) -> list[list[Entity]]:
    """Return the entities of each text, tagged on its own; the result for a text does not depend on the others."""
    chosen = [i for i, text in enumerate(texts) if text.score is None or text.score >= MIN_SCORE]
    tagged = annotator.annotate([(texts[i].text, {}) for i in chosen])
    entities: list[list[Entity]] = [[] for _ in texts]
    for i, found in zip(chosen, tagged, strict=True):
        entities[i] = [entity for entity in found if texts[i].kind == ALT or _is_name(entity)]
    return entities


def row(text: PictureText, entities: Sequence[Entity]) -> dict[str, Any]:
    """Return an entry of `images[].texts`, as `transforms.writers.schema` describes it."""
    names = [{name: getattr(entity, name) for name in ("text", "type", "start", "end", "score")} for entity in entities]
    return {"kind": text.kind, "text": text.text, "box": text.box, "score": text.score, "entities": names}


def _is_name(entity: Entity) -> bool:
    return entity.score >= MIN_NAME_SCORE and sum(character.isalpha() for character in entity.text) >= MIN_LETTERS
