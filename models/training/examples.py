"""Labelled tweets as training examples: windows with the tags of their words, and what is in their pictures."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.encoding import Encoder, Window, word_index
from models.labels import Span, begin, spans_to_tags
from models.tagger import Batch
from models.training.conll import LabelledPost, covering, text_of
from models.vision.look import Sight
from models.words import split_words


@dataclass(frozen=True)
class Example:
    """A window, its gold tags (W,) over owned words, and its post's pictures."""

    window: Window
    tags: list[int]
    sights: tuple[Sight, ...]


def examples(posts: Sequence[LabelledPost], encoder: Encoder, sights: dict[str, Sight]) -> list[Example]:
    """Examples of labelled posts; tags go to the words that `split_words` makes, as at inference."""
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
        tags.append(spans_to_tags(spans, len(word_bounds)))
    made = []
    for window in encoder.windows(words):
        owned = [tags[window.post][word] for word in window.owned]
        if owned[0] > 0 and owned[0] % 2 == 0:  # the window begins inside an entity
            owned[0] = begin((owned[0] - 1) // 2)
        key = posts[window.post].image
        made.append(Example(window, owned, (sights[key],) if key in sights else ()))
    return made


@dataclass(frozen=True)
class TrainingBatch:
    """Tensors of a batch; `word_index`, `tags` (B, W) int64 and `word_mask` (B, W) bool are over words."""

    inputs: Batch
    word_index: Tensor
    word_mask: Tensor
    tags: Tensor


def collate(chosen: Sequence[Example], encoder: Encoder, picture_dropout: float, chance: random.Random) -> TrainingBatch:
    """A batch of examples; each loses its pictures with probability `picture_dropout`."""
    windows = [example.window for example in chosen]
    sights = [() if chance.random() < picture_dropout else example.sights for example in chosen]
    index, mask = word_index(windows)
    tags = torch.zeros_like(index)
    for row, example in enumerate(chosen):
        tags[row, : len(example.tags)] = torch.tensor(example.tags)
    return TrainingBatch(encoder.batch(windows, sights), index, mask, tags)


def shuffled_batches(data: Sequence[Example], batch_size: int, seed: int) -> Iterator[list[Example]]:
    """One epoch in random order; pools of 16 batches are sorted by length, which saves a third of the padding."""
    chance = random.Random(seed)
    order = list(data)
    chance.shuffle(order)
    batches = []
    for start in range(0, len(order), 16 * batch_size):
        pool = sorted(order[start : start + 16 * batch_size], key=lambda example: len(example.window.pieces))
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    chance.shuffle(batches)
    yield from batches
