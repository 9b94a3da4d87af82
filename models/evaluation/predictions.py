"""Get the predictions for labelled posts, as spans over the tokens of the data set."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow.dataset

from models.datasets.labelled_post import LabelledPost, covering, text_of
from models.tagging.annotate import Annotator
from models.tagging.labels import Span
from models.vision.images.features import ImageFeatures

BATCH_SIZE = 512
"""Posts per call of `Annotator`."""


@dataclass(frozen=True)
class Prediction:
    """A predicted entity over the tokens of a labelled post, and its score."""

    span: Span
    score: float


Found = list[list[Prediction]]
"""The predictions for each post."""


def annotate(
    posts: Sequence[LabelledPost],
    annotator: Annotator,
    features: dict[str, ImageFeatures],
    types: Sequence[str],
    renames: Mapping[str, str],
) -> Found:
    """Return the predictions of a model for each post. A post's picture is read if `features` has its name."""
    found: list[list[Prediction]] = []
    for start in range(0, len(posts), BATCH_SIZE):
        batch = posts[start : start + BATCH_SIZE]
        inputs = [(text_of(post)[0], {post.image: features[post.image]} if post.image in features else {}) for post in batch]
        for post, entities in zip(batch, annotator.annotate(inputs), strict=True):
            found.append(over_tokens(post, _renamed(((e.start, e.end, e.type, e.score) for e in entities), renames), types))
    return found


def load_rows(folder: str) -> dict[str, dict[str, Any]]:
    """Return the rows that the command wrote, by id of the post. Raises ValueError if they cannot be read."""
    try:
        table = pyarrow.dataset.dataset(folder, format="parquet").to_table(columns=["post_id", "text", "entities"])
    except (OSError, pyarrow.ArrowException) as error:
        raise ValueError(f"--rows {folder} cannot be read as rows that run_pipeline.py wrote: {error}") from error
    return {row["post_id"]: row for row in table.to_pylist()}


def of_rows(
    posts: Mapping[str, LabelledPost], rows: Mapping[str, dict[str, Any]], folder: str, types: Sequence[str], renames: Mapping[str, str]
) -> Found:
    """Return the predictions for each post from rows that the command wrote.

    Args:
        posts: by the `post_id` that `python -m models.datasets.conll` gave them.
        rows: by id of the post.
        folder: of the rows.
        types: entity types.
        renames: new name of types of the rows; empty to drop them.

    Raises:
        ValueError: a post has no row, or its row has another text.
    """
    found = []
    for name, post in posts.items():
        row = rows.get(name)
        if row is None:
            raise ValueError(
                f"--rows {folder} has no row of post {name!r}: annotate the output of 'python -m models.datasets.conll' for --data"
            )
        if row["text"] != text_of(post)[0]:
            raise ValueError(f"--rows {folder}: post {name!r} has another text than in --data")
        entities = ((e["start"], e["end"], e["type"], e["score"]) for e in row["entities"])
        found.append(over_tokens(post, _renamed(entities, renames), types))
    return found


def _renamed(entities: Iterable[tuple[int, int, str, float]], renames: Mapping[str, str]) -> Iterator[tuple[int, int, str, float]]:
    for start, end, kind, score in entities:
        if name := renames.get(kind, kind):
            yield start, end, name, score


def over_tokens(post: LabelledPost, entities: Iterable[tuple[int, int, str, float]], types: Sequence[str]) -> list[Prediction]:
    """Convert entities (start, end, type, score) to the tokens that they overlap. Of two on one token the first is kept."""
    _, bounds = text_of(post)
    found: list[Prediction] = []
    for start, end, kind, score in entities:
        hit = covering(bounds, start, end)
        if hit and (not found or hit[0] > found[-1].span.last):
            found.append(Prediction(Span(*hit, types.index(kind)), score))
    return found


def shuffled(posts: Sequence[LabelledPost], seed: int) -> list[LabelledPost]:
    """Return the posts with the pictures of other posts. No post keeps its own, unless more than half of them share one."""
    posts_of = Counter(post.image for post in posts if post.image)
    pictures = sorted(posts_of)
    random.Random(seed).shuffle(pictures)
    place = {picture: index for index, picture in enumerate(pictures)}
    with_picture = sorted((index for index, post in enumerate(posts) if post.image), key=lambda index: place[str(posts[index].image)])
    step = max(posts_of.values(), default=0)
    mixed = list(posts)
    for index, other in zip(with_picture, with_picture[step:] + with_picture[:step], strict=True):
        mixed[index] = replace(posts[index], image=posts[other].image)
    return mixed
