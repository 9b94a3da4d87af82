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
from models.tagging.word_inputs import WordInputs, word_inputs
from models.vision.images.features import ImageFeatures

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
        words = [word for of_post in posts for word in of_post]
        if not words:
            return []
        inputs = word_inputs(words, self._tokenizer, self._table)
        ends = np.cumsum([len(of_post) for of_post in posts]).tolist()
        return [
            window
            for post, (start, end) in enumerate(pairwise([0, *ends]))
            if start < end
            for window in self._windows_of(post, inputs, start, end)
        ]

    def _windows_of(self, post: int, inputs: WordInputs, first: int, end: int) -> list[Window]:
        """Return the windows of a post that has the words from `first` to `end` of `inputs`."""
        counts, firsts = inputs.counts[first:end], inputs.firsts[first:end]
        windows = []
        for start, stop, owned_from, owned_to in _cuts(counts, self.max_subwords - 2):
            if owned_from == owned_to:  # its neighbours have more context for each of its words
                continue
            body = slice(firsts[start], firsts[stop - 1] + counts[stop - 1])
            ids, augmentation, shapes = np.zeros((3, 2 + body.stop - body.start), np.int64)
            ids[0], ids[1:-1], ids[-1] = self._tokenizer.cls_token_id, inputs.subwords[body], self._tokenizer.sep_token_id
            augmentation[1:-1], shapes[1:-1] = inputs.augmentation[body], inputs.shapes[body]
            owned = np.arange(owned_from, owned_to)
            windows.append(Window(post, ids, augmentation, shapes, owned, 1 + firsts[owned] - body.start))
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
