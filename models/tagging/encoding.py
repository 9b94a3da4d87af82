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

MAX_SUBWORDS_PER_WORD = 32
"""A longer word is cut to its first subwords, so that each window holds whole words."""

PADDING_MULTIPLE = 8
"""Subwords and rows of views are padded to a multiple of this, never to the longest of the batch.

So the result of a post does not depend on the others of its batch.
"""


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive whole words of one post, short enough for the text encoder.

    Attributes:
        post: index of the post in the list that was given to `Encoder.windows`.
        subwords, augmentation, shapes: (L,) int64, as in `Batch`.
        owned: (W,) int64, indices of the post's words that take their emissions from this window.
        first_subwords: (W,) int64, index in `subwords` of the first subword of each owned word.
    """

    post: int
    subwords: np.ndarray
    augmentation: np.ndarray
    shapes: np.ndarray
    owned: np.ndarray
    first_subwords: np.ndarray

    @property
    def padded_length(self) -> int:
        """L, rounded up to a multiple of `PADDING_MULTIPLE`."""
        return _padded(len(self.subwords))


class Encoder:
    """Makes the windows and batches of one bundle.

    Args:
        tokenizer: a fast Hugging Face tokenizer.
        config: of the tagger.
        table: augmentation vectors, or None.
        max_subwords: longest window, special tokens included.
        max_pictures: how many pictures of a post the tagger reads: the first ones.
        source: what the vision models in use provide.
    """

    def __init__(
        self,
        tokenizer: Any,
        config: TaggerConfig,
        table: AugmentationTable | None,
        max_subwords: int,
        max_pictures: int,
        source: Source,
    ) -> None:
        self._tokenizer = tokenizer
        self._table = table
        self.max_subwords = max_subwords
        self.max_pictures = max_pictures
        self.source = source
        self.granularities = tuple(granularities_of(config.granularities).values())

    @property
    def mask_token_id(self) -> int:
        """Id of the mask token, or of the unknown token if the tokenizer has no mask token."""
        return self._tokenizer.unk_token_id if self._tokenizer.mask_token_id is None else self._tokenizer.mask_token_id

    @property
    def special_token_ids(self) -> list[int]:
        """Ids of the special tokens of a window: start, end and padding."""
        return [self._tokenizer.cls_token_id, self._tokenizer.sep_token_id, self._tokenizer.pad_token_id]

    def windows(self, posts: Sequence[Sequence[str]]) -> list[Window]:
        """Return the windows of posts, each given as its words. A post without words has no window."""
        with_words = [index for index, words in enumerate(posts) if words]
        if not with_words:
            return []
        encoded = self._tokenizer([list(posts[index]) for index in with_words], is_split_into_words=True, add_special_tokens=False)
        windows: list[Window] = []
        for row, index in enumerate(with_words):
            subwords = self._by_word(encoded["input_ids"][row], encoded.word_ids(row), len(posts[index]))
            windows += self._windows_of(index, posts[index], subwords)
        return windows

    def _by_word(self, subwords: list[int], word_ids: list[int | None], words: int) -> list[list[int]]:
        """Group subwords by word. A word that the tokenizer drops gets the unknown token, so each word has a subword."""
        grouped: list[list[int]] = [[] for _ in range(words)]
        for subword, word in zip(subwords, word_ids, strict=True):
            if word is not None:
                grouped[word].append(subword)
        return [of_word[:MAX_SUBWORDS_PER_WORD] or [self._tokenizer.unk_token_id] for of_word in grouped]

    def _windows_of(self, post: int, words: Sequence[str], subwords: list[list[int]]) -> list[Window]:
        counts = np.array([len(of_word) for of_word in subwords])
        rows = np.array([self._table.row(word) if self._table else 0 for word in words])
        shapes = np.array([word_shape(word) for word in words])
        windows = []
        for start, stop, owned_from, owned_to in _cuts(counts, self.max_subwords - 2):
            if owned_from == owned_to:  # its neighbours have more context for each of its words
                continue
            body = [subword for of_word in subwords[start:stop] for subword in of_word]
            ids = np.array([self._tokenizer.cls_token_id, *body, self._tokenizer.sep_token_id])
            firsts = 1 + np.cumsum(counts[start:stop]) - counts[start:stop]
            augmentation, shape = np.zeros_like(ids), np.zeros_like(ids)
            augmentation[firsts], shape[firsts] = rows[start:stop], shapes[start:stop]
            owned = np.arange(owned_from, owned_to)
            windows.append(Window(post, ids, augmentation, shape, owned, firsts[owned - start]))
        return windows

    def batch(self, windows: Sequence[Window], features: Sequence[Sequence[ImageFeatures]]) -> Batch:
        """Pad windows, and the features of their posts' pictures, to one batch.

        Args:
            windows: not empty.
            features: of the pictures of each window's post, in the order of the windows; or one entry, if all are windows
                of one post.
        """
        length = max(window.padded_length for window in windows)
        pictures = max(min(len(of_post), self.max_pictures) for of_post in features)
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
        """Return the rows of up to `pictures` pictures of each post, padded."""
        each = granularity.rows_per_picture(self.source)
        rows = granularity.empty(len(features), _padded(pictures * each))
        mask = np.zeros(rows.shape[:2], bool)
        for i, of_post in enumerate(features):
            for j, image_features in enumerate(of_post[: self.max_pictures]):
                of_picture = granularity.encode(image_features, self.source)
                place = slice(j * each, j * each + len(of_picture))
                rows[i, place], mask[i, place] = of_picture, True
        return View(torch.from_numpy(rows), torch.from_numpy(mask))


def word_index(windows: Sequence[Window]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first subword of each owned word, (B, W) int64 padded with 0, and the mask of the words, (B, W) bool."""
    lengths = torch.tensor([len(window.owned) for window in windows])
    index = torch.zeros(len(windows), int(lengths.max()), dtype=torch.int64)
    for row, window in enumerate(windows):
        index[row, : len(window.owned)] = torch.from_numpy(window.first_subwords)
    return index, torch.arange(index.shape[1]) < lengths[:, None]


def _padded(length: int) -> int:
    return -(-length // PADDING_MULTIPLE) * PADDING_MULTIPLE


def _cuts(counts: np.ndarray, budget: int) -> list[tuple[int, int, int, int]]:
    """Cut a post into windows of at most `budget` subwords: (start, stop, owned from, owned to), in words.

    Neighbouring windows overlap by about a quarter. Each word is owned by one window, the one with more context for it.

    Args:
        counts: (W,) subwords of each word, each at most `budget`.
        budget: subwords of a window, without special tokens.
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
