"""Detectors against ultralytics' own prediction, and suppression against a loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import get_data_path
from PIL import Image

from archive.images import fetch, find_shards, members_by_name
from archive.images.decode import Limits, Picture, decode
from archive.images.image_error import ImageError
from models.inference.precision import float_precision, usable_precision
from models.pretrained import PRETRAINED
from models.vision.detection_scores import agreement
from models.vision.detectors import Detector, YoloDetector, load_detector
from models.vision.detectors.nms import select
from models.vision.detectors.ultralytics_network import find_network
from models.vision.images.canvas import Canvas, letterbox
from models.vision.images.features import ImageFeatures
from models.vision.vision_model import VisionModel

DEMO = Path(__file__).parents[3] / "demo" / "archive"
SHIPPED = PRETRAINED / "detector"
HOPPER = Path(get_data_path()) / "sample_data" / "grace_hopper.jpg"


@pytest.fixture(autouse=True)
def pillow_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that import ultralytics by themselves let it replace `Image.open`: what comes after gets the real one."""
    monkeypatch.setattr(Image, "open", Image.open)


@pytest.fixture(scope="module")
def shipped() -> Detector:
    torch.set_num_threads(1)
    return load_detector(str(SHIPPED), "cpu", 1)


@pytest.fixture(scope="module")
def hopper() -> Picture:
    return decode(HOPPER.read_bytes(), Limits(), 640)


def overlap(a: list[float], b: list[float]) -> float:
    common = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def slow_survivors(boxes: list[list[float]], classes: list[int], iou: float) -> list[int]:
    kept: list[int] = []
    for j in range(len(boxes)):
        if not any(classes[i] == classes[j] and overlap(boxes[i], boxes[j]) > iou for i in kept):
            kept.append(j)
    return kept


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(0, 40), st.floats(0.05, 0.9))
def test_suppression_keeps_what_the_greedy_loop_keeps(seed: int, count: int, iou: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    centre, size = torch.rand(count, 2, generator=generator) * 20 + 15, 5 + torch.rand(count, 2, generator=generator) * 20
    classes = torch.randint(0, 3, (count,), generator=generator)
    scores = torch.linspace(0.9, 0.3, count)
    output = torch.cat([centre, size, torch.nn.functional.one_hot(classes, 3) * scores[:, None]], dim=1).T[None]
    output = torch.nn.functional.pad(output, (0, 50))  # anchors without an object
    boxes = torch.cat([centre - size / 2, centre + size / 2], dim=1)
    (found,) = select(output, iou)
    kept = slow_survivors(boxes.tolist(), classes.tolist(), iou)
    assert found[:, 4].tolist() == scores[kept].tolist()
    assert torch.equal(found[:, :4], boxes[kept])


def test_equals_ultralytics_on_the_same_network_output(shipped: Detector, hopper: Picture) -> None:
    from ultralytics.utils.nms import non_max_suppression

    torch.manual_seed(0)
    raw = torch.rand(3, 84, 900)
    raw[:, :4] *= 600
    raw[:, 4:] = raw[:, 4:] ** 12  # few confident ones
    theirs = non_max_suppression(raw.clone(), conf_thres=0.25, iou_thres=0.7, max_det=300, max_nms=2000)
    for mine, other in zip(select(raw), theirs, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-3, rtol=1e-4)


def test_equals_ultralytics_prediction_of_an_onnx_file(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOLO_OFFLINE", "1")
    monkeypatch.setenv("YOLO_AUTOINSTALL", "0")
    from ultralytics import YOLO

    weights = shared / "weights" / "yolov8n_int8.onnx"
    (theirs,) = YOLO(str(weights), task="detect").predict(str(HOPPER), verbose=False)
    detector = load_detector(str(weights), "cpu", 1)
    (mine,) = detector.detect([letterbox(decode(HOPPER.read_bytes(), Limits(), 10**6), detector.side)])
    assert mine.labels.tolist() == theirs.boxes.cls.int().tolist()
    np.testing.assert_allclose(mine.boxes, theirs.boxes.xyxy.numpy(), atol=1.5)
    np.testing.assert_allclose(mine.scores, theirs.boxes.conf.numpy(), atol=0.02)


def test_finds_the_person_and_makes_a_grid(shipped: Detector, hopper: Picture) -> None:
    (found,) = shipped.detect([letterbox(hopper, shipped.side)])
    best = found.boxes[0]
    assert shipped.names[found.labels[0]] == "person"
    assert found.scores[0] > 0.8
    assert (best >= 0).all()
    assert (best <= [hopper.width, hopper.height] * 2).all()
    assert found.grid is not None
    assert found.grid.shape == (49, shipped.grid_width)


def same(a: ImageFeatures, b: ImageFeatures) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("labels", "scores", "boxes", "grid"))


def can(precision: str) -> bool:
    try:
        return usable_precision(precision, "cpu") == precision
    except ValueError:
        return False


EACH_PRECISION = pytest.mark.parametrize("precision", [name for name in ("float32", "bfloat16", "int8") if can(name)])


@EACH_PRECISION
def test_a_picture_does_not_depend_on_its_batch(jpeg: Callable[..., bytes], precision: str) -> None:
    torch.set_num_threads(1)
    vision_model = VisionModel.load(str(SHIPPED), threads=2, precision=precision)
    preprocessed = [vision_model.preprocess(HOPPER.read_bytes(), Limits())] + [
        vision_model.preprocess(jpeg(i, (90 + 20 * i, 130)), Limits()) for i in range(8)
    ]
    alone = [vision_model.extract([one])[0] for one in preprocessed]
    for size in (7, 32):
        together = [image_features for i in range(0, 9, size) for image_features in vision_model.extract(preprocessed[i : i + size])]
        assert all(same(a, b) for a, b in zip(alone, together, strict=True))


@EACH_PRECISION
def test_a_picture_does_not_depend_on_threads(jpeg: Callable[..., bytes], precision: str) -> None:
    vision_model, other = (VisionModel.load(str(SHIPPED), threads=threads, precision=precision) for threads in (1, 2))
    preprocessed = [vision_model.preprocess(jpeg(i, size), Limits()) for i, size in enumerate([(90, 60), (60, 90)] * 2)]
    alone = vision_model.extract(preprocessed)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert all(same(a, b) for a, b in zip(alone, other.extract(preprocessed), strict=True))
        with ThreadPoolExecutor(2) as callers:  # Beam's worker shares one model among its threads
            at_once = list(callers.map(lambda one: other.extract([one])[0], preprocessed * 2))
    finally:
        torch.set_num_threads(before)
    assert all(same(a, b) for a, b in zip(alone * 2, at_once, strict=True))


@pytest.fixture(scope="module")
def demo_pictures() -> list[Canvas]:
    members = list(members_by_name(find_shards([str(DEMO / "images-*.tar")], "--images").shards)[0].values())
    pictures = [data for _, data in fetch(members, Limits.max_image_bytes) if isinstance(data, bytes)]
    canvases = []
    for data in pictures:
        with suppress(ImageError):
            canvases.append(letterbox(decode(data, Limits(), 640), 640))
    return canvases[:10]


@EACH_PRECISION
def test_each_precision_agrees_with_torch_on_squares(demo_pictures: list[Canvas], hopper: Picture, precision: str) -> None:
    fast = load_detector(str(SHIPPED), "cpu", 1, precision)
    quantised = find_network(str(SHIPPED)).int8
    assert fast.engine.startswith("openvino")
    assert fast.engine.endswith(precision if precision != "int8" or quantised else float_precision())
    exact = YoloDetector(str(SHIPPED), "cpu", 1, as_on_gpu=True)
    assert exact.engine == "torch float32"
    canvases = [*demo_pictures, letterbox(hopper, 640)]
    of_fast, of_exact = fast.detect(canvases), exact.detect(canvases)
    scores = agreement(of_fast, of_exact, exact.names)
    assert scores["recall"] > 0.8
    assert scores["precision"] > 0.8
    cosines = [
        float((a.grid * b.grid).sum() / np.sqrt((a.grid**2).sum() * (b.grid**2).sum()))
        for a, b in zip(map(in_float64, of_fast), map(in_float64, of_exact), strict=True)
    ]
    assert min(cosines) > 0.9


def in_float64(features: ImageFeatures) -> Any:
    assert features.grid is not None
    return replace(features, grid=features.grid.astype(float))


@pytest.mark.parametrize("dynamic", [False, True])
def test_onnx_export_of_ultralytics_fixed_and_dynamic(tmp_path: Path, dynamic: bool, hopper: Picture) -> None:
    from models.vision.detectors.ultralytics_network import empty_network

    network = empty_network("yolov8n.yaml")
    path = tmp_path / "net.onnx"
    axes = {"images": {0: "batch"}, "output0": {0: "batch"}} if dynamic else None
    size = (1 if dynamic else 2, 3, 320, 320)
    torch.onnx.export(
        network, (torch.zeros(size),), str(path), input_names=["images"], output_names=["output0"], dynamic_axes=axes, dynamo=False
    )
    describe(path, {"names": str(dict(enumerate("abc"))), "imgsz": "[320, 320]"})
    detector = load_detector(str(path), "cpu", 1)
    assert detector.side == 320
    assert detector.names == ("a", "b", "c")
    assert len(detector.detect([letterbox(hopper, 320)] * 3)) == 3


def describe(path: Path, metadata: dict[str, str]) -> None:
    import onnx

    model = onnx.load(str(path))
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(path))
