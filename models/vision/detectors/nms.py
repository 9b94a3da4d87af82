"""Raw detections to the best boxes, in torch alone."""

from __future__ import annotations

import torch
from torch import Tensor

CONFIDENCE, IOU, MAX_OBJECTS, MAX_CANDIDATES = 0.25, 0.7, 300, 2000
"""As ultralytics predicts by default; of more candidates in one picture the best are kept."""


def select(output: Tensor) -> list[Tensor]:
    """Objects of each picture, best first.

    Args:
        output: (B, 4 + classes, anchors), xywh in pixels and class probabilities; or (B, N, 6), xyxy, score, class, from
            a network that needs no suppression.

    Returns:
        For each picture (K, 6): xyxy in pixels, score, class; K at most 300.
    """
    if output.shape[2] == 6:
        return [_best(found[found[:, 4] > CONFIDENCE]) for found in output.float()]
    scores, classes = output[:, 4:].float().max(dim=1)  # shape: (B, anchors)
    centres, sizes = output[:, :2].float(), output[:, 2:4].float()
    boxes = torch.cat([centres - sizes / 2, centres + sizes / 2], dim=1).transpose(1, 2)  # shape: (B, anchors, 4)
    selected = []
    for box, score, kind in zip(boxes, scores, classes, strict=True):
        chosen = score > CONFIDENCE
        found = _best(torch.cat([box[chosen], score[chosen, None], kind[chosen, None].float()], dim=1), MAX_CANDIDATES)
        selected.append(found[survivors(found[:, :4], found[:, 5])][:MAX_OBJECTS])
    return selected


def survivors(boxes: Tensor, classes: Tensor, iou: float = IOU) -> Tensor:
    """Which boxes greedy suppression keeps: (N,) bool.

    A box is kept unless a better kept box of its class overlaps it by more than `iou`. That recurrence has one solution,
    and repeating it from any start reaches it in as many rounds as the longest chain of overlaps, a handful.

    Args:
        boxes: (N, 4) xyxy, best first.
        classes: (N,).
    """
    beats = (overlaps(boxes) > iou) & (classes[:, None] == classes[None, :])
    beats = beats.triu(diagonal=1)  # row i beats column j: i is better
    kept = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    while True:
        following = ~(beats & kept[:, None]).any(dim=0)
        if torch.equal(following, kept):
            return kept
        kept = following


def overlaps(boxes: Tensor) -> Tensor:
    """Intersection over union of all pairs of (N, 4) xyxy boxes: (N, N)."""
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = (high - low).clamp(min=0).prod(dim=2)
    area = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
    return common / (area[:, None] + area[None, :] - common).clamp(min=1e-9)


def _best(found: Tensor, at_most: int = MAX_OBJECTS) -> Tensor:
    order = found[:, 4].argsort(descending=True, stable=True)[:at_most]
    return found[order]
