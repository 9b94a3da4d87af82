"""Teacher marginals on raw posts, for distillation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models.inference.precision import usable_precision
from models.tagging.annotate import Annotator
from models.tagging.bundle import load_bundle
from models.tagging.words import split_words

BATCH_SIZE = 512
"""Texts per call of a teacher."""


def teacher_marginals(
    texts: Sequence[str], teachers: Sequence[Path], types: tuple[str, ...], device: str, threads: int, cache: Path
) -> list[np.ndarray]:
    """Return the marginals of each text, mean over the teachers: (W, T) float16 for its W words.

    Args:
        texts: raw posts.
        teachers: folders of bundles.
        types: entity types of the student.
        device: of the teachers.
        threads: of the teachers, on a CPU.
        cache: file for the marginals. If it exists, it is read and the teachers are not run.

    Raises:
        ValueError: a teacher has other entity types than the student.
    """
    if not cache.exists():
        marginals = np.stack([_marginals_of(texts, folder, types, device, threads) for folder in teachers]).mean(0).astype(np.float16)
        partial = cache.with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, marginals)
        os.replace(partial, cache)
    ends = np.cumsum([len(split_words(text)) for text in texts])
    return np.split(np.load(cache), ends[:-1])


def _marginals_of(texts: Sequence[str], folder: Path, types: tuple[str, ...], device: str, threads: int) -> np.ndarray:
    bundle = load_bundle(folder)
    if bundle.tagger.config.types != types:
        raise ValueError(f"--teacher {folder} has the types {', '.join(bundle.tagger.config.types)}, the student {', '.join(types)}")
    annotator = Annotator(bundle, (), None, device, threads=threads, precision=usable_precision("auto", device))
    marginals = []
    for start in tqdm(range(0, len(texts), BATCH_SIZE), desc=f"teacher {bundle.settings.name}", disable=None):
        marginals += annotator.marginals([(text, {}) for text in texts[start : start + BATCH_SIZE]])
    return np.concatenate(marginals)
