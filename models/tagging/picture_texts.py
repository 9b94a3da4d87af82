"""Find the names in the texts of pictures: what is written in them, and their alt texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.tagging.annotate import Annotator, Entity
from models.tagging.blocks import ALT, PictureText

MIN_LETTERS, MIN_NAME_SCORE = 2, 0.15
"""Letters and score of a name that was read, at least; `docs/model.md` has what the score does."""


def tag_texts(annotator: Annotator, texts: Sequence[PictureText]) -> list[list[Entity]]:
    """Return the entities of each text, tagged on its own; the result for a text does not depend on the others.

    What is written in pictures has few sentences that would tell a name, so names that are doubtful count there.
    """
    entities: list[list[Entity]] = [[] for _ in texts]
    for is_read in (True, False):
        chosen = [i for i, text in enumerate(texts) if (text.kind != ALT) == is_read and text.is_legible]
        for i, found in zip(chosen, annotator.annotate([(texts[i].text, {}) for i in chosen], doubtful=is_read), strict=True):
            entities[i] = [entity for entity in found if not is_read or _is_name(entity)]
    return entities


def row(text: PictureText, entities: Sequence[Entity]) -> dict[str, Any]:
    """Return an entry of `images[].texts`, as `transforms.writers.schema` describes it."""
    names = [{name: getattr(entity, name) for name in ("text", "type", "start", "end", "score")} for entity in entities]
    return {"kind": text.kind, "text": text.text, "box": text.box, "score": text.score, "entities": names}


def _is_name(entity: Entity) -> bool:
    return entity.score >= MIN_NAME_SCORE and sum(character.isalpha() for character in entity.text) >= MIN_LETTERS
