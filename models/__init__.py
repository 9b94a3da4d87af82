"""The models without Beam. `load` is the way to call them from Python."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.postner import Postner

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # OpenVINO would tell its maker of each import


def load(
    model: str | None = None,
    detector: str | None = None,
    device: str = "auto",
    threads: int = 0,
    ocr: str | None = None,
    precision: str = "auto",
) -> Postner:
    """Load a bundle and a detector, to annotate texts and their pictures with.

    Args:
        model: folder or address of a bundle, or its Hugging Face hub id; the shipped one if not given.
        detector: as `--detector`: `.onnx` file, ultralytics name, or `none`; the shipped one (AGPL-3.0) if not given.
        device: `auto`, `cpu`, `cuda` or `cuda:1`.
        threads: of the models on a CPU; 0 for one per core.
        ocr: as `--ocr`: `rapidocr` reads what is written in pictures; `none`, or not given, reads nothing.
        precision: number format of the networks, as `--precision`: `auto`, `float32`, `bfloat16`, or on a CPU `int8`.

    Raises:
        ValueError: a model cannot be loaded, or there is no such device or precision. The message is one sentence with the cure.
    """
    from models.postner import Postner  # takes seconds: torch

    return Postner(model, detector, device, threads, None if ocr == "none" else ocr, precision)
