"""Settings of taggers and their defaults, without torch, which takes seconds to import."""

from __future__ import annotations

from dataclasses import dataclass

NEIGHBOURS = 4
"""How many neighbours of a word are averaged in the augmentation table, by default."""


@dataclass(frozen=True)
class BundleSettings:
    """Settings of a bundle that are not part of its tagger. The names are those in `config.json`.

    Attributes:
        name: of the bundle, as in the `model` column.
        max_pieces: longest window of text in subwords, special tokens included.
        max_objects: K, how many objects of a picture the tagger reads.
        max_pictures: how many pictures of a post the tagger reads.
        object_names: class names of the detector that was used in training, by id.
        grid: `VisionModel.grid_id` of the network that made the grids in training, or None.
        backbone: Hugging Face vision backbone that makes grids (folder in the bundle, or hub id); None to use the detector's.
        temperature: divides the score of the CRF to calibrate probabilities.
        min_score: least probability of an entity. Half of the F1 gives the best F1, where probabilities are calibrated
            (Lipton, Elkan and Naryanaswamy 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure").
    """

    name: str
    max_pieces: int = 128
    max_objects: int = 5
    max_pictures: int = 4
    object_names: tuple[str, ...] = ()
    grid: str | None = None
    backbone: str | None = None
    temperature: float = 1.0
    min_score: float = 0.0
