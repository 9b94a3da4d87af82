"""Weigh the evidence for an entity: how much of its score is the text's own, and how the rest divides over the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.tagging.granularities import Evidence


def visual_share(score: float, text_score: float) -> float:
    """Return how much the pictures changed a score, as a share of the larger one: 0 to 1.

    Args:
        score: probability of the entity.
        text_score: its probability by the emissions of the text alone.
    """
    larger = max(score, text_score)
    return abs(score - text_score) / larger if larger > 0 else 0.0


def weighed(found: Sequence[Sequence[Evidence]], visual: np.ndarray, share: float) -> tuple[Evidence, ...]:
    """Return the evidence for an entity, largest weight first. What its weights lack to 1 is the text's own share.

    Each granularity gets a part of the visual share. The parts are in proportion to what the granularities add to the
    emissions of the entity's words: the sum of absolute values, after the mean over the tags is subtracted, since a
    constant over all tags changes no probability.

    Args:
        found: for each of G granularities, its evidence, with weights that sum to 1 or of nothing.
        visual: (W, G, T), `WordOutputs.visual` of the entity's words.
        share: from `visual_share`.
    """
    amounts = np.abs(visual - visual.mean(2, keepdims=True)).sum((0, 2), dtype=np.float64)  # shape: (G,)
    parts = share * amounts / max(amounts.sum(), np.finfo(np.float64).tiny)
    evidence = [
        replace(one, weight=float(np.float32(one.weight * part))) for of_one, part in zip(found, parts, strict=True) for one in of_one
    ]
    # Rounded, since objects of one class get the same weight but for rounding errors; the sort then keeps their order.
    return tuple(sorted(evidence, key=lambda one: -round(one.weight, 6)))
