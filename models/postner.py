"""Annotate texts and pictures from Python, without Beam: `models.load` makes a `Postner`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, zip_longest
from pathlib import Path
from typing import cast, overload

import torch
from PIL import Image

from archive.images.decode import Limits
from archive.images.image_error import ImageError
from models.annotation import AnnotatedImage, Annotation, ImageText
from models.inference.bisect import bisect_on_failure
from models.inference.options import detector_or_none
from models.inference.pool import single_thread
from models.loading import ModelOptions, load_annotator, load_vision_model
from models.pretrained import SHIPPED
from models.tagging.blocks import texts_of
from models.tagging.picture_texts import tag_texts
from models.tagging.words import without_half_pairs
from models.vision.images.features import ImageFeatures
from models.vision.images.preprocess import PreprocessedImage
from models.vision.images.read import ImageReader, ImageSource

TEXTS_AT_ONCE = 256
"""Texts that are tagged together. The features of their pictures are in memory at the same time."""

PICTURES_AT_ONCE = 32
"""Decoded pictures in memory: 1.2 MB each."""

Images = ImageSource | Sequence[ImageSource] | None
"""The pictures of one text: none, one, or several."""

_ABSENT = object()


class Postner:
    """A loaded bundle and detector. Use `models.load`, which says what the arguments are.

    All computation is done in threads of ours, so torch's number of threads stays what it is for the caller.
    Several threads may call `annotate`; they take turns.
    """

    def __init__(self, model: str | None, detector: str | None, device: str, threads: int, ocr: str | None, precision: str) -> None:
        if threads < 0:
            raise ValueError(f"threads={threads}: give 1 or more, or 0 for one per core")
        networks = (model or SHIPPED, detector_or_none(detector or SHIPPED), device)
        options = ModelOptions(*networks, threads=threads, ocr=ocr, precision=precision)
        self._thread = single_thread()
        before = torch.get_num_threads()
        try:
            self._annotator = self._thread.submit(load_annotator, options).result()
            self._vision_model = self._thread.submit(load_vision_model, options).result()
        finally:
            torch.set_num_threads(before)  # loading sets it for threads that start later, too
        self._reader = ImageReader(self._vision_model.preprocessing(Limits()), options.here().threads)

    def __repr__(self) -> str:
        return f"Postner({self.model}, detector {self._vision_model.detector_id})"

    @property
    def model(self) -> str:
        """Name and hash of the bundle, as in the `model` column of the command's rows."""
        return self._annotator.bundle.label

    @overload
    def annotate(self, texts: str, images: Images = None) -> Annotation: ...  # type: ignore[overload-overlap]

    @overload
    def annotate(self, texts: Iterable[str], images: Iterable[Images] | None = None) -> list[Annotation]: ...

    def annotate(self, texts: str | Iterable[str], images: Images | Iterable[Images] = None) -> Annotation | list[Annotation]:
        """Annotate one text or many. The result of a text does not depend on the others.

        Args:
            texts: one text, or any number of them.
            images: of one text: a picture, or a list of pictures. Of many texts: for each a picture, a list, or None.
                A picture is a path, the bytes of a file, or a Pillow image. A picture that cannot be used costs no
                text: its `status` tells why.

        Returns:
            The annotation of the one text, or a list of annotations, in the order of the texts.

        Raises:
            TypeError: a text or a picture is of another type.
            ValueError: there are not as many entries of `images` as texts.
        """
        if isinstance(texts, str):
            return self._annotate_all([(texts, cast(Images, images))])[0]
        return self._annotate_all(_pairs(texts, images))

    def _annotate_all(self, pairs: Iterable[tuple[str, Images]]) -> list[Annotation]:
        checked = (_checked(place, text, images) for place, (text, images) in enumerate(pairs))
        annotations: list[Annotation] = []
        while some := list(islice(checked, TEXTS_AT_ONCE)):  # so Ctrl-C waits for these only
            annotations += self._thread.submit(self._annotate_some, some).result()
        return annotations

    def _annotate_some(self, posts: Sequence[tuple[str, dict[str, ImageSource]]]) -> list[Annotation]:
        outcomes = self._outcomes([(place, key) for place, (_, images) in enumerate(posts) for key in images], posts)
        usable = [
            {key: found for key in images if isinstance(found := outcomes[place, key], ImageFeatures)}
            for place, (_, images) in enumerate(posts)
        ]
        entities = self._annotator.annotate([(text, features) for (text, _), features in zip(posts, usable, strict=True)])
        names, texts = self._vision_model.names, self._texts(outcomes)
        return [
            Annotation(
                text,
                tuple(entities[place]),
                tuple(AnnotatedImage.of(key, outcomes[place, key], names, texts[place, key]) for key in images),
            )
            for place, (text, images) in enumerate(posts)
        ]

    def _texts(self, outcomes: Mapping[tuple[int, str], ImageFeatures | ImageError]) -> dict[tuple[int, str], list[ImageText]]:
        """Return the texts of each picture with the names in them; a text that the tagger fails on has none."""
        read = {
            name: texts_of(outcome.lines or () if isinstance(outcome, ImageFeatures) else (), None) for name, outcome in outcomes.items()
        }
        flat = [text for of_picture in read.values() for text in of_picture]
        tagged = iter(bisect_on_failure(partial(tag_texts, self._annotator), flat))
        return {
            name: [ImageText.of(text, [] if isinstance(found := next(tagged), Exception) else found) for text in of_picture]
            for name, of_picture in read.items()
        }

    def _outcomes(
        self, wanted: Sequence[tuple[int, str]], posts: Sequence[tuple[str, dict[str, ImageSource]]]
    ) -> dict[tuple[int, str], ImageFeatures | ImageError]:
        """Return the features of each picture, by the place of its text and its key, or why it has none."""
        outcomes: dict[tuple[int, str], ImageFeatures | ImageError] = {}
        for start in range(0, len(wanted), PICTURES_AT_ONCE):
            some = wanted[start : start + PICTURES_AT_ONCE]
            decoded: dict[tuple[int, str], PreprocessedImage] = {}
            for name, image in zip(some, self._reader.read([posts[place][1][key] for place, key in some]), strict=True):
                if isinstance(image, ImageError):
                    outcomes[name] = image
                else:
                    decoded[name] = image
            extracted = bisect_on_failure(self._vision_model.extract, [*decoded.values()])
            lines = bisect_on_failure(self._vision_model.read_texts, [*decoded.values()])
            for name, features, of_one in zip(decoded, extracted, lines, strict=True):
                outcome = self._trimmed(features, posts[name[0]][1], name[1])
                if isinstance(outcome, ImageFeatures):
                    outcome = replace(outcome, lines=None if isinstance(of_one, Exception) else tuple(of_one))
                outcomes[name] = outcome
        return outcomes

    def _trimmed(self, features: ImageFeatures | Exception, of_post: dict[str, ImageSource], key: str) -> ImageFeatures | ImageError:
        """Return features without the grid where the tagger does not read it."""
        if isinstance(features, Exception):
            return ImageError("corrupt", "detector_failed")
        return features if key in [*of_post][: self._annotator.max_pictures] else replace(features, grid=None)


def _pairs(texts: Iterable[str], images: Images | Iterable[Images]) -> Iterator[tuple[str, Images]]:
    """Yield each text with its pictures."""
    if images is None:
        yield from ((text, None) for text in texts)
        return
    if isinstance(images, ImageSource):
        raise TypeError("images is one picture, but texts are several: give a list with the pictures of each text, or None for none")
    for text, of_text in zip_longest(texts, images, fillvalue=_ABSENT):
        if text is _ABSENT or of_text is _ABSENT:
            raise ValueError("images and texts differ in length: give for each text a picture, a list of pictures, or None")
        yield text, of_text  # type: ignore[misc]


def _checked(place: int, text: str, images: Images) -> tuple[str, dict[str, ImageSource]]:
    """Return a text that UTF-8 can encode, and its pictures by key. Raises TypeError."""
    if not isinstance(text, str):
        raise TypeError(f"text {place} is {type(text).__name__}, not str: give '' for a post without text")
    several = [images] if isinstance(images, ImageSource) else [] if images is None else images
    if not isinstance(several, Iterable):
        raise TypeError(f"the pictures of text {place} are {type(several).__name__}: give a path, bytes, a Pillow image, or a list of them")
    keyed: dict[str, ImageSource] = {}
    for number, image in enumerate(several, start=1):
        if not isinstance(image, ImageSource):
            raise TypeError(f"picture {number} of text {place} is {type(image).__name__}: give a path, bytes or a Pillow image")
        key = f"image-{number}" if isinstance(image, bytes | Image.Image) else Path(image).name
        keyed[f"{number}-{key}" if key in keyed else key] = image
    return without_half_pairs(text), keyed
