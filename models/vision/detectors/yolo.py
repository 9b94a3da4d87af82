"""Detectors built by ultralytics: on a CPU by OpenVINO, elsewhere by torch."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.inference.engine import Engine
from models.inference.pool import InferencePool
from models.inference.precision import float_precision, has_runtime
from models.vision.detectors.detector import to_features
from models.vision.detectors.nms import select
from models.vision.detectors.ultralytics_network import NetworkSource, find_network
from models.vision.images.canvas import Canvas, crop
from models.vision.images.features import GRID_SIDE, ImageFeatures

if TYPE_CHECKING:
    import openvino

log = logging.getLogger(__name__)

VERSION = 1
"""Of what is made of a network; compiled networks of another version are not used."""

LARGE_BYTES = 64 * 2**20
"""A network with more weights is compiled once for all shapes, since each compiled one holds its own."""

Run = Callable[[np.ndarray], tuple[Tensor, Tensor]]
"""(B, H, W, 3) uint8 RGB to raw predictions, (B, ...), and features of the cells, (B, C, H / stride, W / stride)."""


class YoloDetector:
    """An ultralytics detector. See `Detector`. Its grid is the output of the last layer of its backbone, from the same pass.

    On a CPU pictures are cropped to rectangles, and the network is compiled for each of their shapes.

    Args:
        spec: `.pt` file or name (ultralytics downloads it), `.yaml` name (random weights), or folder with `config.json`
            and `model.safetensors`.
        device: of the network.
        threads: pictures that run in parallel on a CPU.
        precision: number format.
        is_reference: run by torch on squares, as everything else is compared with, also on a CPU.
    """

    side = 640

    def __init__(self, spec: str, device: str, threads: int, precision: str = "float32", is_reference: bool = False) -> None:
        source = find_network(spec)
        self.name, self.names = source.name, source.names
        self._pool = InferencePool(torch.device(device), threads)
        runtime = by_torch(source, torch.device(device), precision) if is_reference else _runtime(source, device, threads, precision)
        self._run, self._reads_rectangles, self.engine = runtime
        (found,) = self.detect([Canvas(np.zeros((self.side, self.side, 3), np.uint8), 0, 0, self.side, self.side, self.side, self.side)])
        assert found.grid is not None
        self.grid_width = found.grid.shape[1]

    @staticmethod
    def accepts(spec: str) -> bool:
        """Return True for `.pt` and `.yaml` names, and for folders with `config.json`."""
        return Path(spec).suffix in (".pt", ".yaml") or (Path(spec) / "config.json").is_file()

    def detect(self, canvases: Sequence[Canvas]) -> list[ImageFeatures]:
        """Return the objects and the grid of each picture."""
        return self._pool.run(self._detect, [crop(canvas) for canvas in canvases] if self._reads_rectangles else canvases)

    def _detect(self, canvases: Sequence[Canvas]) -> list[ImageFeatures]:
        output, features = self._run(np.stack([canvas.pixels for canvas in canvases]))
        grids = [_grid(canvas, of_one) for canvas, of_one in zip(canvases, features, strict=True)]
        return [to_features(canvas, objects, grid) for canvas, objects, grid in zip(canvases, select(output), grids, strict=True)]


class YoloNetwork(nn.Module):
    """A network of ultralytics that also returns the output of the last layer of its backbone.

    Args:
        network: from `NetworkSource.build`.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self._of_thread = threading.local()  # several threads may detect at once
        network.model[len(network.yaml["backbone"]) - 1].register_forward_hook(self._store_features)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See `Run`."""
        output = self.network(pixels.permute(0, 3, 1, 2).float() / 255)
        return output[0] if isinstance(output, tuple) else output, self._of_thread.features

    def _store_features(self, _module: Any, _inputs: Any, features: Tensor) -> None:
        self._of_thread.features = features


def _runtime(source: NetworkSource, device: str, threads: int, precision: str) -> tuple[Run, bool, str]:
    """Return what runs the network, whether it takes rectangles, and its name."""
    if precision == "int8" and not source.int8:
        precision = float_precision()
    if device == "cpu" and has_runtime():
        try:
            return by_openvino(source, threads, precision)
        except Exception as error:  # networks are of any kind, and what converts them raises errors of several libraries
            log.warning("%s runs by torch, more slowly: OpenVINO cannot run it (%s)", source.name, " ".join(str(error).split())[:200])
    return by_torch(source, torch.device(device), precision)


def by_openvino(source: NetworkSource, threads: int, precision: str) -> tuple[Run, bool, str]:
    """Return what `_runtime` does, for a CPU."""

    def convert() -> openvino.Model:
        return read_int8(source) if precision == "int8" else converted(source)

    is_large = source.weight_bytes > LARGE_BYTES
    engine = Engine(f"yolo {VERSION} {source.digest}", convert, precision, threads, any_shape=is_large)
    engine([np.zeros((1, YoloDetector.side, YoloDetector.side, 3), np.uint8)])  # what it cannot run fails here

    def run(pixels: np.ndarray) -> tuple[Tensor, Tensor]:
        output, features = engine([pixels])
        return torch.from_numpy(output), torch.from_numpy(features)

    return run, True, engine.name


def by_torch(source: NetworkSource, device: torch.device, precision: str) -> tuple[Run, bool, str]:
    """Return what `_runtime` does, for any device."""
    network = YoloNetwork(source.build()).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32

    def run(pixels: np.ndarray) -> tuple[Tensor, Tensor]:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            return network(torch.from_numpy(pixels).to(device))

    return run, False, f"torch {precision}"


def read_int8(source: NetworkSource) -> openvino.Model:
    """Return the quantised network of a folder."""
    import openvino

    return openvino.Core().read_model(source.int8)


def converted(source: NetworkSource) -> openvino.Model:
    """Return a network as OpenVINO's, for any height and width. Raises ValueError if it is right for one shape only."""
    import openvino

    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of tracing; the comparison below looks for what they warn of
        network = source.build()
        head = network.model[-1]
        head.export, head.dynamic, head.format = True, True, "openvino"  # as ultralytics' own export does
        module = YoloNetwork(network).eval()
        square, other = (torch.randint(256, (1, height, YoloDetector.side, 3), dtype=torch.uint8) for height in (YoloDetector.side, 448))
        traced = torch.jit.trace(module, square, check_trace=False)
        if not torch.allclose(traced(other)[0], module(other)[0], atol=0.1):
            raise ValueError("its trace is right for one shape only")
        return openvino.convert_model(traced, example_input=square)


def _grid(canvas: Canvas, features: Tensor) -> Tensor:
    """Pool the part of a feature map (C, H, W) that shows the picture, without its grey border, to (49, C)."""
    stride = canvas.pixels.shape[0] / features.shape[1]
    left, top = int(canvas.left / stride), int(canvas.top / stride)
    right, bottom = max(left + 1, -int(-canvas.right // stride)), max(top + 1, -int(-canvas.bottom // stride))
    shown = features[:, top:bottom, left:right].float()
    return functional.adaptive_avg_pool2d(shown, GRID_SIDE).flatten(1).T
