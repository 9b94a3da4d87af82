"""Make training examples and batches: windows of text with the target of each word, and the features of pictures."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.datasets.labelled_post import LabelledPost, covering, text_of
from models.tagging.encoding import Encoder, Window, word_index
from models.tagging.labels import Span, begin, is_inside, spans_to_tags, type_of
from models.tagging.tagger import Batch
from models.tagging.words import split_words
from models.vision.images.features import ImageFeatures


@dataclass(frozen=True)
class Example:
    """A window of a post, and the targets of its W owned words.

    Attributes:
        window: text of the post.
        target: (W,) int64 gold tags, or (W, T) float16 marginals of a teacher.
        words: all words of the post.
        features: of the pictures of the post.
    """

    window: Window
    target: np.ndarray
    words: Sequence[str]
    features: tuple[ImageFeatures, ...] = ()


def words_and_tags(posts: Sequence[LabelledPost]) -> tuple[list[list[str]], list[np.ndarray]]:
    """Return the words of each post by `split_words`, as used in inference, and the tags (W,) int64 of its gold spans."""
    words, tags = [], []
    for post in posts:
        text, bounds = text_of(post)
        word_bounds = split_words(text)
        words.append([text[a:b] for a, b in word_bounds])
        spans = []
        for span in post.spans:
            hit = covering(word_bounds, bounds[span.first][0], bounds[span.last][1])
            if hit:
                spans.append(Span(*hit, span.type))
        tags.append(np.array(spans_to_tags(spans, len(word_bounds)), np.int64))
    return words, tags


def examples(posts: Sequence[LabelledPost], encoder: Encoder, features: dict[str, ImageFeatures]) -> list[Example]:
    """Return the examples of labelled posts."""
    words, tags = words_and_tags(posts)
    made: list[Example] = []
    for window in encoder.windows(words):
        owned = tags[window.post][window.owned]
        if is_inside(owned[0]):  # the window begins inside an entity, so its first tag must be a B
            owned[0] = begin(type_of(owned[0]))
        key = posts[window.post].image
        made.append(Example(window, owned, words[window.post], (features[key],) if key in features else ()))
    return made


def distilled_examples(texts: Sequence[str], marginals: Sequence[np.ndarray], encoder: Encoder) -> list[Example]:
    """Return the examples of raw texts. `marginals` has (W, T) of a teacher for the words of each text."""
    words = [[text[a:b] for a, b in split_words(text)] for text in texts]
    return [Example(window, _first_as_begin(marginals[window.post][window.owned]), words[window.post]) for window in encoder.windows(words)]


def _first_as_begin(marginals: np.ndarray) -> np.ndarray:
    """Move the probability of each I tag of a window's first word to its B tag, since a window cannot begin with an I."""
    moved = marginals.copy()
    moved[0, 1::2] += moved[0, 2::2]
    moved[0, 2::2] = 0
    return moved


@dataclass(frozen=True)
class TrainingBatch:
    """Tensors of B windows of up to W words.

    Attributes:
        inputs: of the tagger.
        word_index: (B, W) int64, the subword at which each word begins.
        word_mask: (B, W) bool, false on padding.
        target: (B, W) int64 gold tags, or (B, W, T) float32 marginals of a teacher.
    """

    inputs: Batch
    word_index: Tensor
    word_mask: Tensor
    target: Tensor

    def words(self, emissions: Tensor) -> Tensor:
        """Select from the emissions of subwords (B, L, T) those of words, (B, W, T)."""
        return emissions.gather(1, self.word_index[..., None].expand(-1, -1, emissions.shape[2]))

    def to(self, device: torch.device) -> TrainingBatch:
        """Return the batch on a device."""
        rest = (self.word_index, self.word_mask, self.target)
        return TrainingBatch(self.inputs.map(lambda tensor: tensor.to(device)), *(tensor.to(device) for tensor in rest))


def collate(batch: Sequence[Example], encoder: Encoder, picture_dropout: float, chance: random.Random) -> TrainingBatch:
    """Make a batch of examples that all have tags or all have marginals. Drop the pictures of each with a probability."""
    windows = [example.window for example in batch]
    features = [() if chance.random() < picture_dropout else example.features for example in batch]
    index, mask = word_index(windows)
    distilled = batch[0].target.ndim == 2
    target = np.zeros((*index.shape, *batch[0].target.shape[1:]), np.float32 if distilled else np.int64)
    for row, example in enumerate(batch):
        target[row, : len(example.target)] = example.target
    return TrainingBatch(encoder.batch(windows, features), index, mask, torch.from_numpy(target))


def drop_words(batch: TrainingBatch, share: float, mask_id: int, special: Sequence[int]) -> TrainingBatch:
    """Replace a random share of the words of a batch by the mask token, so that the model learns to use the context.

    Args:
        batch: is not changed.
        share: of words to replace. `shapes` stays.
        mask_id: id of the mask token.
        special: ids of special tokens, which are never replaced.
    """
    subwords = batch.inputs.subwords
    begins = torch.zeros_like(subwords).scatter(1, batch.word_index, batch.word_mask.long())
    word = begins.cumsum(1)  # shape: (B, L), from 1
    dropped = (torch.rand(len(subwords), subwords.shape[1] + 1) < share).gather(1, word)
    dropped &= (word > 0) & ~torch.isin(subwords, torch.tensor(special))
    inputs = batch.inputs._replace(
        subwords=subwords.masked_fill(dropped, mask_id), augmentation=batch.inputs.augmentation.masked_fill(dropped, 0)
    )
    return replace(batch, inputs=inputs)


def shuffled_batches(data: Sequence[Example], batch_size: int, chance: random.Random) -> list[list[Example]]:
    """Batch the examples of one epoch in random order. Pools of 16 batches are sorted by length to save a third of the padding."""
    order = list(data)
    chance.shuffle(order)
    batches = []
    for start in range(0, len(order), 16 * batch_size):
        pool = sorted(order[start : start + 16 * batch_size], key=lambda example: len(example.window.subwords))
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    chance.shuffle(batches)
    return batches
