"""What the tagger is given of the pictures of a post."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from archive.images.image_error import ImageError
from archive.posts.records import Post, Reject, Slice
from models.vision.images.features import ImageFeatures
from transforms.detect import DetectedSlice
from transforms.tag import SliceTagger


class RecordingAnnotator:
    """Finds nothing and keeps what it was given."""

    bundle = SimpleNamespace(label="none@0")

    def __init__(self, reads_texts: bool) -> None:
        self.reads_texts = reads_texts
        self.given: list[tuple[str, Mapping[str, ImageFeatures]]] = []

    def tell_batches(self, on_batch: Any) -> None:
        pass

    def annotate(self, posts: Sequence[tuple[str, Mapping[str, ImageFeatures]]]) -> list[list[Any]]:
        self.given += posts
        return [[] for _ in posts]


PICTURE = ImageFeatures.empty(640, 480)
POST = Post("1", "Look", ("gone.jpg", "here.jpg", "bare.jpg", "lost.jpg"), None, "posts.jsonl", 1, ("Rome", "Oslo", None, ""))
PICTURES: dict[str, ImageFeatures | ImageError] = {
    "gone.jpg": ImageError("missing", "no_such_key"),
    "here.jpg": PICTURE,
    "bare.jpg": PICTURE,
    "lost.jpg": ImageError("missing", "no_such_key"),
}


@pytest.mark.parametrize(
    ("reads_texts", "expected"),
    [
        (False, {"here.jpg": PICTURE, "bare.jpg": PICTURE}),
        (True, {"gone.jpg": replace(ImageFeatures.empty(0, 0), alt="Rome"), "here.jpg": replace(PICTURE, alt="Oslo"), "bare.jpg": PICTURE}),
    ],
)
def test_alternative_texts_go_to_a_tagger_that_reads_them(reads_texts: bool, expected: dict[str, ImageFeatures]) -> None:
    annotator = RecordingAnnotator(reads_texts)
    (tagged,) = SliceTagger(annotator, ()).tag([DetectedSlice(Slice("s", "posts.jsonl", 1, 1, 0, (POST,)), PICTURES)])  # type: ignore[arg-type]
    assert len(tagged.rows) == 1
    text, features = annotator.given[0]
    assert text == "Look"
    assert [(key, one.width, one.alt) for key, one in features.items()] == [(key, one.width, one.alt) for key, one in expected.items()]


class FailingAnnotator(RecordingAnnotator):
    """Fails on a text."""

    def annotate(self, posts: Sequence[tuple[str, Mapping[str, ImageFeatures]]]) -> list[list[Any]]:
        if any(text == "fails" for text, _ in posts):
            raise ZeroDivisionError
        return super().annotate(posts)


def test_rows_and_rejects_stay_with_their_slice() -> None:
    reject = Reject.cut("post", "not_json", "b.jsonl", 1, "{")
    texts = {"a.jsonl": ("1", "fails", "2"), "b.jsonl": (), "c.jsonl": ("3",), "d.jsonl": ("fails",)}
    slices = []
    for source, of_slice in texts.items():
        posts = tuple(Post(f"{source}{line}", text, (), None, source, line) for line, text in enumerate(of_slice, start=1))
        slices.append(DetectedSlice(Slice(source, source, 1, 3, 0, posts, (reject,) if source == "b.jsonl" else ()), {}))
    tagged = SliceTagger(FailingAnnotator(False), ()).tag(slices)  # type: ignore[arg-type]
    assert [one.slice.source for one in tagged] == [*texts]
    assert [[row["text"] for row in one.rows] for one in tagged] == [["1", "2"], [], ["3"], []]
    assert [[(r.source, r.line, r.stage) for r in one.rejects] for one in tagged] == [
        [("a.jsonl", 2, "tag")],
        [("b.jsonl", 1, "post")],
        [],
        [("d.jsonl", 1, "tag")],
    ]
