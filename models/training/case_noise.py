"""Change the case of words in training, so that the tagger also reads capitals, as posters and shouting have them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from models.tagging.encoding import Encoder
from models.training.examples import Example


def _title(word: str) -> str:
    return word[:1].upper() + word[1:].lower()  # not `str.title`, which has a capital after each digit and apostrophe


CASES: tuple[Callable[[str], str], ...] = (str.upper, str.lower, _title)


def with_case_noise(batch: Sequence[Example], encoder: Encoder, share: float, chance: random.Random) -> list[Example]:
    """Return examples of which a random share has all words in capitals, in lower case or in title case.

    Subwords, shapes and augmentation rows are those of the changed words; targets stay. An example stays as it is where
    its post, in the other case, would be cut into other windows.

    Args:
        batch: is not changed.
        encoder: makes the windows.
        share: probability of each example.
        chance: draws which examples change, and to which case.
    """
    cases = {row: chance.choice(CASES) for row in range(len(batch)) if chance.random() < share}
    windows = encoder.windows([[case(word) for word in batch[row].words] for row, case in cases.items()])
    changed = list(batch)
    rows = [*cases]
    for window in windows:
        row = rows[window.post]
        if np.array_equal(window.owned, batch[row].window.owned):
            changed[row] = replace(batch[row], window=window)
    return changed
