"""Suppression over a batch against a plain version: each class of each picture by itself, as the definition says."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from models.vision.detectors.nms import CONFIDENCE, IOU, MAX_CANDIDATES, MAX_OBJECTS, select
from tests.conftest import ROOT

CLASSES = 5


def plain(output: Tensor) -> list[Tensor]:
    """The same of one picture, (4 + classes, anchors), box after box."""
    scores, classes = output[4:].max(dim=0)
    order = [i for i in scores.argsort(descending=True, stable=True).tolist() if scores[i] > CONFIDENCE][:MAX_CANDIDATES]
    boxes = torch.cat([output[:2] - output[2:4] / 2, output[:2] + output[2:4] / 2]).T
    overlaps = box_iou(boxes.double(), boxes.double()) > IOU
    kept: list[int] = []
    for i in order:
        if not any(classes[i] == classes[j] and overlaps[i, j] for j in kept):
            kept.append(i)
    return [torch.tensor([*boxes[i].tolist(), scores[i], classes[i]]) for i in kept[:MAX_OBJECTS]]


def outputs(pictures: int, anchors: int, seed: int) -> Tensor:
    """Crowded boxes, some beyond the canvas: (B, 4 + classes, anchors)."""
    draw = torch.Generator().manual_seed(seed)
    output = torch.rand(pictures, 4 + CLASSES, anchors, generator=draw)
    output[:, :2] *= 100
    output[:, 2:4] = 20 + 40 * output[:, 2:4]
    output[:, 4:] **= 4
    return output


@pytest.mark.parametrize(("pictures", "anchors"), [(1, 60), (3, 40), (17, 25), (2, 1), (2, 0)])
def test_each_picture_as_if_alone(pictures: int, anchors: int) -> None:
    output = outputs(pictures, anchors, seed=pictures)
    for found, picture in zip(select(output), output, strict=True):
        expected = plain(picture)
        assert len(found) == len(expected)
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_pictures_without_objects_between_others() -> None:
    output = outputs(4, 30, seed=0)
    output[1::2, 4:] = 0
    assert [len(found) > 0 for found in select(output)] == [True, False, True, False]


def test_the_best_boxes_and_no_more() -> None:
    spread = torch.arange(MAX_OBJECTS + 50.0)
    of_one = torch.stack([200 * spread, spread, 0 * spread + 10, 0 * spread + 10, torch.linspace(0.3, 0.9, len(spread))])
    (found,) = select(of_one[None])
    assert found[:, 4].tolist() == sorted(of_one[4].tolist(), reverse=True)[:MAX_OBJECTS]


def test_a_network_that_needs_no_suppression_keeps_overlapping_boxes() -> None:
    row = [0.0, 0.0, 9.0, 9.0]
    (found,) = select(torch.tensor([[[*row, 0.3, 1], [*row, 0.2, 1], [*row, 0.8, 1]]]))
    assert [round(score, 3) for score in found[:, 4].tolist()] == [0.8, 0.3]


def test_torch_compile_is_not_imported() -> None:
    asked = "import sys, models.vision.detectors.nms; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=ROOT, timeout=120, check=False).returncode == 0
