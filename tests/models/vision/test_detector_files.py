"""What `--detector` may name, and what is refused in one sentence."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from models.pretrained import PRETRAINED
from models.vision.detectors import DetectorError, load_detector
from models.vision.detectors.ultralytics_network import find_network

SHIPPED = PRETRAINED / "detector"


@pytest.fixture(autouse=True)
def pillow_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that import ultralytics by themselves let it replace `Image.open`: what comes after gets the real one."""
    monkeypatch.setattr(Image, "open", Image.open)


def test_yaml_name_gives_the_same_random_network_each_time() -> None:
    one, two = (find_network("yolov8n.yaml") for _ in range(2))
    assert one.digest == two.digest


@pytest.mark.parametrize("spec", ["nothing.onnx", "no-such-model.pt", "folder-that-is-not", "photo.jpg"])
def test_detectors_that_are_not_there_are_one_sentence(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YOLO_OFFLINE", "1")
    with pytest.raises(DetectorError, match="--detector"):
        load_detector(spec, "cpu", 1)


def test_a_file_that_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not onnx")
    with pytest.raises(DetectorError, match="no ONNX export"):
        load_detector(str(tmp_path / "x.onnx"), "cpu", 1)


@pytest.mark.parametrize("task", ["seg", "cls"])
def test_models_of_other_tasks_are_refused(task: str) -> None:
    with pytest.raises(DetectorError, match="give one for 'detect'"):
        load_detector(f"yolov8n-{task}.yaml", "cpu", 1)


def test_a_detector_folder_cannot_name_a_pickle(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "other.pt", "sha256": hashlib.sha256(b"").hexdigest()}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(DetectorError, match=r"no name of an ultralytics \.yaml"):
        load_detector(str(tmp_path), "cpu", 1)


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    torch.save({"model": _Evil(tmp_path / "was-run")}, tmp_path / "evil.pt")
    with pytest.raises(DetectorError, match=r"evil\.pt"):
        load_detector(str(tmp_path / "evil.pt"), "cpu", 1)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize(
    ("change", "file"),
    [
        ({"sha256": "0" * 64}, "model.safetensors"),
        ({"int8": {"int8.xml": "0" * 64, "int8.bin": "0" * 64}}, "int8.xml"),
        ({"int8": {}}, "int8.xml"),
    ],
)
def test_changed_weights_are_refused(tmp_path: Path, change: dict[str, Any], file: str) -> None:
    shutil.copytree(SHIPPED, tmp_path / "detector")
    config = json.loads((tmp_path / "detector" / "config.json").read_text())
    (tmp_path / "detector" / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(DetectorError, match=f"{file} is not the file"):
        load_detector(str(tmp_path / "detector"), "cpu", 1)
