"""What a GPU would run, on the CPU device: whole batches, bfloat16, and pictures that cross as bytes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import get_data_path
from PIL import Image
from torch import nn
from torch._dynamo.testing import CompileCounter

from archive.images.decode import Limits, Picture, decode
from models.pretrained import PRETRAINED
from models.vision.detectors import DetectorError
from models.vision.detectors.nms import select
from models.vision.detectors.ultralytics_network import find_network
from models.vision.detectors.yolo import YoloDetector
from models.vision.detectors.yolo_networks import YoloNetwork, YoloOnTorch, powers_of_two
from models.vision.images.canvas import Canvas, crop, cropped_sizes, letterbox, place
from models.vision.images.features import ImageFeatures
from models.vision.vision_model import VisionModel

SHIPPED = str(PRETRAINED / "detector")
HOPPER = Path(get_data_path()) / "sample_data" / "grace_hopper.jpg"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def canvases() -> list[Canvas]:
    """A photo as it is, mirrored, upside down and in other proportions."""
    photo = decode(HOPPER.read_bytes(), Limits(), 640)
    others = [photo.pixels[:, ::-1], photo.pixels[::-1], photo.pixels[:300], photo.pixels[:, 100:300]]
    return [letterbox(photo, 640), *(letterbox(Picture(np.ascontiguousarray(one), one.shape[1], one.shape[0]), 640) for one in others)]


@pytest.fixture(scope="module")
def in_float32() -> YoloDetector:
    return YoloDetector(SHIPPED, "cpu", 1, "float32", as_on_gpu=True)


def near(a: ImageFeatures, b: ImageFeatures, pixels: float, score: float) -> None:
    assert a.grid is not None
    assert b.grid is not None
    assert a.labels.tolist() == b.labels.tolist()
    assert np.abs(a.boxes - b.boxes).max(initial=0) < pixels
    assert np.abs(a.scores - b.scores).max(initial=0) < score
    assert np.abs(a.grid - b.grid).mean() < score * np.abs(b.grid).mean()


def test_a_batch_gives_what_single_pictures_give(in_float32: YoloDetector, canvases: list[Canvas]) -> None:
    sizes: list[int] = []
    network = in_float32.network.network  # type: ignore[union-attr]
    with network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0]))):
        together = in_float32.detect(canvases)
    assert sizes == [len(canvases)]
    assert sum(len(features.labels) for features in together) > 3
    for canvas, features in zip(canvases, together, strict=True):
        near(features, in_float32.detect([canvas])[0], pixels=0.01, score=1e-3)


def test_a_batch_that_does_not_fit_gives_the_same(in_float32: YoloDetector, canvases: list[Canvas]) -> None:
    def full(_module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        if len(inputs[0]) > 2:
            raise torch.OutOfMemoryError

    expected = in_float32.detect(canvases)
    with in_float32.network.network.register_forward_pre_hook(full):  # type: ignore[union-attr]
        found = in_float32.detect(canvases)
    for one, other in zip(found, expected, strict=True):
        near(one, other, pixels=0.01, score=1e-3)


def test_bfloat16_finds_the_same_objects_within_pixels(in_float32: YoloDetector, canvases: list[Canvas]) -> None:
    halved = YoloDetector(SHIPPED, "cpu", 1, "bfloat16", as_on_gpu=True)
    network = halved.network.network  # type: ignore[union-attr]
    assert YoloDetector(SHIPPED, "cpu", 1, "int8", as_on_gpu=True).engine == "torch float32"
    assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16, torch.float32}
    assert halved.engine == "torch bfloat16"
    for one, other in zip(halved.detect(canvases[:3]), in_float32.detect(canvases[:3]), strict=True):
        sure = other.scores > 0.5
        assert sure.any()
        assert one.labels[: sure.sum()].tolist() == other.labels[sure].tolist()
        assert np.abs(one.boxes[: sure.sum()] - other.boxes[sure]).max() < 6


class _SmallNetwork(nn.Module):
    """As `YoloNetwork`, but compiled in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3, stride=32)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.layer(pixels.permute(0, 3, 1, 2).float() / 255)
        return features.flatten(1), features


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU: install g++")
def test_compiled_by_torch_batches_are_split_and_give_the_same(canvases: list[Canvas]) -> None:
    made = YoloOnTorch(_SmallNetwork(), CPU, "float32")  # type: ignore[arg-type]
    with torch.inference_mode():
        expected = made(canvases[:3])
        made.compile()
        compiled, sizes = made.network, []
        made.network = lambda pixels: (sizes.append(len(pixels)), compiled(pixels))[1]  # type: ignore[func-returns-value]
        for one, other in zip(made(canvases[:3]), expected, strict=True):
            torch.testing.assert_close(one, other)
    assert sizes == [2, 1]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_torch_compiles_the_whole_network_once_for_each_size(
    precision: str, canvases: list[Canvas], monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = CompileCounter()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=graphs))
    detector = YoloDetector(SHIPPED, "cpu", 1, precision, as_on_gpu=True)
    expected = detector.detect(canvases[:3])
    detector.compile()
    assert (graphs.frame_count, detector.engine) == (1, f"torch compiled {precision}")
    for count in (3, 1, 2, 5):
        detector.detect((canvases * 2)[:count])
    assert graphs.frame_count == 3  # of 1, 2 and 4 pictures
    for one, other in zip(detector.detect(canvases[:3]), expected, strict=True):
        assert one.labels.tolist() == other.labels.tolist()


def test_what_torch_cannot_compile_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("no compiler")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=broken))
    detector = YoloDetector(SHIPPED, "cpu", 1, as_on_gpu=True)
    with pytest.raises(DetectorError, match=r"--compile: .* install a C compiler .*no compiler"):
        detector.compile()


@given(st.integers(0, 10_000))
def test_powers_of_two_add_up(count: int) -> None:
    powers = powers_of_two(count)
    assert sum(powers) == count
    assert powers == sorted(set(powers), reverse=True)
    assert all(power.bit_count() == 1 for power in powers)


def test_bytes_reach_the_network_unchanged(canvases: list[Canvas]) -> None:
    made = YoloOnTorch(YoloNetwork(find_network(SHIPPED).build()), CPU, "float32")
    pixels = made.upload(canvases)
    assert pixels.dtype == torch.uint8
    assert (pixels.numpy() == np.stack([canvas.pixels for canvas in canvases])).all()
    with torch.inference_mode():
        output, features = made(canvases[:1])
    assert features.shape[0] == 1
    assert len(select(output)) == 1


@given(st.integers(1, 640), st.integers(1, 640), st.integers(0, 99))
@settings(max_examples=40)
def test_pictures_are_scaled_on_the_device_as_by_opencv(width: int, height: int, seed: int) -> None:
    noise = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8))
    picture = Picture(np.asarray(noise.resize((width, height))), 3 * width, 3 * height)
    made = YoloOnTorch(nn.Identity(), CPU, "float32")  # type: ignore[arg-type]
    on_device = made.upload([place(picture, 640), letterbox(picture, 640)]).numpy().astype(int)
    assert np.abs(on_device[0] - on_device[1]).max() <= 1


def test_pictures_that_the_device_scales_have_the_same_objects(in_float32: YoloDetector) -> None:
    preprocess = VisionModel(in_float32, None).preprocessing(Limits())
    assert preprocess.by_device
    here = replace(preprocess, by_device=False)
    small = decode(HOPPER.read_bytes(), Limits(), 256)
    assert preprocess.scale(small).canvas.pixels is small.pixels
    (one,), (other,) = (in_float32.detect([way.scale(small).canvas]) for way in (preprocess, here))
    sure = other.scores > 0.5
    assert sure.any()
    assert one.labels[: sure.sum()].tolist() == other.labels[sure].tolist()
    assert np.abs(one.boxes[: sure.sum()] - other.boxes[sure]).max() < 1
    assert np.abs(one.scores[: sure.sum()] - other.scores[sure]).max() < 0.02
    square = np.random.default_rng(0).integers(0, 256, (640, 640, 3), np.uint8)
    for large in (Picture(square, 2557, 2560), Picture(square[:, :641], 641, 640)):
        canvases = [way.scale(large).canvas for way in (preprocess, here)]
        assert (canvases[0].pixels == canvases[1].pixels).all()


def test_all_shapes_of_cropped_pictures_are_known() -> None:
    sizes = set()
    for width in range(40, 641, 5):
        for height, wide in ((640, width), (width, 640)):
            picture = Picture(np.zeros((height, wide, 3), np.uint8), wide, height)
            sizes.add(crop(letterbox(picture, 640)).pixels.shape[:2])
    assert sizes == set(cropped_sizes(640))
