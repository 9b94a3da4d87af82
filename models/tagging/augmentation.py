"""The augmentation table: for each word, the meaning of its nearest neighbours among tweets."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import fsspec
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

NEIGHBOURS = 4


class AugmentationTable:
    """Vectors of known words.

    Args:
        words: the vocabulary, most frequent first; word i has row i + 1 of `vectors`.
        vectors: (V + 1, A) float; row 0 is zero, for words that are not known.
    """

    def __init__(self, words: Sequence[str], vectors: Tensor) -> None:
        self.words = list(words)
        self.vectors = vectors
        self._rows = {word: row for row, word in enumerate(self.words, start=1)}
        for row, word in enumerate(self.words, start=1):
            self._rows.setdefault(word.lower(), row)

    def row(self, word: str) -> int:
        """Row of a word, 0 if it is not known. Looked up as written, lower-cased, then without a leading # or @.

        Of known words that differ in case alone, the one in lower case stands for the others, else the most frequent one.
        """
        rows = self._rows
        lowered = word.lower()
        return rows.get(word) or rows.get(lowered) or rows.get(lowered.lstrip("#@")) or 0


def build_table(
    words: Sequence[str], vectors: Tensor, known: int | None = None, batch: int = 1024, neighbours: int = NEIGHBOURS
) -> AugmentationTable:
    """For each of the first `known` words, the softmax-weighted sum of its most similar words' vectors.

    Similarity is the cosine; a word is never its own neighbour (arXiv 2210.14163, section 3.1).

    Args:
        words: vocabulary of the embedding, most frequent first.
        vectors: (V, A) float32.
        known: how many words get an entry (all of them may be neighbours).
        batch: words compared with the whole vocabulary at a time.
        neighbours: how many similar words.

    Raises:
        ValueError: there are no more words than neighbours.
    """
    if len(words) <= neighbours:
        raise ValueError(f"{len(words)} words with vectors are too few for {neighbours} neighbours of each")
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


def read_vectors(path: Path) -> tuple[list[str], Tensor]:
    """Words and (V, A) float32 vectors, most frequent first, of word2vec (binary or text), fastText (.vec) or GloVe files.

    The form is told by looking; `.gz` is unpacked. Words that hold whitespace, which no word of a post does, are left out.

    Raises:
        ValueError: the file is none of these, or missing, or damaged, or holds numbers that are not finite.
    """
    try:
        words, vectors = _read(path)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read as word vectors: {error}") from error
    if not vectors.isfinite().all():
        raise ValueError(f"{path} holds numbers that are not finite: it is damaged")
    usable = [row for row, word in enumerate(words) if word.split() == [word]]
    return [words[row] for row in usable], vectors[usable]


def _read(path: Path) -> tuple[list[str], Tensor]:
    from gensim.models import KeyedVectors

    with fsspec.open(str(path), "rb", compression="infer") as file:
        first, second = (file.readline(1 << 16).split(b" ") for _ in range(2))
    has_header = len(first) == 2 and all(part.strip().isdigit() for part in first)
    is_binary = has_header and not _is_row_of_text(second, int(first[1]))
    if not has_header and not _is_row_of_text(first, len(first) - 1):
        raise ValueError(f"{path} holds no word vectors: word2vec (binary or text), fastText .vec or GloVe are read")
    try:
        if not is_binary:
            return _read_text(path, int(first[1]) if has_header else len(first) - 1, int(first[0]) if has_header else None)
        vectors = KeyedVectors.load_word2vec_format(str(path), binary=True, unicode_errors="replace")
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as word vectors: {error}") from error
    return list(vectors.index_to_key), torch.from_numpy(vectors.vectors.copy())


def _read_text(path: Path, width: int, count: int | None) -> tuple[list[str], Tensor]:
    """Rows of text, after a header where their count is known. Words may hold spaces, as some of GloVe's do; gensim refuses those."""
    rows: dict[str, np.ndarray] = {}
    with fsspec.open(str(path), "rt", compression="infer", encoding="utf-8", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if number == 1 and count is not None:
                continue
            word, *numbers = line.rstrip().rsplit(" ", width)
            if len(numbers) != width:
                raise ValueError(f"line {number} has {len(numbers)} numbers, not {width}")
            rows.setdefault(word, np.array(numbers, np.float32))
    if count is not None and number != count + 1:
        raise ValueError(f"it holds {number - 1} rows, its first line promises {count}")
    return list(rows), torch.from_numpy(np.stack(list(rows.values())))


def save_table(table: AugmentationTable, folder: Path) -> None:
    """Write a table as `augmentation.safetensors` (float16) and `augmentation.txt` (a word a line)."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"vectors": table.vectors.half().contiguous()}, folder / "augmentation.safetensors")
    (folder / "augmentation.txt").write_text("\n".join(table.words), encoding="utf-8", newline="\n")


def load_table(folder: Path) -> AugmentationTable:
    """Read what `save_table` wrote. Raises ValueError where its files are damaged or do not fit, OSError where one is missing."""
    words = (folder / "augmentation.txt").read_bytes().decode("utf-8").split("\n")
    try:
        vectors = load_file(folder / "augmentation.safetensors")["vectors"].float()
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{folder}/augmentation.safetensors holds no table: {error}: build the table again") from error
    if len(vectors) != len(words) + 1:
        raise ValueError(f"{folder} has {len(words)} words and {len(vectors)} vectors, which do not fit: build the table again")
    return AugmentationTable(words, vectors)


def _is_row_of_text(fields: list[bytes], width: int) -> bool:
    """Whether a line is a word and so many numbers."""
    try:
        [float(field) for field in fields[1 : width + 1]]
    except ValueError:
        return False
    return width > 0 and len([field for field in fields if field.strip()]) == width + 1
