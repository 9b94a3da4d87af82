"""Object detectors. To add one, write a file like `onnx.py` and add its class to `DETECTORS`."""

from __future__ import annotations

from models.vision.detectors.detector import Detector, DetectorError
from models.vision.detectors.onnx import OnnxDetector
from models.vision.detectors.yolo import YoloDetector

__all__ = ["DETECTORS", "Detector", "DetectorError", "YoloDetector", "load_detector"]

DETECTORS: tuple[type[Detector], ...] = (
    OnnxDetector,
    YoloDetector,
)
"""The first one that accepts a name loads it."""


def load_detector(spec: str, device: str, threads: int, precision: str = "float32") -> Detector:
    """Load a detector.

    Args:
        spec: `.onnx` file, `.pt` file or name, `.yaml` name (random weights), or folder of a detector.
        device: of the network.
        threads: pictures that run in parallel on a CPU; the results do not depend on it.
        precision: number format, as `usable_precision` returns it.

    Raises:
        DetectorError: no detector accepts the name, or its file is missing or damaged.
    """
    for detector in DETECTORS:
        if detector.accepts(spec):
            return detector(spec, device, threads, precision)
    raise DetectorError(
        f"--detector {spec!r} is not an .onnx file, an ultralytics .pt or .yaml name, or a detector folder: give one of these, or 'none'"
    )
