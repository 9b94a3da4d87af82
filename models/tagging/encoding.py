"""Posts to tensors: words to subwords, long posts to overlapping windows, pictures to the views of each granularity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from models.tagging.augmentation import AugmentationTable
from models.tagging.granularities import Granularity, Source, View, granularities_of
from models.tagging.tagger import Batch, TaggerConfig
from models.tagging.words import word_shape
from models.vision.images.features import ImageFeatures

PIECES_PER_WORD = 32
"""A word of more subwords keeps its first ones, so that each window holds whole words."""

STEP = 16
"""Pieces and rows of views are padded to a multiple of this and to nothing else, so that a post's result does not depend
on its neighbours: 16 floats are a vector register, and products of matrices round by how they lie on its bounds."""


@dataclass(frozen=True, slots=True)
class Window:
    """A run of whole words of one post, short enough for the encoder.

    Attributes:
        post: index of the post among those that were encoded together.
        subwords, augmentation, shapes: (L,) int64, as in `Batch`.
        owned: (W,) int64, words of the post that take their emission from this window.
        first_pieces: (W,) int64, where each of them begins.
    """

    post: int
    subwords: np.ndarray
    augmentation: np.ndarray
    shapes: np.ndarray
    owned: np.ndarray
    first_pieces: np.ndarray

    @property
    def padded_length(self) -> int:
        return _padded(len(self.subwords))


class Encoder:
    """Makes windows and batches for one bundle.

    Args:
        tokenizer: a fast Hugging Face tokenizer.
        config: of the tagger.
        table: augmentation vectors, or None.
        max_pieces: longest window, specials included.
        max_pictures: pictures of a post that the tagger reads; the first ones.
        source: what the vision models at work provide.
    """

    def __init__(
        self,
        tokenizer: Any,
        config: TaggerConfig,
        table: AugmentationTable | None,
        max_pieces: int,
        max_pictures: int,
        source: Source,
    ) -> None:
        self._tokenizer = tokenizer
        self._table = table
        self._max_pieces = max_pieces
        self.max_pictures = max_pictures
        self.source = source
        self.granularities = tuple(granularities_of(config.granularities).values())

    @property
    def unknown_piece(self) -> int:
        """Id of the subword that stands for what is hidden, or not known."""
        return self._tokenizer.unk_token_id if self._tokenizer.mask_token_id is None else self._tokenizer.mask_token_id

    @property
    def special_pieces(self) -> list[int]:
        """Ids of the subwords that belong to no word."""
        return [self._tokenizer.cls_token_id, self._tokenizer.sep_token_id, self._tokenizer.pad_token_id]

    def windows(self, posts: Sequence[Sequence[str]]) -> list[Window]:
        """Windows of posts given as words; posts without words have none."""
        with_words = [index for index, words in enumerate(posts) if words]
        if not with_words:
            return []
        encoded = self._tokenizer([list(posts[index]) for index in with_words], is_split_into_words=True, add_special_tokens=False)
        windows: list[Window] = []
        for row, index in enumerate(with_words):
            pieces_of = self._pieces_of_words(encoded["input_ids"][row], encoded.word_ids(row), len(posts[index]))
            windows += self._windows_of(index, posts[index], pieces_of)
        return windows

    def _pieces_of_words(self, subwords: list[int], word_ids: list[int | None], words: int) -> list[list[int]]:
        """Pieces of each word, never none: a word that the tokenizer drops becomes one unknown subword."""
        split: list[list[int]] = [[] for _ in range(words)]
        for subword, word in zip(subwords, word_ids, strict=True):
            if word is not None:
                split[word].append(subword)
        return [word[:PIECES_PER_WORD] or [self._tokenizer.unk_token_id] for word in split]

    def _windows_of(self, post: int, words: Sequence[str], pieces_of: list[list[int]]) -> list[Window]:
        counts = np.array([len(subwords) for subwords in pieces_of])
        rows = np.array([self._table.row(word) if self._table else 0 for word in words])
        shapes = np.array([word_shape(word) for word in words])
        windows = []
        for start, stop, owned_from, owned_to in _cuts(counts, self._max_pieces - 2):
            if owned_from == owned_to:  # its neighbours show more around each of its words
                continue
            body = [subword for subwords in pieces_of[start:stop] for subword in subwords]
            ids = np.array([self._tokenizer.cls_token_id, *body, self._tokenizer.sep_token_id])
            firsts = 1 + np.cumsum(counts[start:stop]) - counts[start:stop]
            augmentation, shape = np.zeros_like(ids), np.zeros_like(ids)
            augmentation[firsts], shape[firsts] = rows[start:stop], shapes[start:stop]
            owned = np.arange(owned_from, owned_to)
            windows.append(Window(post, ids, augmentation, shape, owned, firsts[owned - start]))
        return windows

    def batch(self, windows: Sequence[Window], features: Sequence[Sequence[ImageFeatures]]) -> Batch:
        """Pad windows and what is seen in their posts' pictures, `features[i]` for `windows[i]`, to one batch."""
        length = max(window.padded_length for window in windows)
        pictures = max(min(len(seen), self.max_pictures) for seen in features)
        shape = (len(windows), length)
        subwords = np.full(shape, self._tokenizer.pad_token_id)
        mask, augmentation, shapes = np.zeros(shape, bool), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for i, window in enumerate(windows):
            n = len(window.subwords)
            subwords[i, :n], mask[i, :n] = window.subwords, True
            augmentation[i, :n], shapes[i, :n] = window.augmentation, window.shapes
        views = tuple(self._view(granularity, features, pictures) for granularity in self.granularities)
        tensor = torch.from_numpy
        return Batch(tensor(subwords), tensor(mask), tensor(augmentation), tensor(shapes), views)

    def _view(self, granularity: Granularity, features: Sequence[Sequence[ImageFeatures]], pictures: int) -> View:
        """Rows of up to `pictures` pictures of each post, padded."""
        each = granularity.rows_per_picture(self.source)
        rows = granularity.empty(len(features), _padded(pictures * each))
        mask = np.zeros(rows.shape[:2], bool)
        for i, seen in enumerate(features):
            for j, image_features in enumerate(seen[: self.max_pictures]):
                found = granularity.encode(image_features, self.source)
                of_picture = slice(j * each, j * each + len(found))
                rows[i, of_picture], mask[i, of_picture] = found, True
        return View(torch.from_numpy(rows), torch.from_numpy(mask))


def word_index(windows: Sequence[Window]) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the owned words of each window begin, (W_B, W) int64 padded with 0, and which of these are words, bool."""
    lengths = torch.tensor([len(window.owned) for window in windows])
    index = torch.zeros(len(windows), int(lengths.max()), dtype=torch.int64)
    for row, window in enumerate(windows):
        index[row, : len(window.owned)] = torch.from_numpy(window.first_pieces)
    return index, torch.arange(index.shape[1]) < lengths[:, None]


def _padded(length: int) -> int:
    return -(-length // STEP) * STEP


def _cuts(counts: np.ndarray, budget: int) -> list[tuple[int, int, int, int]]:
    """Windows of at most `budget` subwords as (start, stop, owned from, owned to), in words.

    Neighbours overlap by about a quarter, and each word is owned once, by the window that shows more around it.
    """
    ends = np.cumsum(counts)
    spans = []
    start = 0
    while True:
        before = ends[start] - counts[start]
        stop = int(np.searchsorted(ends, before + budget, side="right"))
        spans.append((start, stop))
        if stop == len(counts):
            break
        start = max(start + 1, int(np.searchsorted(ends, ends[stop - 1] - budget // 4, side="right")))
    borders = [0, *((left[1] + right[0]) // 2 for left, right in pairwise(spans)), len(counts)]
    return [(start, stop, borders[i], borders[i + 1]) for i, (start, stop) in enumerate(spans)]
