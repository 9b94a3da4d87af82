"""What was found in labelled posts, in terms of their own tokens."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.dataset

from models.datasets.conll import LabelledPost, covering, text_of
from models.tagging.annotate import Annotator
from models.tagging.labels import Span
from models.vision.images.features import ImageFeatures

AT_A_TIME = 512


@dataclass(frozen=True)
class Found:
    """An entity over the tokens of a labelled post, and its score."""

    span: Span
    score: float


def annotate(posts: Sequence[LabelledPost], annotator: Annotator, features: dict[str, ImageFeatures]) -> list[list[Found]]:
    """What a model finds in each post, with its picture where `features` has one of that name."""
    found: list[list[Found]] = []
    for start in range(0, len(posts), AT_A_TIME):
        some = posts[start : start + AT_A_TIME]
        inputs = [(text_of(post)[0], {post.image: features[post.image]} if post.image in features else {}) for post in some]
        for post, entities in zip(some, annotator.annotate(inputs), strict=True):
            found.append(over_tokens(post, [(e.start, e.end, e.type, e.score) for e in entities], annotator.bundle.tagger.config.types))
    return found


def read_rows(posts: dict[str, LabelledPost], rows: str, types: Sequence[str]) -> list[list[Found]]:
    """What annotated rows say of each post.

    Args:
        posts: by the `post_id` that `python -m models.datasets.conll` gave them.
        rows: folder of annotations.
        types: names of entity types.

    Raises:
        ValueError: a post has no row, or its text is another one.
    """
    try:
        table = pyarrow.dataset.dataset(rows, format="parquet").to_table(columns=["post_id", "text", "entities"])
    except (OSError, pyarrow.ArrowException) as error:
        raise ValueError(f"--rows {rows} cannot be read as rows that run_pipeline.py wrote: {error}") from error
    by_id: dict[str, dict[str, Any]] = {row["post_id"]: row for row in table.to_pylist()}
    found = []
    for name, post in posts.items():
        row = by_id.get(name)
        if row is None:
            raise ValueError(f"--rows {rows} has no row of post {name!r}: annotate what 'python -m models.datasets.conll' makes of --data")
        if row["text"] != text_of(post)[0]:
            raise ValueError(f"--rows {rows}: the text of post {name!r} is not that of --data")
        found.append(over_tokens(post, [(e["start"], e["end"], e["type"], e["score"]) for e in row["entities"]], types))
    return found


def over_tokens(post: LabelledPost, entities: Iterable[tuple[int, int, str, float]], types: Sequence[str]) -> list[Found]:
    """Entities of a post over the tokens that they touch; of two that touch one token the first counts."""
    _, bounds = text_of(post)
    found: list[Found] = []
    for start, end, kind, score in entities:
        hit = covering(bounds, start, end)
        if hit and (not found or hit[0] > found[-1].span.last):
            found.append(Found(Span(*hit, types.index(kind)), score))
    return found


def shuffled(posts: Sequence[LabelledPost], seed: int) -> list[LabelledPost]:
    """The posts with each other's pictures; none keeps its own, unless more than half of them share one."""
    posts_of = Counter(post.image for post in posts if post.image)
    pictures = sorted(posts_of)
    random.Random(seed).shuffle(pictures)
    place = {picture: index for index, picture in enumerate(pictures)}
    with_picture = sorted((index for index, post in enumerate(posts) if post.image), key=lambda index: place[str(posts[index].image)])
    step = max(posts_of.values(), default=0)
    mixed = list(posts)
    for index, other in zip(with_picture, with_picture[step:] + with_picture[:step], strict=True):
        mixed[index] = LabelledPost(posts[other].image, posts[index].tokens, posts[index].spans)
    return mixed
