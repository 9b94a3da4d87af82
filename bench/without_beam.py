"""What the command does, without Beam: the calls of its models alone, and a tight loop of its functions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from archive.images.decode import Limits
from archive.posts.fields.presets import PRESETS
from archive.posts.records import Post
from archive.posts.slices import read_slices
from bench.inputs import Inputs
from models.inference.options import ModelOptions

if TYPE_CHECKING:  # they import torch, which takes seconds
    from models.tagging.annotate import TextAndPictures
    from models.vision.images.features import ImageFeatures
    from models.vision.images.preprocess import PreprocessedImage


class WithoutBeam:
    """Loads the models, and times them on posts with their pictures as files.

    Args:
        inputs: the posts.
        options: of the models.
    """

    def __init__(self, inputs: Inputs, options: ModelOptions) -> None:
        import cv2

        from models.loading import load_annotator, load_vision_model  # takes seconds: torch

        cv2.setNumThreads(1)  # pictures are decoded in parallel
        self._posts, self._options = inputs.posts, options
        self._vision_model, self._annotator = load_vision_model(options), load_annotator(options)
        unpacked = map(json.loads, inputs.unpacked.read_text(encoding="utf-8").splitlines())
        self._files: dict[str, list[str]] = {post["id"]: post["files"] for post in unpacked}
        self._extract([self._preprocess(path) for posts in self._slices() for path in self._pictures(posts)][:4])
        self._annotator.annotate([(text, {}) for text in inputs.texts.values()][:4])

    def models_alone(self) -> float:
        """Return the seconds in the models, on batches like those of the command that are ready in memory."""
        slices = [*self._slices()]
        images = [[self._preprocess(path) for path in self._pictures(posts)] for posts in slices]
        start = time.perf_counter()
        features = [self._extract(of_slice) for of_slice in images]
        detecting = time.perf_counter() - start
        texts = [self._texts(posts, of_slice) for posts, of_slice in zip(slices, features, strict=True)]
        batches = [batch for of_slice in texts for batch in self._annotator.batches(of_slice)]
        start = time.perf_counter()
        self._annotator.run(batches)
        return detecting + time.perf_counter() - start

    def tight_loop(self) -> float:
        """Return the seconds of a loop that reads and annotates all posts: its rows stay in memory, and no error is caught."""
        start = time.perf_counter()
        with ThreadPoolExecutor(self._options.threads) as pool:
            for posts in self._slices():
                features = self._extract([*pool.map(self._preprocess, self._pictures(posts))])
                self._annotator.annotate(self._texts(posts, features))
        return time.perf_counter() - start

    def _slices(self) -> Iterator[Sequence[Post]]:
        for one in read_slices(str(self._posts), 2**20, PRESETS["postner"].fields("postner")):
            yield one.posts

    def _pictures(self, posts: Iterable[Post]) -> list[str]:
        return [path for post in posts for path in self._files[post.id]]

    def _preprocess(self, path: str) -> PreprocessedImage:
        return self._vision_model.preprocess(Path(path).read_bytes(), Limits())

    def _extract(self, images: Sequence[PreprocessedImage]) -> list[ImageFeatures]:
        size = self._options.batch_size
        return [found for first in range(0, len(images), size) for found in self._vision_model.extract(images[first : first + size])]

    def _texts(self, posts: Sequence[Post], features: Sequence[ImageFeatures]) -> list[TextAndPictures]:
        by_path = dict(zip(self._pictures(posts), features, strict=True))
        return [(post.text, {path: by_path[path] for path in self._files[post.id]}) for post in posts]


PROGRAMS: Mapping[str, Callable[[WithoutBeam], float]] = {"models": WithoutBeam.models_alone, "loop": WithoutBeam.tight_loop}
