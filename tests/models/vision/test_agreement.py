"""Agreement of detectors, against another implementation of average precision and by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from models.pretrained import PRETRAINED
from models.vision.agreement import main
from models.vision.detection_scores import agreement, average_precision
from models.vision.images.features import ImageFeatures

NAMES = ("person", "dog")


def image_features(*objects: tuple[int, float, tuple[float, ...]]) -> ImageFeatures:
    labels, scores, boxes = ([one[i] for one in objects] for i in range(3))
    return ImageFeatures(
        100, 100, np.array(labels, np.int64), np.array(scores, np.float32), np.array(boxes, np.float32).reshape(-1, 4), None
    )


def test_a_detector_agrees_with_itself() -> None:
    seen = [image_features((0, 0.9, (0, 0, 10, 10)), (1, 0.5, (20, 20, 40, 40))), image_features()]
    assert agreement(seen, seen, NAMES) == {"map50": 1, "recall": 1, "precision": 1, "mean_iou": 1, "recall_person": 1}


def test_each_true_object_is_found_once_and_by_its_class() -> None:
    true = [image_features((0, 0.9, (0, 0, 10, 10)), (0, 0.8, (50, 50, 60, 60)))]
    found = [image_features((0, 0.9, (0, 0, 10, 10)), (0, 0.8, (0, 0, 10, 9)), (1, 0.7, (50, 50, 60, 60)))]
    told = agreement(found, true, NAMES)
    assert told["recall"] == told["recall_person"] == 0.5
    assert told["precision"] == pytest.approx(1 / 3)
    assert told["map50"] == pytest.approx(0.5)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10**6)), min_size=1, max_size=30, unique_by=lambda one: one[1]))
def test_average_precision_is_never_below_the_uninterpolated_one(found: list[tuple[bool, int]]) -> None:
    hits, scores = np.array([hit for hit, _ in found]), np.array([score for _, score in found])
    truths = max(int(hits.sum()), 1)
    mine = average_precision(hits, scores, truths)
    plain = average_precision_score(hits, scores) if hits.any() else 0.0
    assert plain - 1e-9 <= mine <= 1
    ranked = [hit for hit, _ in sorted(found, key=lambda one: -one[1])]
    slow = sum(max(sum(ranked[: j + 1]) / (j + 1) for j in range(i, len(ranked))) / truths for i, hit in enumerate(ranked) if hit)
    assert mine == pytest.approx(slow)


def test_the_command_on_photos(capsys: pytest.CaptureFixture[str]) -> None:
    archive = Path(__file__).parent.parent.parent.parent / "demo" / "archive" / "images-00000.tar"
    shipped = str(PRETRAINED / "detector")
    assert main([f"--detector={shipped}", f"--teacher={shipped}", f"--images={archive}", "--precision=float32"]) == 0
    assert json.loads(capsys.readouterr().out)["map50"] == 1
    assert main([f"--teacher={archive}", f"--images={archive}"]) == 2
    assert "images-00000.tar" in capsys.readouterr().err
