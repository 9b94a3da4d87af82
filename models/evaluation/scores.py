"""Score predicted entities against gold ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from models.datasets.labelled_post import LabelledPost
from models.evaluation.predictions import Prediction
from models.tagging.labels import Span, spans_to_tags, tags_of

NO_ENTITY = "O"


def score(
    posts: Sequence[LabelledPost], found: Sequence[Sequence[Prediction]], types: Sequence[str], resamples: int, seed: int
) -> dict[str, Any]:
    """Return lenient and strict micro F1 by seqeval, F1 per type, F1 of spans without types, and the confusion of types.

    `read_conll` has changed each gold I- without a B- before it to a B-. Lenient seqeval does the same.

    Args:
        posts: with gold spans over tokens.
        found: predictions for each post.
        types: entity types.
        resamples: of the bootstrap over posts, for `ci95` of lenient F1.
        seed: of the bootstrap.
    """
    spans = [[one.span for one in of_post] for of_post in found]
    gold, predicted = _tags([post.spans for post in posts], posts, types), _tags(spans, posts, types)
    modes: dict[str, dict[str, Any]] = {"lenient": {}, "strict": {"mode": "strict", "scheme": IOB2}}
    anything = any(post.spans for post in posts) or any(spans)  # without any entity, seqeval warns about means of nothing
    reports = {
        name: classification_report(gold, predicted, output_dict=True, zero_division=0, **mode) if anything else {}
        for name, mode in modes.items()
    }
    scores: dict[str, Any] = {name: _prf(report.get("micro avg")) for name, report in reports.items()}
    scores["lenient"]["ci95"] = bootstrap(counts(posts, spans), resamples, seed)
    scores["types"] = {name: _prf(reports["lenient"].get(name)) for name in types}
    untyped = [LabelledPost(None, post.tokens, tuple(span._replace(type=0) for span in post.spans)) for post in posts]
    bare = counts(untyped, [[span._replace(type=0) for span in of_post] for of_post in spans]).sum(0)
    scores["spans"] = {"f1": f1(bare).item(), "precision": bare[0] / max(bare[1], 1), "recall": bare[0] / max(bare[2], 1)}
    scores["confusion"] = confusion(posts, spans, types)
    return scores


def counts(posts: Sequence[LabelledPost], spans: Sequence[Sequence[Span]]) -> np.ndarray:
    """Count correct, predicted and gold spans of each post: (N, 3) int64."""
    return np.array([(len(set(a) & set(post.spans)), len(a), len(post.spans)) for post, a in zip(posts, spans, strict=True)]).reshape(-1, 3)


def bootstrap(of_posts: np.ndarray, resamples: int, seed: int) -> list[float]:
    """Return the 95 % confidence interval of micro F1 by resampling posts with replacement (Efron, percentile method).

    Args:
        of_posts: (N, 3) from `counts`.
        resamples: number of samples.
        seed: of the random numbers.
    """
    chance = np.random.default_rng(seed)
    times = chance.multinomial(len(of_posts), np.full(len(of_posts), 1 / len(of_posts)), size=resamples)  # shape: (resamples, N)
    low, high = np.percentile(f1(times @ of_posts), [2.5, 97.5])
    return [float(low), float(high)]


def on_types(
    posts: Sequence[LabelledPost], found: Sequence[Sequence[Prediction]], types: Sequence[str], chosen: Collection[str]
) -> dict[str, Any]:
    """Return micro F1 of the spans of some types alone; the others count neither as gold nor as predicted."""
    correct, predicted, gold = _counts_of(posts, found, [name in chosen for name in types]).sum(0).tolist()
    scores = {"precision": correct / max(predicted, 1), "recall": correct / max(gold, 1), "gold": gold}
    return {"types": [name for name in types if name in chosen], "f1": 2 * correct / max(predicted + gold, 1)} | scores


def difference(
    posts: Sequence[LabelledPost], found: Sequence[Sequence[Sequence[Prediction]]], is_counted: Sequence[bool], resamples: int, seed: int
) -> dict[str, Any]:
    """Return micro F1 of two models, the first minus the second, and its 95 % interval by a paired bootstrap over posts.

    Args:
        posts: with gold spans over tokens.
        found: for each of the two models, the predictions for each post.
        is_counted: for each type, whether its spans count.
        resamples: number of samples; both models are scored on the same ones.
        seed: of the random numbers.
    """
    first, second = (_counts_of(posts, of_model, is_counted) for of_model in found)
    return bootstrap_difference(first, second, resamples, seed)


def bootstrap_difference(first: np.ndarray, second: np.ndarray, resamples: int, seed: int) -> dict[str, Any]:
    """Return what `difference` does for the counts (N, 3) of two models on the same posts."""
    scores = [float(f1(one.sum(0))) for one in (first, second)]
    chance = np.random.default_rng(seed)
    times = chance.multinomial(len(first), np.full(len(first), 1 / len(first)), size=resamples)
    low, high = np.percentile(f1(times @ first) - f1(times @ second), [2.5, 97.5])
    return {"f1": scores, "difference": scores[0] - scores[1], "ci95": [float(low), float(high)]}


def _counts_of(posts: Sequence[LabelledPost], found: Sequence[Sequence[Prediction]], is_counted: Sequence[bool]) -> np.ndarray:
    """Return `counts` of the spans of some types."""
    gold = [replace(post, spans=tuple(span for span in post.spans if is_counted[span.type])) for post in posts]
    return counts(gold, [[one.span for one in of_post if is_counted[one.span.type]] for of_post in found])


def confusion(posts: Sequence[LabelledPost], spans: Sequence[Sequence[Span]], types: Sequence[str]) -> dict[str, dict[str, int]]:
    """Count spans by gold type (row) and predicted type (column). `O` is a missed span as column, a spurious one as row."""
    names = [*types, NO_ENTITY]
    counted: Counter[tuple[str, str]] = Counter()
    for post, of_post in zip(posts, spans, strict=True):
        gold, predicted = ({(a, b): types[kind] for a, b, kind in some} for some in (post.spans, of_post))
        counted.update((gold.get(bounds, NO_ENTITY), predicted.get(bounds, NO_ENTITY)) for bounds in gold.keys() | predicted.keys())
    return {row: {column: counted[row, column] for column in names} for row in names}


def _tags(spans: Sequence[Sequence[Span]], posts: Sequence[LabelledPost], types: Sequence[str]) -> list[list[str]]:
    names = tags_of(types)
    return [[names[tag] for tag in spans_to_tags(some, len(post.tokens))] for some, post in zip(spans, posts, strict=True)]


def _prf(report: dict[str, Any] | None) -> dict[str, Any]:
    report = report or {"f1-score": 0.0, "precision": 0.0, "recall": 0.0, "support": 0}
    return {"f1": float(report["f1-score"]), "precision": float(report["precision"]), "recall": float(report["recall"])} | {
        "gold": int(report["support"])
    }


def f1(sums: np.ndarray) -> np.ndarray:
    """Return micro F1 for sums (..., 3) of `counts`."""
    return 2 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1)
