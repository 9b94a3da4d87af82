"""Select the best boxes from the raw output of a detector: confidence threshold and non-maximum suppression."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

CONFIDENCE, IOU, MAX_OBJECTS, MAX_CANDIDATES = 0.25, 0.7, 300, 2000
"""The defaults of ultralytics' prediction, and how many candidates of one picture suppression gets: the best ones."""

PICTURES_TOGETHER = 8
"""Pictures in one call of suppression. On a GPU it takes n^2 / 8 bytes for n candidates: 32 MB at most."""


def _load_operators() -> None:
    """Load torchvision's operators without importing torchvision, which imports torch.compile and takes a second."""
    package = find_spec("torchvision")
    assert package is not None
    assert package.origin is not None
    (library,) = Path(package.origin).parent.glob("_C.*")
    torch.ops.load_library(str(library))


_load_operators()


def select(output: Tensor, iou: float = IOU) -> list[Tensor]:
    """Return the objects of each picture, best first.

    Args:
        output: (B, 4 + classes, anchors), xywh in pixels and class probabilities; or, from a network that needs no
            suppression, (B, N, 6): xyxy in pixels, score, class.
        iou: a box is dropped if its overlap with a better box of its class is larger.

    Returns:
        (K, 6) per picture, on the CPU: xyxy in pixels, score, class. K is at most 300.
    """
    return [found for some in output.split(PICTURES_TOGETHER) for found in _select(some, iou)]


def _select(output: Tensor, iou: float) -> list[Tensor]:
    if output.shape[2] == 6:
        pictures, rows = _best(output[..., 4], MAX_OBJECTS)
        found = output[pictures, rows].float()
    else:
        pictures, anchors = _best(output[:, 4:].amax(dim=1), MAX_CANDIDATES)
        chosen = output.transpose(1, 2)[pictures, anchors].float()  # shape: (N, 4 + classes)
        centres, sizes = chosen[:, :2], chosen[:, 2:4]
        scores, classes = chosen[:, 4:].max(dim=1)
        found = torch.cat([centres - sizes / 2, centres + sizes / 2, scores[:, None], classes[:, None].float()], dim=1)
        kept = _suppressed(found, pictures, iou)
        found, pictures = found[kept], pictures[kept]
    counts = torch.bincount(pictures, minlength=len(output)).tolist()
    return [of_one[:MAX_OBJECTS] for of_one in found.cpu().split(counts)]


def _best(scores: Tensor, at_most: int) -> tuple[Tensor, Tensor]:
    """Return the indices of the best scores above the threshold, by picture and best first: two of (N,).

    Args:
        scores: (B, anchors).
        at_most: of one picture.
    """
    pictures, anchors = torch.nonzero(scores > CONFIDENCE, as_tuple=True)
    order = scores[pictures, anchors].argsort(descending=True, stable=True)
    order = order[pictures[order].argsort(stable=True)]
    pictures, anchors = pictures[order], anchors[order]
    rank = torch.arange(len(pictures), device=scores.device) - torch.searchsorted(pictures, pictures)
    return pictures[rank < at_most], anchors[rank < at_most]


def _suppressed(found: Tensor, pictures: Tensor, iou: float) -> Tensor:
    """Return the ascending indices of the boxes that no better box of their picture and class overlaps.

    Each class of each picture is moved to a place of its own, in float64, which does not round there.
    """
    if not len(found):
        return pictures
    boxes, classes = found[:, :4].double(), found[:, 5].long()
    group = pictures * (classes.max() + 1) + classes
    moved = boxes + (group * (boxes.max() - boxes.min() + 1))[:, None]
    return torch.ops.torchvision.nms(moved, found[:, 4].double(), iou).sort().values
