"""Detectors that ultralytics exported to ONNX, run by onnxruntime."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from archive.digest import file_sha256
from models.inference.pool import InferencePool
from models.vision.detectors.detector import DetectorError, to_features, to_tensor
from models.vision.detectors.nms import select
from models.vision.images.canvas import Canvas
from models.vision.images.features import ImageFeatures


class OnnxDetector:
    """An ONNX export. See `Detector`. It makes no grid, since an export does not output the feature map."""

    grid_width = 0
    engine = "onnxruntime float32"
    scales_pictures = False

    def __init__(self, spec: str, device: str, threads: int, precision: str = "float32") -> None:
        import onnxruntime  # only needed for an ONNX file

        path = Path(spec)
        if not path.is_file():
            raise DetectorError(f"--detector {str(path)!r}: there is no such file")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # `InferencePool` runs several pictures in parallel instead
        options.log_severity_level = 3
        providers = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
        available = [p for p in providers if p in onnxruntime.get_available_providers()]
        self._pool = InferencePool(torch.device("cpu"), threads)
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=[*available, "CPUExecutionProvider"])
            meta = self._session.get_modelmeta().custom_metadata_map
            names = ast.literal_eval(meta["names"])
            self.side = max(ast.literal_eval(meta["imgsz"]))
            self._input = self._session.get_inputs()[0]
            self._infer(torch.zeros(1, 3, self.side, self.side))
        except Exception as error:  # onnxruntime raises a dozen exception types of its own
            raise DetectorError(f"--detector {str(path)!r} is no ONNX export of an ultralytics detector: {str(error)[:200]}") from error
        if meta.get("task", "detect") != "detect":
            raise DetectorError(f"--detector {str(path)!r} is a model for {meta['task']!r}: export one for 'detect'")
        self.names = tuple(names[i] for i in range(len(names)))
        self.name = f"{path.name}@{file_sha256(path)[:12]}"

    @staticmethod
    def accepts(spec: str) -> bool:
        """Return True for `.onnx` files."""
        return Path(spec).suffix == ".onnx"

    def detect(self, canvases: Sequence[Canvas]) -> list[ImageFeatures]:
        """Return the objects of each picture."""
        return self._pool.run(self._detect, canvases)

    def compile(self) -> None:
        """See `Detector`; onnxruntime has done it."""

    def prepare(self) -> None:
        """See `Detector`; nothing is left to do."""

    def _detect(self, canvases: Sequence[Canvas]) -> list[ImageFeatures]:
        found = select(self._infer(to_tensor(canvases)))
        return [to_features(canvas, objects, None) for canvas, objects in zip(canvases, found, strict=True)]

    def _infer(self, pixels: Tensor) -> Tensor:
        """Return the output for one picture, (1, ...). An export with a fixed batch size gets copies of it, so export with 1."""
        batch = self._input.shape[0]
        filled = pixels.expand(batch if isinstance(batch, int) else 1, -1, -1, -1)
        return torch.from_numpy(self._session.run(None, {self._input.name: filled.numpy()})[0][:1])
