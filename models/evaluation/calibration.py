"""Measure and improve the calibration of scores: how well they match the share of correct entities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.tagging.crf import CRF

BINS = 10


def reliability(scores: np.ndarray, correct: np.ndarray) -> tuple[float, list[dict[str, Any]]]:
    """Return the expected calibration error and its bins of equal width (Guo et al. 2017, section 2).

    Args:
        scores: (N,) of predicted entities, 0 to 1.
        correct: (N,) bool, whether each one is a gold entity: same span, same type.

    Returns:
        The mean over entities of |share of correct ones - mean score| of their bin, and one row per bin that is not empty.
    """
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    table = []
    for index in np.unique(bins):
        here = bins == index
        mean, share = float(scores[here].mean()), float(correct[here].mean())
        table.append({"from": index / BINS, "to": (index + 1) / BINS, "entities": int(here.sum()), "score": mean, "right": share})
    ece = sum(row["entities"] * abs(row["right"] - row["score"]) for row in table) / max(len(scores), 1)
    return ece, table


def fit_temperature(crf: CRF, batches: Sequence[tuple[Tensor, Tensor, Tensor]]) -> float:
    """Return the temperature at which gold tags have the highest likelihood (temperature scaling, Guo et al. 2017).

    Args:
        crf: its weights are not changed.
        batches: emissions (B, W, T), gold tags (B, W) and mask (B, W) of posts that are not in the training data.
    """

    def loss(temperature: float) -> float:
        return -sum(crf.log_likelihood(emissions, tags, mask, temperature).sum().item() for emissions, tags, mask in batches)

    with torch.inference_mode():
        return min((round(0.5 + 0.05 * step, 2) for step in range(71)), key=loss)


def plot(table: Sequence[dict[str, Any]], path: Path) -> None:
    """Write a reliability diagram to an image file. `table` has the bins from `reliability`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(4, 4), layout="constrained")
    axes.plot([0, 1], [0, 1], color="tab:gray", linestyle="dotted")
    axes.plot([row["score"] for row in table], [row["right"] for row in table], marker="o")
    for row in table:
        axes.annotate(str(row["entities"]), (row["score"], row["right"]), textcoords="offset points", xytext=(4, -10), fontsize=7)
    axes.set(xlabel="mean score of entities", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
