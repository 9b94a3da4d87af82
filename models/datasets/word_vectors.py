"""Read files of word vectors: word2vec (binary or text), fastText (.vec) and GloVe."""

from __future__ import annotations

import zlib
from pathlib import Path

import fsspec
import numpy as np
import torch
from torch import Tensor


def read_vectors(path: Path) -> tuple[list[str], Tensor]:
    """Return the words of a file, in its order, and their vectors, (V, A) float32.

    The content of the file decides its format. `.gz` is decompressed. Words with whitespace are left out, since no word
    of a post contains any.

    Raises:
        ValueError: the file has another format, is missing or damaged, or contains NaN or infinity.
    """
    try:
        words, vectors = _read(path)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read as word vectors: {error}") from error
    if not vectors.isfinite().all():
        raise ValueError(f"{path} contains numbers that are not finite: it is damaged")
    usable = [row for row, word in enumerate(words) if word.split() == [word]]
    return [words[row] for row in usable], vectors[usable]


def _read(path: Path) -> tuple[list[str], Tensor]:
    from gensim.models import KeyedVectors

    with fsspec.open(str(path), "rb", compression="infer") as file:
        first, second = (file.readline(1 << 16).split(b" ") for _ in range(2))
    has_header = len(first) == 2 and all(part.strip().isdigit() for part in first)
    is_binary = has_header and not _is_row_of_text(second, int(first[1]))
    if not has_header and not _is_row_of_text(first, len(first) - 1):
        raise ValueError(f"{path} holds no word vectors: give a word2vec (binary or text), fastText .vec or GloVe file")
    try:
        if not is_binary:
            return _read_text(path, int(first[1]) if has_header else len(first) - 1, int(first[0]) if has_header else None)
        vectors = KeyedVectors.load_word2vec_format(str(path), binary=True, unicode_errors="replace")
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as word vectors: {error}") from error
    return list(vectors.index_to_key), torch.from_numpy(vectors.vectors.copy())


def _read_text(path: Path, width: int, count: int | None) -> tuple[list[str], Tensor]:
    """Read vectors from text. Words may contain spaces, as some in GloVe do; gensim cannot read those.

    Args:
        path: of the file.
        width: A, numbers per row.
        count: rows, from the header; None if the file has no header.
    """
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
        raise ValueError(f"it has {number - 1} rows, but its header says {count}")
    return list(rows), torch.from_numpy(np.stack(list(rows.values())))


def _is_row_of_text(fields: list[bytes], width: int) -> bool:
    """Return whether a line is a word and `width` numbers."""
    try:
        [float(field) for field in fields[1 : width + 1]]
    except ValueError:
        return False
    return width > 0 and len([field for field in fields if field.strip()]) == width + 1
