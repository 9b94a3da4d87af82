"""Words to the encoder's inputs: each distinct word is tokenized, looked up and classified once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.tagging.augmentation import AugmentationTable
from models.tagging.words import word_shape

MAX_SUBWORDS_PER_WORD = 32
"""A longer word is cut to its first subwords, so that each window holds whole words."""

WORDS_PER_CALL = 128
"""Words that the tokenizer gets as one text. It works on several texts in parallel."""


@dataclass(frozen=True, slots=True)
class WordInputs:
    """The inputs of W consecutive words, which have S subwords together. Special tokens are not among them.

    Attributes:
        counts: (W,) int64, subwords of each word, at least one.
        firsts: (W,) int64, index of the first subword of each word in the other arrays.
        subwords: (S,) int64, ids.
        augmentation: (S,) int64, row of the augmentation table; 0 but at the first subword of a word.
        shapes: (S,) int64, class of the word's shape; 0 but at the first subword of a word.
    """

    counts: np.ndarray
    firsts: np.ndarray
    subwords: np.ndarray
    augmentation: np.ndarray
    shapes: np.ndarray


def word_inputs(words: Sequence[str], tokenizer: Any, table: AugmentationTable | None) -> WordInputs:
    """Return the inputs of words. Those of a word do not depend on the words beside it.

    Args:
        words: of any number of posts, at least one.
        tokenizer: a fast Hugging Face tokenizer.
        table: augmentation vectors, or None.
    """
    rows = {word: row for row, word in enumerate(dict.fromkeys(words))}
    of_distinct = [*_subwords_by_word([*rows], tokenizer)]
    distinct_counts = np.array([len(subwords) for subwords in of_distinct])
    distinct_subwords = np.array([subword for subwords in of_distinct for subword in subwords])
    place = np.fromiter((rows[word] for word in words), np.int64, len(words))
    counts = distinct_counts[place]
    firsts = np.cumsum(counts) - counts
    from_distinct = (np.cumsum(distinct_counts) - distinct_counts)[place] - firsts
    subwords = distinct_subwords[np.arange(counts.sum()) + np.repeat(from_distinct, counts)]
    augmentation, shapes = np.zeros_like(subwords), np.zeros_like(subwords)
    if table:
        augmentation[firsts] = np.array([table.row(word) for word in rows])[place]
    shapes[firsts] = np.array([word_shape(word) for word in rows])[place]
    return WordInputs(counts, firsts, subwords, augmentation, shapes)


def _subwords_by_word(words: Sequence[str], tokenizer: Any) -> Iterator[list[int]]:
    """Yield the subwords of each word. One that the tokenizer drops gets the unknown token, so that each has a subword."""
    texts = [[*words[start : start + WORDS_PER_CALL]] for start in range(0, len(words), WORDS_PER_CALL)]
    encoded = tokenizer(texts, is_split_into_words=True, add_special_tokens=False)
    for row, (text, ids) in enumerate(zip(texts, encoded["input_ids"], strict=True)):
        by_word: list[list[int]] = [[] for _ in text]
        for subword, word in zip(ids, encoded.word_ids(row), strict=True):
            if word is not None:
                by_word[word].append(subword)
        for subwords in by_word:
            yield subwords[:MAX_SUBWORDS_PER_WORD] or [tokenizer.unk_token_id]
