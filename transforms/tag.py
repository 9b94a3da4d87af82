"""Tag the posts of slices, and make their rows and rejects."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice, repeat
from typing import Any

from archive.images.image_error import ImageError
from archive.posts.records import Post, Reject, Slice
from models.inference.bisect import bisect_on_failure
from models.tagging.annotate import Annotator, Entity
from models.tagging.blocks import texts_of
from models.tagging.picture_texts import row, tag_texts
from models.vision.images.features import ImageFeatures, TextLine
from transforms.counters import LIVE, timed
from transforms.detect import DetectedSlice


@dataclass(frozen=True, slots=True)
class AnnotatedSlice:
    """A slice with the rows of `transforms.writers.schema.ANNOTATIONS` that its posts became, in the order of its lines."""

    slice: Slice
    rows: list[dict[str, Any]]
    rejects: list[Reject]

    def counts(self) -> Counter[str]:
        """Return counters of the rows and rejects of the slice."""
        counted: Counter[str] = Counter(rows=len(self.rows))
        counted.update(f"entities.{entity['type']}" for row in self.rows for entity in row["entities"])
        counted.update(f"images.{image['status']}" for row in self.rows for image in row["images"])
        counted.update(f"rejects.{reject.stage}.{reject.reason}" for reject in self.rejects)
        return counted


class SliceTagger:
    """Tags slices with one loaded `Annotator`.

    Args:
        annotator: the model.
        object_names: class names of the detector, by id.
    """

    def __init__(self, annotator: Annotator, object_names: tuple[str, ...]) -> None:
        self._annotator = annotator
        self._object_names = object_names
        self._untold = 0
        self._telling = threading.Lock()
        annotator.tell_batches(self._tell)

    def tag(self, slices: Sequence[DetectedSlice]) -> list[AnnotatedSlice]:
        """Tag the posts of slices in one pass; a post that the model fails on becomes a reject of stage `tag`, alone."""
        reads_texts = self._annotator.reads_texts
        inputs = [(post.text, _features(post, one.pictures, reads_texts)) for one in slices for post in one.slice.posts]
        self._untold = len(inputs)
        with timed("tag"):
            tagged = bisect_on_failure(self._annotator.annotate, inputs)
            results = zip(tagged, self._picture_texts(slices), strict=True)
        self._tell(self._untold)
        return [self._annotated(detected, islice(results, len(detected.slice.posts))) for detected in slices]

    def _annotated(
        self, detected: DetectedSlice, results: Iterable[tuple[list[Entity] | Exception, list[list[dict[str, Any]]]]]
    ) -> AnnotatedSlice:
        """Make the rows and rejects of a slice, given the entities and the texts of pictures of each of its posts."""
        rows, rejects = [], [*detected.slice.rejects, *detected.rejects]
        for post, (entities, of_post) in zip(detected.slice.posts, results, strict=True):
            if isinstance(entities, Exception):
                rejects.append(Reject.cut("tag", "model_failed", post.source, post.line, f"{type(entities).__name__}: {entities}"))
                continue
            rows.append(self._row(post, entities, detected.pictures, of_post))
            rejects += _image_rejects(post, detected)
        return AnnotatedSlice(detected.slice, rows, rejects)

    def _tell(self, posts: int) -> None:
        """Count posts for the progress line; those that are tagged again after a failure only once."""
        with self._telling:
            told = min(posts, self._untold)
            self._untold -= told
        LIVE.add("tagged", told)

    def _picture_texts(self, slices: Sequence[DetectedSlice]) -> list[list[list[dict[str, Any]]]]:
        """Return the texts of each picture of each post, read and alternative ones, with the names in them."""
        texts = [
            [texts_of(_lines(detected.pictures[key]), alt) for key, alt in zip(post.images, post.alts or repeat(None), strict=False)]
            for detected in slices
            for post in detected.slice.posts
        ]
        flat = [text for of_post in texts for of_picture in of_post for text in of_picture]
        tagged = iter(bisect_on_failure(partial(tag_texts, self._annotator), flat))
        return [[[row(text, _or_none(next(tagged))) for text in of_picture] for of_picture in of_post] for of_post in texts]

    def _row(
        self, post: Post, entities: list[Entity], pictures: dict[str, ImageFeatures | ImageError], texts: list[list[dict[str, Any]]]
    ) -> dict[str, Any]:
        return {
            "post_id": post.id,
            "text": post.text,
            "entities": [asdict(entity) for entity in entities],
            "images": [self._image(key, pictures[key], of_one) for key, of_one in zip(post.images, texts, strict=True)],
            "extra": post.extra,
            "source": post.source,
            "line": post.line,
            "model": self._annotator.bundle.label,
        }

    def _image(self, key: str, picture: ImageFeatures | ImageError, texts: list[dict[str, Any]]) -> dict[str, Any]:
        if isinstance(picture, ImageError):
            return {"key": key, "status": picture.status, "width": None, "height": None, "objects": [], "texts": texts}
        found = zip(picture.labels.tolist(), picture.scores.tolist(), picture.boxes.tolist(), strict=True)
        objects = [{"label": self._object_names[label], "score": score, "box": box} for label, score, box in found]
        status = "partial" if picture.is_partial else "ok"
        return {"key": key, "status": status, "width": picture.width, "height": picture.height, "objects": objects, "texts": texts}


def _lines(picture: ImageFeatures | ImageError) -> Sequence[TextLine]:
    return picture.lines or () if isinstance(picture, ImageFeatures) else ()


def _or_none(entities: list[Entity] | Exception) -> list[Entity]:
    """No entities where the tagger fails: a text in a picture costs no post."""
    return [] if isinstance(entities, Exception) else entities


def _features(post: Post, pictures: dict[str, ImageFeatures | ImageError], with_alts: bool) -> dict[str, ImageFeatures]:
    """Return the features of a post's usable pictures; with alternative texts, also those of a picture that has no more than that."""
    features = {key: picture for key in post.images if isinstance(picture := pictures[key], ImageFeatures)}
    if not with_alts or not post.alts:
        return features
    alts = {key: alt for key, alt in zip(post.images, post.alts, strict=False) if alt}
    of_alts = {key: replace(features.get(key, ImageFeatures.empty(0, 0)), alt=alt) for key, alt in alts.items()}
    both = features | of_alts
    return {key: both[key] for key in post.images if key in both}


def _image_rejects(post: Post, detected: DetectedSlice) -> Iterator[Reject]:
    for key in dict.fromkeys(post.images):
        picture = detected.pictures[key]
        if isinstance(picture, ImageError):
            yield Reject.cut("image", picture.reason, post.source, post.line, key)
        elif picture.lines is None:
            yield Reject.cut("image", "text_reader_failed", post.source, post.line, key)
