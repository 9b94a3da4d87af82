"""Select the best boxes from the raw output of a detector: confidence threshold and non-maximum suppression."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import batched_nms

CONFIDENCE, IOU, MAX_OBJECTS, MAX_CANDIDATES = 0.25, 0.7, 300, 2000
"""The defaults of ultralytics' prediction, and how many candidates of one picture suppression gets: the best ones."""


def select(output: Tensor, iou: float = IOU) -> list[Tensor]:
    """Return the objects of each picture, best first.

    Args:
        output: (B, 4 + classes, anchors), xywh in pixels and class probabilities; or, from a network that needs no
            suppression, (B, N, 6): xyxy in pixels, score, class.
        iou: a box is dropped if its overlap with a better box of its class is larger.

    Returns:
        (K, 6) per picture: xyxy in pixels, score, class. K is at most 300.
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
        selected.append(found[batched_nms(found[:, :4], found[:, 4], found[:, 5], iou)[:MAX_OBJECTS]])
    return selected


def _best(found: Tensor, at_most: int = MAX_OBJECTS) -> Tensor:
    order = found[:, 4].argsort(descending=True, stable=True)[:at_most]
    return found[order]
