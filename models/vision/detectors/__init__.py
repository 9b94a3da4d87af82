"""Detectors. Add one: a file like `onnx.py`, and a line in `DETECTORS`."""

from __future__ import annotations

from models.vision.detectors.detector import Detector, DetectorError
from models.vision.detectors.onnx import OnnxDetector
from models.vision.detectors.yolo import YoloDetector

__all__ = ["DETECTORS", "Detector", "DetectorError", "load_detector"]

DETECTORS: tuple[type[Detector], ...] = (
    OnnxDetector,
    YoloDetector,
)
"""The first one that takes a name loads it."""


def load_detector(spec: str, device: str, threads: int) -> Detector:
    """Load the detector that takes a name.

    Args:
        spec: `.onnx` file, `.pt` file or name, `.yaml` name (random weights), or folder of a shipped detector.
        device: of the network.
        threads: pictures at a time on a CPU; the objects do not depend on it.

    Raises:
        DetectorError: no detector takes the name, or its file is missing or damaged.
    """
    for detector in DETECTORS:
        if detector.takes(spec):
            return detector(spec, device, threads)
    raise DetectorError(f"--detector {spec!r} is no .onnx file, ultralytics .pt or .yaml name, or detector folder; 'none' runs without")
