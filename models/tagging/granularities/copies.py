"""Find the words of a post that also stand in its pictures, exactly or nearly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import regex

KINDS = 3
"""Kinds of a copy, the columns of `copies`: the same word in any case; the same but for a plural or one letter; a part of it."""

MIN_NEAR, MIN_PLURAL, MIN_PART = 5, 4, 4
"""Letters of a word that may differ by one letter, of a plural, and of a part, at least: shorter ones are alike by chance."""

MAX_NEAR = 32
"""Letters of a word that may differ by one letter, at most: work and memory grow with the square of them."""

PART = regex.compile(r"\p{Lu}{2,}(?!\p{Ll})|\p{L}\p{Ll}*|\p{N}+")
"""Parts of a hashtag or a user name: `JustinBieber` and `NBAFinals2016` hold words."""


def copies(words: Sequence[str], of_pictures: Sequence[str]) -> np.ndarray:
    """Return which words of pictures each word of a post is a copy of: (W, R, KINDS) float32, 0 or 1, at most one kind each.

    Args:
        words: W words of the post, as `split_words` gives them.
        of_pictures: R words of its pictures.
    """
    found = np.zeros((len(words), len(of_pictures), KINDS), np.float32)
    indices: list[defaultdict[str, list[int]]] = [defaultdict(list) for _ in range(KINDS)]
    for row, word in enumerate(of_pictures):
        for index, forms in zip(indices, _forms(word), strict=True):
            for form in forms:
                index[form].append(row)
    for place, word in enumerate(words):
        exact, near, parts = _forms(word)
        # A part is a copy of a whole word: `JustinBieber` of `bieber`, and the other way round where a reader lost the space.
        rows = (
            [row for form in exact for row in indices[0][form]],
            [row for form in near for row in indices[1][form]],
            [row for form in parts for row in indices[0][form]] + [row for form in exact for row in indices[2][form]],
        )
        for kind in reversed(range(KINDS)):
            found[place, rows[kind]] = 0
            found[place, rows[kind], kind] = 1
    return found


def _forms(word: str) -> tuple[set[str], set[str], set[str]]:
    """Return the forms of a word by which it is found as the same word, as one letter different, and by its parts."""
    if not any(character.isalnum() for character in word):
        return set(), set(), set()
    folded = word.casefold()
    near = {folded.removesuffix("s")} if len(folded) >= MIN_PLURAL else {folded}
    if MIN_NEAR <= len(folded) <= MAX_NEAR:  # two words that differ by one letter are alike once the right letter of each is left out
        near |= {folded, *(folded[:i] + folded[i + 1 :] for i in range(len(folded)))}
    parts = {part.casefold() for part in PART.findall(word)} - {folded}
    return {folded}, near, {part for part in parts if len(part) >= MIN_PART}
