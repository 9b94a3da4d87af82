"""Granularities: the ways in which a post's pictures become vectors, a mask and evidence.

A granularity is one file of this folder and one entry in `TaggerConfig.granularities`: `{"kind": "grid", "width": 256}`.
The kind is the name of the file. The other keys are the fields of the class that the file registers. The tagger, the
encoding and the evidence loop over the entries, in their order.
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
    """What one granularity reads of a batch of B posts.

    Attributes:
        rows: (B, R, ...) what it encodes; `rows_per_picture` rows a picture, then padding.
        mask: (B, R) bool, true where there is something to read.
    """

    rows: Tensor
    mask: Tensor


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much of one picture, or of one object in it, went into an entity.

    Attributes:
        image: key of the picture.
        object: name of the object, or None for the whole picture.
        box: the object's box, xyxy pixels of the original picture, or None.
        weight: gate and attention weight that was used, mean over the entity's words. Over all pictures of the post,
            the weights of each granularity sum to 1.
    """

    image: str
    object: str | None
    box: tuple[float, float, float, float] | None
    weight: float


@dataclass(frozen=True)
class Source:
    """What the vision models at work provide, compared with those that the tagger was trained with.

    Attributes:
        object_names: class names of the detector at work, by its class ids.
        class_map: (classes of the detector,) int64, the tagger's class of each, -1 where it has none.
        reads_grid: whether the grids are of the network that the tagger was trained with.
        max_objects: K, objects of a picture that are read.
    """

    object_names: tuple[str, ...]
    class_map: np.ndarray
    reads_grid: bool
    max_objects: int


class Granularity(ABC):
    """One way to read pictures. Subclasses are frozen dataclasses; their fields are the settings."""

    @classmethod
    @abstractmethod
    def trained_with(cls, grid_width: int, object_names: Sequence[str]) -> Self | None:
        """Return the settings for training with these vision models, or None where they provide nothing to read.

        Args:
            grid_width: channels of the picture grid, 0 where no network makes one.
            object_names: class names of the detector.
        """

    def entry(self, kind: str) -> dict[str, Any]:
        """Return the entry of `TaggerConfig.granularities` that `granularities_of` reads back."""
        return {"kind": kind} | vars(self)

    @abstractmethod
    def network(self, width: int, dropout: float) -> nn.Module:
        """Return the trained part. It is called with (text, text_mask, view).

        Its arguments are text (B, L, D), text_mask (B, L) bool, and a `View` of R rows. It returns what each word
        reads, (B, L, D), and how much of each row it used, (B, L, R). D is `width`.
        """

    @abstractmethod
    def rows_per_picture(self, source: Source) -> int:
        """Return the rows that are reserved for each picture; 0 where the source provides nothing to read."""

    @abstractmethod
    def empty(self, *shape: int) -> np.ndarray:
        """Return `shape` empty rows: zeros of the width and type that `encode` gives."""

    @abstractmethod
    def encode(self, image_features: ImageFeatures, source: Source) -> np.ndarray:
        """Return the rows of one picture, (n, ...), n at most `rows_per_picture`."""

    def pool(self, used: Tensor) -> Tensor:
        """Reduce weights (B, L, P, rows_per_picture) of P pictures to what evidence needs, (B, L, P, E)."""
        return used

    def weights_per_picture(self, source: Source) -> int:
        """Return E, the weights of each picture that `pool` leaves."""
        return self.rows_per_picture(source)

    @abstractmethod
    def evidence(self, image: str, image_features: ImageFeatures, weights: np.ndarray, source: Source) -> list[Evidence]:
        """Return the evidence in one picture.

        Args:
            image: key of the picture.
            image_features: what the vision models found in it.
            weights: (E,) of `pool`, mean over an entity's words.
            source: of the vision models.
        """


_KINDS: dict[str, type[Granularity]] = {}


def register(kind: str) -> Callable[[type[Granularity]], type[Granularity]]:
    """Class decorator: make a granularity known under the name that configurations use."""

    def keep(granularity: type[Granularity]) -> type[Granularity]:
        _KINDS[kind] = granularity
        return granularity

    return keep


def kind_named(kind: str) -> type[Granularity]:
    """Return the class of a kind. Its file is imported if nothing is registered yet. Raises ValueError."""
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
    """Return the granularities of a configuration by kind, in its order. Raises ValueError."""
    kinds = [entry["kind"] for entry in entries]
    if len(set(kinds)) < len(kinds):
        raise ValueError(f"granularities {kinds} name one twice: give each once")
    settings = [{name: value for name, value in entry.items() if name != "kind"} for entry in entries]
    return {kind: kind_named(kind)(**setting) for kind, setting in zip(kinds, settings, strict=True)}
