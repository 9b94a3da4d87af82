"""Granularities: ways to turn the pictures of a post into vectors, a mask and evidence.

A granularity is one file of this folder and one entry in `TaggerConfig.granularities`: `{"kind": "grid", "width": 256}`.
The kind is the name of the file. The other keys are the fields of the class that the file registers. The tagger, the
encoder and the evidence loop over the entries in their order.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from torch import Tensor, nn

from models.vision.images.features import ImageFeatures


class View(NamedTuple):
    """The input of one granularity for a batch of B windows of posts.

    Attributes:
        rows: (B, R, ...), `rows_per_picture` rows for each picture, then padding.
        mask: (B, R) bool, false on empty rows and padding.
    """

    rows: Tensor
    mask: Tensor


@dataclass(frozen=True, slots=True)
class Evidence:
    """The weight of one picture, or of one object in it, for an entity.

    Attributes:
        image: key of the picture.
        object: name of the object, `ocr` or `alt` for a text of the picture, or None for the whole picture.
        box: of the object or text, xyxy pixels of the original picture, or None.
        weight: from `Granularity.evidence` the gate and attention weight that the tagger used, mean over the entity's
            words: these sum to 1 over all pictures of the post. In `Entity.evidence` its share of the entity's score
            (`models.tagging.evidence`): what these lack to 1 is the text's own.
    """

    image: str
    object: str | None
    box: tuple[float, float, float, float] | None
    weight: float


@dataclass(frozen=True)
class Source:
    """What the vision models in use provide, compared with those of the tagger's training.

    Attributes:
        object_names: class names of the detector in use, by its class ids.
        class_map: (classes of the detector,) int64, class id of the tagger for each, -1 if the tagger does not know it.
        reads_grid: whether the grids are from the network of the tagger's training.
        max_objects: K, how many objects of a picture the tagger reads.
    """

    object_names: tuple[str, ...]
    class_map: np.ndarray
    reads_grid: bool
    max_objects: int


class Granularity(ABC):
    """A way to read pictures. Subclasses are frozen dataclasses whose fields are the settings."""

    @classmethod
    @abstractmethod
    def for_training(cls, grid_width: int, object_names: Sequence[str]) -> Self | None:
        """Return the settings for training with these vision models, or None if they do not provide its input.

        Args:
            grid_width: channels of the picture grid, 0 if no network makes one.
            object_names: class names of the detector.
        """

    def entry(self, kind: str) -> dict[str, Any]:
        """Return the entry of `TaggerConfig.granularities` from which `granularities_of` makes this granularity."""
        return {"kind": kind} | vars(self)

    @abstractmethod
    def network(self, width: int, dropout: float) -> nn.Module:
        """Return the trained part, a module of width D that is called with (text, text_mask, view).

        Inputs are text (B, L, D), text_mask (B, L) bool, and a `View` of R rows. Outputs are the features for each
        subword, (B, L, D), and the weights of the rows, (B, L, R).
        """

    @abstractmethod
    def rows_per_picture(self, source: Source) -> int:
        """Return the number of rows that each picture takes in a view; 0 if the source does not provide the input."""

    @abstractmethod
    def empty(self, *shape: int) -> np.ndarray:
        """Return an array of `shape` empty rows: zeros of the width and type of `encode`."""

    @abstractmethod
    def encode(self, image_features: ImageFeatures, source: Source) -> np.ndarray:
        """Return the rows of one picture, (n, ...), n at most `rows_per_picture`."""

    def pool(self, used: Tensor) -> Tensor:
        """Reduce the weights of rows (B, L, P, rows_per_picture) to those of evidence, (B, L, P, E). P is the number of pictures."""
        return used

    def weights_per_picture(self, source: Source) -> int:
        """Return E, the number of weights of each picture after `pool`."""
        return self.rows_per_picture(source)

    @abstractmethod
    def evidence(self, image: str, image_features: ImageFeatures, weights: np.ndarray, source: Source) -> list[Evidence]:
        """Return the evidence in one picture.

        Args:
            image: key of the picture.
            image_features: of the picture.
            weights: (E,) from `pool`, mean over the entity's words.
            source: as for `encode`.
        """


_KINDS: dict[str, type[Granularity]] = {}


def register(kind: str) -> Callable[[type[Granularity]], type[Granularity]]:
    """Return a class decorator that registers a granularity under the name that configurations use."""

    def add(granularity: type[Granularity]) -> type[Granularity]:
        _KINDS[kind] = granularity
        return granularity

    return add


def granularity_class(kind: str) -> type[Granularity]:
    """Return the class of a kind, importing its file if the kind is not registered yet. Raises ValueError if there is none."""
    if kind not in _KINDS and kind.isidentifier():
        module = f"{__name__}.{kind}"
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
    if kind not in _KINDS:
        raise ValueError(f"granularity {kind!r} is not known: give one of the files in models/tagging/granularities")
    return _KINDS[kind]


def granularities_of(entries: Sequence[Mapping[str, Any]]) -> dict[str, Granularity]:
    """Return the granularities of a configuration by kind, in its order. Raises ValueError for unknown or repeated kinds."""
    kinds = [entry["kind"] for entry in entries]
    if len(set(kinds)) < len(kinds):
        raise ValueError(f"granularities {kinds} name one twice: give each once")
    settings = [{name: value for name, value in entry.items() if name != "kind"} for entry in entries]
    return {kind: granularity_class(kind)(**setting) for kind, setting in zip(kinds, settings, strict=True)}
