"""Detectors as ultralytics exports them to ONNX, by onnxruntime."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from models.vision.canvas import Canvas
from models.vision.detector import Detections, DetectorError, detections, file_sha256, to_tensor
from models.vision.nms import select
from models.vision.passes import Passes


class OnnxDetector:
    """See `Detector`. Makes no grid: an export has no output for it."""

    grid_width = 0

    def __init__(self, path: Path, device: str, threads: int) -> None:
        if not path.is_file():
            raise DetectorError(f"--detector {str(path)!r}: there is no such file")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # torch and decoding share the cores
        options.log_severity_level = 3
        providers = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
        available = [p for p in providers if p in onnxruntime.get_available_providers()]
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=[*available, "CPUExecutionProvider"])
            meta = self._session.get_modelmeta().custom_metadata_map
            names = ast.literal_eval(meta["names"])
            self.side = max(ast.literal_eval(meta["imgsz"]))
            self._input = self._session.get_inputs()[0]
        except Exception as error:  # onnxruntime raises a dozen kinds of its own
            raise DetectorError(f"--detector {str(path)!r} is no ONNX export of an ultralytics detector: {str(error)[:200]}") from error
        self.names = tuple(names[i] for i in range(len(names)))
        self.name = f"{path.name}@{file_sha256(path)[:12]}"

    def detect(self, canvases: Sequence[Canvas]) -> list[Detections]:
        """Objects of each picture. A fixed batch of the export is filled up with empty pictures."""
        if not canvases:
            return []
        fixed = self._input.shape[0]
        size = fixed if isinstance(fixed, int) else 1  # a dynamic batch is no faster on a CPU, and rounds by its size
        pixels = to_tensor(canvases).numpy()
        outputs = []
        for start in range(0, len(pixels), size):
            chunk = pixels[start : start + size]
            padding = np.zeros((size - len(chunk), *chunk.shape[1:]), np.float32)
            output = self._session.run(None, {self._input.name: np.concatenate([chunk, padding])})[0]
            outputs.append(torch.from_numpy(output[: len(chunk)]))
        found = select(torch.cat(outputs))
        return [detections(canvas, objects, None) for canvas, objects in zip(canvases, found, strict=True)]
