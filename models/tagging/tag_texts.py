"""Add the granularity of the words in pictures to the tagger's output for posts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from models.tagging.blocks import PictureText, texts_of
from models.tagging.granularities.copies import copies
from models.tagging.tag_words import WordOutputs, WordTagger
from models.tagging.tagger import Tagger
from models.tagging.words import split_words
from models.vision.images.features import ImageFeatures

MAX_WORDS = 64
"""Words of one picture that are read: the first ones."""

MAX_CHARACTERS = 1024
"""Characters of one text that are looked at for these words."""

WORDS_AT_ONCE = 1024
"""Words of a post whose attention to the words of its pictures is in memory at the same time."""


@dataclass(frozen=True, slots=True)
class TextWords:
    """The words of one text of a picture as the tagger reads them.

    Attributes:
        picture: index of the picture in the post.
        text: of the picture.
        words: the first ones of `text`, at least one.
    """

    picture: int
    text: PictureText
    words: list[str]


@dataclass(frozen=True, slots=True)
class TextRows:
    """The tagger's output for the R words of the pictures of a post, each text tagged on its own.

    Attributes:
        words: in the order of the texts.
        vectors: (R, D) float32, M of the paper.
        tags: (R, T) float32, softmax of the emissions.
    """

    words: list[str]
    vectors: np.ndarray
    tags: np.ndarray


@dataclass(frozen=True, slots=True)
class TextWeight:
    """A text of a picture, and its weight for each of the W words of a post.

    Attributes:
        picture: index of the picture in the post.
        text: of the picture.
        weights: (W,) float32, attention, sum over the words of the text.
    """

    picture: int
    text: PictureText
    weights: np.ndarray


def words_of(features: Sequence[ImageFeatures]) -> list[TextWords]:
    """Return the words of the texts of a post's pictures; those that were read badly are left out."""
    found = []
    for picture, of_picture in enumerate(features):
        left = MAX_WORDS
        for text in texts_of(of_picture.lines or (), of_picture.alt):
            if not text.is_legible:
                continue
            start = text.text[:MAX_CHARACTERS]
            words = [start[a:b] for a, b in split_words(start)][:left]
            left -= len(words)
            if words:
                found.append(TextWords(picture, text, words))
    return found


def rows_of(texts: Sequence[Sequence[TextWords]], tagger: WordTagger) -> list[TextRows]:
    """Return the rows of each post from its texts, not empty. Raises ValueError if the tagger reads no words of pictures."""
    outputs = tagger.tag([text.words for of_post in texts for text in of_post], [()] * sum(map(len, texts)))
    rows, first = [], 0
    for of_post in texts:
        of_texts = [outputs[index] for index in range(first, first + len(of_post))]
        first += len(of_post)
        vectors = [output.text for output in of_texts if output.text is not None]
        if len(vectors) < len(of_texts):
            raise ValueError("the tagger has no granularity of the words in pictures")
        emissions = torch.from_numpy(np.concatenate([output.emissions for output in of_texts]))
        words = [word for text in of_post for word in text.words]
        rows.append(TextRows(words, np.concatenate(vectors), emissions.softmax(1).numpy()))
    return rows


def add_texts(
    words: Sequence[Sequence[str]],
    features: Sequence[Sequence[ImageFeatures]],
    outputs: dict[int, WordOutputs],
    word_tagger: WordTagger,
    tagger: Tagger,
) -> dict[int, list[TextWeight]]:
    """Add what the words in pictures say to the outputs of posts, in place, and return the weights of the texts.

    The emissions of a post without such words stay exactly as they are.

    Args:
        words: of each post.
        features: of the pictures of each post that are read.
        outputs: of each post that has words, by its index; `visual` gets a last granularity.
        word_tagger: reads the words of pictures.
        tagger: with `texts`.
    """
    texts = {index: found for index in outputs if (found := words_of(features[index]))}
    all_rows = dict(zip(texts, rows_of([*texts.values()], word_tagger), strict=True))
    device = tagger.emissions.weight.device
    weights: dict[int, list[TextWeight]] = {}
    for index, output in outputs.items():
        added = np.zeros_like(output.emissions)
        if index in texts:
            assert output.text is not None  # as `rows_of` found
            rows, used = all_rows[index], np.zeros((len(added), len(all_rows[index].words)), np.float32)
            for start in range(0, len(added), WORDS_AT_ONCE):
                some = slice(start, start + WORDS_AT_ONCE)
                inputs = (output.text[some], rows.vectors, rows.tags, copies(words[index][some], rows.words), np.ones(used.shape[1], bool))
                of_words = tagger.texts(*(torch.from_numpy(array)[None].to(device) for array in inputs))
                added[some], used[some] = (result[0].cpu().numpy() for result in of_words)
            weights[index] = _weights_of_texts(texts[index], used)
        output.emissions += added
        output.visual = np.concatenate([output.visual, added[:, None]], axis=1)
    return weights


def _weights_of_texts(texts: Sequence[TextWords], weights: np.ndarray) -> list[TextWeight]:
    """Add up the weights of words (W, R) by text."""
    ends = np.cumsum([0, *(len(text.words) for text in texts)]).tolist()
    return [TextWeight(text.picture, text.text, weights[:, a:b].sum(1)) for text, (a, b) in zip(texts, pairwise(ends), strict=True)]
