"""The augmentation table: for each word, the weighted mean of the vectors of its nearest neighbours."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.tagging.settings import NEIGHBOURS


class AugmentationTable:
    """Augmentation vectors of V words.

    Args:
        words: the vocabulary, most frequent first. Word i has row i + 1 of `vectors`.
        vectors: (V + 1, A) float. Row 0 is zero, for words that are not in the vocabulary.
    """

    def __init__(self, words: Sequence[str], vectors: Tensor) -> None:
        self.words = list(words)
        self.vectors = vectors
        self._rows = {word: row for row, word in enumerate(self.words, start=1)}
        for row, word in enumerate(self.words, start=1):
            self._rows.setdefault(word.lower(), row)

    def row(self, word: str) -> int:
        """Return the row of a word, or 0 if it is not in the vocabulary.

        The word is looked up as written, then in lower case, then also without leading # and @. If several words of the
        vocabulary differ only in case, the lower-case lookup finds the one in lower case, else the most frequent one.
        """
        rows = self._rows
        lowered = word.lower()
        return rows.get(word) or rows.get(lowered) or rows.get(lowered.lstrip("#@")) or 0


def build_table(
    words: Sequence[str], vectors: Tensor, known: int | None = None, batch: int = 1024, neighbours: int = NEIGHBOURS
) -> AugmentationTable:
    """Build the table of the first `known` words: the softmax-weighted mean of the vectors of each word's neighbours.

    Neighbours are the words with the highest cosine similarity, except the word itself (arXiv 2210.14163, section 3.1).

    Args:
        words: vocabulary of the embedding, most frequent first.
        vectors: (V, A) float32.
        known: how many words get a row; None for all. Every word may be a neighbour.
        batch: words that are compared with the whole vocabulary at once.
        neighbours: how many neighbours each word has.

    Raises:
        ValueError: there are not more words than neighbours.
    """
    if len(words) <= neighbours:
        raise ValueError(f"{len(words)} words with vectors are too few for {neighbours} neighbours each")
    known = min(known or len(words), len(words))
    unit = torch.nn.functional.normalize(vectors, dim=1)
    sums = []
    for start in range(0, known, batch):
        rows = torch.arange(start, min(start + batch, known))
        similarity = unit[rows] @ unit.T  # shape: (batch, V)
        similarity[torch.arange(len(rows)), rows] = -torch.inf
        top = similarity.topk(neighbours, dim=1)
        sums.append((top.values.softmax(1)[..., None] * vectors[top.indices]).sum(1))
    zero = vectors.new_zeros(1, vectors.shape[1])
    return AugmentationTable(words[:known], torch.cat([zero, *sums]))


def save_table(table: AugmentationTable, folder: Path) -> None:
    """Write a table as `augmentation.safetensors` (float16) and `augmentation.txt` (one word per line)."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"vectors": table.vectors.half().contiguous()}, folder / "augmentation.safetensors")
    (folder / "augmentation.txt").write_text("\n".join(table.words), encoding="utf-8", newline="\n")
    shutil.copymode(folder / "augmentation.txt", folder / "augmentation.safetensors")  # safetensors writes for its owner alone


def load_table(folder: Path) -> AugmentationTable:
    """Read a table that `save_table` wrote.

    Raises:
        ValueError: a file is damaged, or the two files do not belong together.
        OSError: a file is missing.
    """
    words = (folder / "augmentation.txt").read_bytes().decode("utf-8").split("\n")
    try:
        vectors = load_file(folder / "augmentation.safetensors")["vectors"].float()
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{folder}/augmentation.safetensors holds no table: {error}: build the table again") from error
    if len(vectors) != len(words) + 1:
        raise ValueError(f"{folder} has {len(words)} words and {len(vectors)} vectors, which do not fit together: build the table again")
    return AugmentationTable(words, vectors)
