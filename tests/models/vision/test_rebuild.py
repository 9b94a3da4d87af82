"""Rebuilding a detector from an ONNX file of random weights, against the formula of one weight at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from safetensors.numpy import load_file

from archive.digest import file_sha256
from models.vision.detectors.ultralytics_network import empty_network
from models.vision.detectors.yolo import YoloDetector
from models.vision.rebuild import CONSTANT, main

ARCHITECTURE = "yolov8n.yaml"
NAMES = {1: "cat", 0: "person"}


@dataclass(frozen=True)
class Quantised:
    """A tensor as it is stored."""

    q: np.ndarray
    scale: float
    zero_point: int


def random_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray | Quantised]:
    """Biases as they are; other weights in 8 bits, with a sign in every second one."""
    chance = np.random.default_rng(0)
    weights: dict[str, np.ndarray | Quantised] = {}
    for place, (name, shape) in enumerate(shapes.items()):
        if name.endswith("bias"):
            weights[name] = chance.normal(size=shape).astype(np.float32)
        else:
            low, high, kind = (-128, 127, np.int8) if place % 4 else (0, 255, np.uint8)
            q = chance.integers(low, high, shape, dtype=kind, endpoint=True)
            q.flat[:2] = low, high  # differences from the zero point do not fit in 8 bits
            weights[name] = Quantised(q, float(np.float32(chance.uniform(1e-4, 2e-3))), int(chance.integers(low, high)))
    return weights


def write_onnx(path: Path, weights: dict[str, np.ndarray | Quantised]) -> None:
    """A file with the names that onnxruntime's quantisation gives."""
    arrays: dict[str, np.ndarray] = {}
    for name, stored in weights.items():
        if isinstance(stored, Quantised):
            arrays[f"{name}_quantized"] = stored.q
            arrays[f"{name}_scale"] = np.array(stored.scale, np.float32)
            arrays[f"{name}_zero_point"] = np.array(stored.zero_point, stored.q.dtype)
        else:
            arrays[name] = stored
    graph = helper.make_graph([], "weights", [], [], [numpy_helper.from_array(array, name) for name, array in arrays.items()])
    model = helper.make_model(graph)
    helper.set_model_props(model, {"names": str(NAMES)})
    onnx.save(model, str(path))


@pytest.fixture(scope="module")
def shapes() -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in empty_network(ARCHITECTURE).state_dict().items()}


def test_weights_equal_the_formula_and_the_description_is_theirs(tmp_path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    weights = random_weights({name: shape for name, shape in shapes.items() if not name.endswith(CONSTANT)})
    assert {stored.q.dtype.name for stored in weights.values() if isinstance(stored, Quantised)} == {"int8", "uint8"}
    write_onnx(tmp_path / "detector.onnx", weights)
    assert main(["--onnx", str(tmp_path / "detector.onnx"), "--output", str(tmp_path / "detector")]) == 0
    rebuilt = load_file(tmp_path / "detector" / "model.safetensors")
    assert {name: array.shape for name, array in rebuilt.items()} == shapes
    assert {array.dtype.name for array in rebuilt.values()} == {"float16"}
    chance = np.random.default_rng(1)
    for name, stored in weights.items():
        size = rebuilt[name].size
        for place in (0, min(1, size - 1), size - 1, *chance.integers(0, size, 50).tolist()):
            if isinstance(stored, Quantised):
                expected = stored.scale * (int(stored.q.flat[place]) - stored.zero_point)
            else:
                expected = float(stored.flat[place])
            assert float(rebuilt[name].flat[place]) == pytest.approx(expected, rel=2**-10, abs=2**-24), (name, place)
    (bins,) = (array for name, array in rebuilt.items() if name.endswith(CONSTANT))
    assert bins.flatten().tolist() == list(range(16))
    config = json.loads((tmp_path / "detector" / "config.json").read_text())
    assert config["names"] == ["person", "cat"]
    assert config["sha256"] == file_sha256(tmp_path / "detector" / "model.safetensors")
    assert config["licence"] == "AGPL-3.0"
    assert YoloDetector(str(tmp_path / "detector"), "cpu", 1).name == f"yolov8n@{config['sha256'][:12]}"


def test_a_file_without_a_weight_is_refused(tmp_path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    weights = random_weights({name: shape for name, shape in shapes.items() if not name.endswith(CONSTANT)})
    lost = next(name for name, stored in weights.items() if isinstance(stored, Quantised))
    del weights[lost]
    write_onnx(tmp_path / "detector.onnx", weights)
    with pytest.raises(KeyError, match=lost):
        main(["--onnx", str(tmp_path / "detector.onnx"), "--output", str(tmp_path / "detector")])
    assert not (tmp_path / "detector").exists()
