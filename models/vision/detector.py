"""What every detector gives, and which one a name stands for. Add a detector: a file like `onnx.py`, and a line here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.vision.canvas import Canvas


class DetectorError(ValueError):
    """The detector cannot be loaded; the message is one sentence with the cure."""


@dataclass(frozen=True, slots=True)
class Detections:
    """Objects of one picture, best first: labels (K,) int64, scores (K,) float32, boxes (K, 4) float32 xyxy in pixels
    of the original picture; grid (49, C) float16, or None where the detector makes none."""

    labels: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    grid: np.ndarray | None


class Detector(Protocol):
    """A loaded detector.

    Attributes:
        name: what it is called, with the beginning of its file's SHA-256.
        names: class names by id.
        side: S, pixels of the square that it reads.
        grid_width: C, channels of its grid; 0 where it makes none.
    """

    name: str
    names: tuple[str, ...]
    side: int
    grid_width: int

    def detect(self, canvases: Sequence[Canvas]) -> list[Detections]:
        """Objects of each picture; what is found in one does not depend on the others."""
        ...


def load_detector(spec: str, device: str, threads: int) -> Detector:
    """The detector that a name stands for.

    Args:
        spec: `.onnx` file, `.pt` file or name, `.yaml` name (random weights), or folder of a shipped detector.
        device: of the network.
        threads: pictures at a time on a CPU; what is found does not depend on it.

    Raises:
        DetectorError: it is none of these, cannot be had, or is damaged.
    """
    path = Path(spec)
    if path.suffix == ".onnx":
        from models.vision.onnx import OnnxDetector

        return OnnxDetector(path, device, threads)
    if path.suffix in (".pt", ".yaml") or (path / "config.json").is_file():
        from models.vision.yolo import YoloDetector

        return YoloDetector(spec, device, threads)
    raise DetectorError(f"--detector {spec!r} is no .onnx file, ultralytics .pt or .yaml name, or detector folder; 'none' runs without")


def to_tensor(canvases: Sequence[Canvas]) -> Tensor:
    """(B, 3, S, S) float32 in [0, 1], RGB."""
    stacked = torch.from_numpy(np.stack([canvas.pixels for canvas in canvases]))
    return stacked.permute(0, 3, 1, 2).float() / 255


def detections(canvas: Canvas, found: Tensor, grid: Tensor | None) -> Detections:
    """One picture's part of a network's output; `found` as `nms.select` gives it."""
    found = found.cpu()
    return Detections(
        labels=found[:, 5].long().numpy(),
        scores=found[:, 4].numpy().copy(),
        boxes=canvas.to_original(found[:, :4].numpy()),
        grid=None if grid is None else grid.half().cpu().numpy(),
    )
