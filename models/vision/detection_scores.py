"""Score the objects of a detector against those of another one, which are taken as ground truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torchvision.ops import box_iou

from models.vision.images.features import ImageFeatures

IOU = 0.5
PERSON = "person"


def agreement(student: Sequence[ImageFeatures], teacher: Sequence[ImageFeatures], names: Sequence[str]) -> dict[str, float]:
    """Return scores of the student's objects against the teacher's.

    Args:
        student: features of each picture.
        teacher: features of the same pictures, taken as ground truth.
        names: class names of both detectors, by id.

    Returns:
        `map50`: average precision at IoU 0.5 (area under the interpolated precision-recall curve), mean over the classes
        that the teacher detected; `recall`; `precision`; `mean_iou` of matched boxes; `recall_person`, NaN without persons.
    """
    kinds = sorted({int(label) for image_features in teacher for label in image_features.labels})
    per_class, matched, ious = {}, 0, []
    for kind in kinds:
        hits, scores, truths = _match(student, teacher, kind)
        matched += int((hits > 0).sum())
        ious += hits[hits > 0].tolist()
        per_class[kind] = (average_precision(hits > 0, scores, truths), (hits > 0).sum() / truths)
    found, wanted = (sum(len(image_features.labels) for image_features in features) for features in (student, teacher))
    person = names.index(PERSON) if PERSON in names else -1
    return {
        "map50": float(np.mean([ap for ap, _ in per_class.values()])),
        "recall": matched / max(wanted, 1),
        "precision": matched / max(found, 1),
        "mean_iou": float(np.mean(ious)) if ious else 0.0,
        "recall_person": float(per_class[person][1]) if person in per_class else float("nan"),
    }


def average_precision(hits: np.ndarray, scores: np.ndarray, truths: int) -> float:
    """Return the area under the interpolated precision-recall curve (Everingham et al. 2015, all points).

    Args:
        hits: (N,) bool, whether a detected object is a true one.
        scores: (N,) of the detected objects.
        truths: number of true objects.
    """
    right = np.cumsum(hits[np.argsort(-scores, kind="stable")])
    precision = right / np.arange(1, len(hits) + 1)
    recall = np.concatenate([[0], right / truths])
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * best_from_here).sum())


def _match(student: Sequence[ImageFeatures], teacher: Sequence[ImageFeatures], kind: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Match the student's objects of a class to true ones: IoU with the match or 0, (N,); scores, (N,); number of true objects."""
    hits, scores, truths = [], [], 0
    for mine, theirs in zip(student, teacher, strict=True):
        true = theirs.boxes[theirs.labels == kind]
        truths += len(true)
        free = np.ones(len(true), bool)
        ious = box_iou(torch.from_numpy(mine.boxes[mine.labels == kind]), torch.from_numpy(true)).numpy()
        for row, score in zip(ious, mine.scores[mine.labels == kind], strict=True):
            overlap = np.where(free, row, 0)
            best = int(overlap.argmax()) if len(true) else -1
            is_match = best >= 0 and overlap[best] >= IOU
            if is_match:
                free[best] = False
            hits.append(overlap[best] if is_match else 0.0)
            scores.append(score)
    return np.array(hits), np.array(scores), truths
