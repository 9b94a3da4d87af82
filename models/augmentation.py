"""The augmentation table: for each word, the meaning of its nearest neighbours among tweets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

NEIGHBOURS = 4


class AugmentationTable:
    """Vectors of known words.

    Args:
        words: the vocabulary; word i has row i + 1 of `vectors`.
        vectors: (V + 1, A) float; row 0 is zero, for words that are not known.
    """

    def __init__(self, words: Sequence[str], vectors: Tensor) -> None:
        self.words = list(words)
        self.vectors = vectors
        self._rows = {word: row for row, word in enumerate(self.words, start=1)}

    def row(self, word: str) -> int:
        """Row of a word, 0 if it is not known. Looked up as written, lower-cased, then without a leading # or @."""
        rows = self._rows
        lowered = word.lower()
        return rows.get(word) or rows.get(lowered) or rows.get(lowered.lstrip("#@")) or 0


def build_table(words: Sequence[str], vectors: Tensor, known: int | None = None, batch: int = 1024) -> AugmentationTable:
    """For each of the first `known` words, the softmax-weighted sum of its 4 most similar words' vectors.

    Similarity is the cosine; a word is never its own neighbour (arXiv 2210.14163, section 3.1).

    Args:
        words: vocabulary of the embedding, most frequent first.
        vectors: (V, A) float32.
        known: how many words get an entry (all of them may be neighbours).
        batch: words compared with the whole vocabulary at a time.
    """
    known = min(known or len(words), len(words))
    unit = torch.nn.functional.normalize(vectors, dim=1)
    sums = []
    for start in range(0, known, batch):
        rows = torch.arange(start, min(start + batch, known))
        similarity = unit[rows] @ unit.T  # shape: (batch, V)
        similarity[torch.arange(len(rows)), rows] = -torch.inf
        top = similarity.topk(NEIGHBOURS, dim=1)
        sums.append((top.values.softmax(1)[..., None] * vectors[top.indices]).sum(1))
    zero = vectors.new_zeros(1, vectors.shape[1])
    return AugmentationTable(words[:known], torch.cat([zero, *sums]))


def read_vectors(path: Path) -> tuple[list[str], Tensor]:
    """Words and (V, A) float32 vectors of a word2vec file, binary (`.bin`) or text, most frequent first."""
    from gensim.models import KeyedVectors

    vectors = KeyedVectors.load_word2vec_format(str(path), binary=path.suffix == ".bin")
    return list(vectors.index_to_key), torch.from_numpy(vectors.vectors.copy())
