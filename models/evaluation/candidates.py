"""What is scored: a bundle, or rows that the command wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.datasets.labelled_post import LabelledPost
from models.datasets.pictures import picture_features
from models.evaluation import predictions
from models.evaluation.predictions import Found
from models.tagging.annotate import Annotator
from models.tagging.labels import TYPES
from models.vision.images.features import ImageFeatures
from models.vision.vision_model import VisionModel


@dataclass(frozen=True)
class Labelled:
    """Labelled posts.

    Attributes:
        posts: by identifier.
        types: that the types of their spans, and of predictions, are indices of.
        renames: new name of types of predictions; empty to drop them.
    """

    posts: Mapping[str, LabelledPost]
    types: Sequence[str]
    renames: Mapping[str, str]


class BundleCandidate:
    """A bundle, to be scored with each post's own pictures, with none, or with those of other posts.

    Args:
        annotator: of the bundle.
        vision_model: reads the pictures.
        images: glob of shards or folder, or None.
        captions: by key of the picture; they are read as alternative texts.
        cache: of image features, or None.
        condition: `with`, `without` or `shuffled`.
        seed: of shuffling.

    Attributes:
        label: name and hash.
        types: that it predicts.
    """

    def __init__(
        self,
        annotator: Annotator,
        vision_model: VisionModel,
        images: str | None,
        captions: Mapping[str, str],
        cache: Path | None,
        condition: str,
        seed: int,
    ) -> None:
        self._annotator, self._vision_model = annotator, vision_model
        self._images, self._captions, self._cache, self._condition, self._seed = images, captions, cache, condition, seed
        self.label = annotator.bundle.label
        self.types = annotator.bundle.tagger.config.types

    def predict(self, labelled: Labelled) -> Found:
        """Return the predictions for each post. Raises ValueError if no picture can be used."""
        posts = [*labelled.posts.values()]
        features: dict[str, ImageFeatures] = {}
        keys = {post.image for post in posts if post.image}
        if self._images:
            features = picture_features(keys, self._images, self._vision_model, self._cache) if keys else {}
        for key in keys & self._captions.keys():
            features[key] = replace(features.get(key, ImageFeatures.empty(0, 0)), alt=self._captions[key])
        if self._condition == "shuffled":
            posts = predictions.shuffled(posts, self._seed)
        return predictions.annotate(posts, self._annotator, features, labelled.types, labelled.renames)


class Rows:
    """Rows that the command wrote.

    Attributes:
        label: says which.
        types: of their entities, or all of ours if there are no others.
    """

    def __init__(self, folder: str) -> None:
        self._rows = predictions.load_rows(folder)
        self._folder = folder
        self.label = f"rows of {folder}"
        found = tuple(dict.fromkeys(entity["type"] for row in self._rows.values() for entity in row["entities"]))
        self.types = TYPES if {*found} <= {*TYPES} else found

    def predict(self, labelled: Labelled) -> Found:
        """Return the predictions for each post. Raises ValueError if a post has no row, or its row another text."""
        return predictions.of_rows(labelled.posts, self._rows, self._folder, labelled.types, labelled.renames)
