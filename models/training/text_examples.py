"""Examples for training the granularity of the words in pictures on a trained tagger: its own outputs, computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.datasets.labelled_post import LabelledPost
from models.tagging.granularities.copies import KINDS, copies
from models.tagging.tag_texts import TextRows, rows_of, words_of
from models.tagging.tag_words import WordTagger
from models.training.examples import words_and_tags
from models.vision.images.features import ImageFeatures


@dataclass(frozen=True)
class TextExample:
    """A post with the tagger's output for its W words and for the words of its picture.

    Attributes:
        words: of the post.
        target: (W,) int64 gold tags.
        emissions: (W, T) float32 of the tagger without the words of pictures.
        text: (W, D) float32, M of the paper.
        rows: of the words of its picture: as they were given; and in capitals, broken into lines. None if there are none.
    """

    words: list[str]
    target: np.ndarray
    emissions: np.ndarray
    text: np.ndarray
    rows: tuple[TextRows, ...] | None


class TextBatch(NamedTuple):
    """Tensors of B posts of up to W words with R words in pictures: `TextsNetwork` has the shapes of the first five.

    Attributes:
        text, rows, tags, copied, mask: inputs of `TextsNetwork`.
        emissions: (B, W, T).
        target: (B, W) int64.
        word_mask: (B, W) bool, false on padding.
    """

    text: Tensor
    rows: Tensor
    tags: Tensor
    copied: Tensor
    mask: Tensor
    emissions: Tensor
    target: Tensor
    word_mask: Tensor


def text_examples(posts: Sequence[LabelledPost], captions: Mapping[str, str], tagger: WordTagger) -> list[TextExample]:
    """Return the examples of labelled posts that have words, with the captions of their pictures as alternative texts."""
    words, tags = words_and_tags(posts)
    outputs = tagger.tag(words, [()] * len(posts))
    given = {index: captions[key] for index in outputs if (key := posts[index].image) and key in captions}
    rows = [_rows(given, tagger), _rows({index: _as_on_a_poster(caption) for index, caption in given.items()}, tagger)]
    made = []
    for index, output in sorted(outputs.items()):
        assert output.text is not None  # `rows_of` checks it
        of_post = tuple(form[index] for form in rows if index in form)
        made.append(TextExample(words[index], tags[index], output.emissions, output.text, of_post or None))
    return made


def _rows(texts: Mapping[int, Sequence[str] | str], tagger: WordTagger) -> dict[int, TextRows]:
    """Return the rows of the texts of pictures by index of the post; those without words are left out."""
    features = {
        index: [replace(ImageFeatures.empty(0, 0), alt=line) for line in ([lines] if isinstance(lines, str) else lines)]
        for index, lines in texts.items()
    }
    found = {index: read for index, of_post in features.items() if (read := words_of(of_post))}
    return dict(zip(found, rows_of([*found.values()], tagger), strict=True))


def _as_on_a_poster(caption: str) -> list[str]:
    """Return a text in capitals in lines of two words, as a text reader gives the words of a poster."""
    words = caption.upper().split()
    return [" ".join(words[start : start + 2]) for start in range(0, len(words), 2)]


def collate_texts(batch: Sequence[TextExample], rows: Sequence[TextRows | None]) -> TextBatch:
    """Pad examples, each with the rows of the words in its picture or in another one, to one batch."""
    tags, width = batch[0].emissions.shape[1], batch[0].text.shape[1]
    nothing = TextRows([], np.zeros((0, width), np.float32), np.zeros((0, tags), np.float32))
    read = [of_picture or nothing for of_picture in rows]
    shape = len(batch), max(len(example.words) for example in batch), max(1, *(len(of_picture.words) for of_picture in read))
    copied = torch.zeros(*shape, KINDS)
    for row, (example, of_picture) in enumerate(zip(batch, read, strict=True)):
        copied[row, : len(example.words), : len(of_picture.words)] = torch.from_numpy(copies(example.words, of_picture.words))
    return TextBatch(
        _padded([example.text for example in batch]),
        _padded([of_picture.vectors for of_picture in read], shape[2]),
        _padded([of_picture.tags for of_picture in read], shape[2]),
        copied,
        torch.arange(shape[2]) < torch.tensor([len(of_picture.words) for of_picture in read])[:, None],
        _padded([example.emissions for example in batch]),
        _padded([example.target for example in batch]),
        torch.arange(shape[1]) < torch.tensor([len(example.words) for example in batch])[:, None],
    )


def _padded(arrays: Sequence[np.ndarray], length: int = 0) -> Tensor:
    """Pad arrays (n, ...) with zeros to the longest, or to a length."""
    padded = nn.utils.rnn.pad_sequence([torch.from_numpy(array) for array in arrays], batch_first=True)
    return nn.functional.pad(padded, (0, 0) * (padded.dim() - 2) + (0, max(0, length - padded.shape[1])))
