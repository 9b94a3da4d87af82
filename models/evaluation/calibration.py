"""Whether scores are probabilities, and what makes them so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.tagging.crf import CRF

BINS = 10


def reliability(scores: np.ndarray, right: np.ndarray) -> tuple[float, list[dict[str, Any]]]:
    """Expected calibration error, and its bins of equal width (Guo et al. 2017, section 2).

    Args:
        scores: (N,) of found entities.
        right: (N,) bool, whether an entity is exactly that.

    Returns:
        The mean over entities of |share that is right - mean score| of their bin, and the bins that hold any.
    """
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    table = []
    for index in np.unique(bins):
        here = bins == index
        mean, share = float(scores[here].mean()), float(right[here].mean())
        table.append({"from": index / BINS, "to": (index + 1) / BINS, "entities": int(here.sum()), "score": mean, "right": share})
    ece = sum(row["entities"] * abs(row["right"] - row["score"]) for row in table) / max(len(scores), 1)
    return ece, table


def fit_temperature(crf: CRF, batches: Sequence[tuple[Tensor, Tensor, Tensor]]) -> float:
    """Return the temperature of a CRF at which gold tags are likeliest (temperature scaling, Guo et al. 2017).

    Args:
        crf: whose weights stay as they are.
        batches: emissions (B, W, T), gold tags (B, W) and mask (B, W) of posts that were not trained on.
    """

    def loss(temperature: float) -> float:
        return -sum(crf.log_likelihood(emissions, tags, mask, temperature).sum().item() for emissions, tags, mask in batches)

    with torch.inference_mode():
        return min((round(0.5 + 0.05 * step, 2) for step in range(71)), key=loss)


def plot(table: Sequence[dict[str, Any]], path: Path) -> None:
    """Reliability diagram as a picture."""
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
