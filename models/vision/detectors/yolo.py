"""Detectors built by ultralytics: on a CPU by OpenVINO, elsewhere by torch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from archive.images.decode import Picture
from models.inference.pool import InferencePool
from models.inference.precision import float_precision, has_runtime
from models.vision.detectors.detector import DetectorError, to_features
from models.vision.detectors.nms import select
from models.vision.detectors.ultralytics_network import NetworkSource, find_network
from models.vision.detectors.yolo_networks import YoloNetwork, YoloOnOpenVino, YoloOnTorch
from models.vision.images.canvas import Canvas, crop, letterbox
from models.vision.images.features import GRID_SIDE, ImageFeatures

log = logging.getLogger(__name__)


class YoloDetector:
    """An ultralytics detector. See `Detector`. Its grid is the output of the last layer of its backbone, from the same pass.

    On a CPU pictures are cropped to rectangles, and the network is compiled for each of their shapes.

    Args:
        spec: `.pt` file or name (ultralytics downloads it), `.yaml` name (random weights), or folder with `config.json`
            and `model.safetensors`.
        device: of the network.
        threads: pictures that run in parallel on a CPU.
        precision: number format.
        as_on_gpu: run by torch and in batches, whatever the device; for tests and measurements.
    """

    side = 640

    def __init__(self, spec: str, device: str, threads: int, precision: str = "float32", as_on_gpu: bool = False) -> None:
        source = find_network(spec)
        self.name, self.names = source.name, source.names
        self._pool = InferencePool(torch.device(device), threads, as_on_gpu)
        if precision == "int8" and not source.int8:
            precision = float_precision()
        by_openvino = device == "cpu" and has_runtime() and not as_on_gpu
        on_openvino = _on_openvino(source, threads, precision) if by_openvino else None
        self.network = on_openvino or YoloOnTorch(YoloNetwork(source.build()), torch.device(device), precision)
        self.scales_pictures = device != "cpu" or as_on_gpu
        found = self._pool.warm_up(self._detect, _blank(self.side))
        assert found.grid is not None
        self.grid_width = found.grid.shape[1]

    @staticmethod
    def accepts(spec: str) -> bool:
        """Return True for `.pt` and `.yaml` names, and for folders with `config.json`."""
        return Path(spec).suffix in (".pt", ".yaml") or (Path(spec) / "config.json").is_file()

    def detect(self, canvases: Sequence[Canvas]) -> list[ImageFeatures]:
        """Return the objects and the grid of each picture."""
        return self._pool.run(self._detect, [crop(canvas) for canvas in canvases] if self.network.reads_rectangles else canvases)

    @property
    def engine(self) -> str:
        """See `Detector`."""
        return self.network.name

    def compile(self) -> None:
        """See `Detector`."""
        if not isinstance(self.network, YoloOnTorch):
            return
        self.network.compile()
        try:
            self._pool.run(self._detect, [_blank(self.side)])
        except Exception as error:  # torch, Triton and compilers raise errors of their own
            reason = " ".join(str(error).split())[:200]
            raise DetectorError(f"--compile: torch cannot compile {self.name}, leave it out or install a C compiler ({reason})") from error

    def prepare(self) -> None:
        """See `Detector`."""
        self.network.prepare()

    def _detect(self, canvases: Sequence[Canvas]) -> list[ImageFeatures]:
        output, features = self.network(canvases)
        grids = torch.stack([_grid(canvas, of_one) for canvas, of_one in zip(canvases, features, strict=True)]).half().cpu()
        return [to_features(canvas, objects, grid) for canvas, objects, grid in zip(canvases, select(output), grids, strict=True)]


def _on_openvino(source: NetworkSource, threads: int, precision: str) -> YoloOnOpenVino | None:
    """Return a network on OpenVINO, None if it cannot run it."""
    try:
        return YoloOnOpenVino(source, threads, precision, YoloDetector.side)
    except Exception as error:  # networks are of any kind, and what converts them raises errors of several libraries
        log.warning("%s runs by torch, more slowly: OpenVINO cannot run it (%s)", source.name, " ".join(str(error).split())[:200])
        return None


def _blank(side: int) -> Canvas:
    return letterbox(Picture(np.zeros((1, 1, 3), np.uint8), 1, 1), side)


def _grid(canvas: Canvas, features: Tensor) -> Tensor:
    """Pool the part of a feature map (C, H, W) that shows the picture, without its grey border, to (49, C)."""
    stride = canvas.side / max(features.shape[1:])  # one side of a cropped canvas is as long as the square
    left, top = int(canvas.left / stride), int(canvas.top / stride)
    right, bottom = max(left + 1, -int(-canvas.right // stride)), max(top + 1, -int(-canvas.bottom // stride))
    shown = features[:, top:bottom, left:right].float()
    return functional.adaptive_avg_pool2d(shown, GRID_SIDE).flatten(1).T
