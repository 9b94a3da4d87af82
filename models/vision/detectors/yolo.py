"""Detectors built by ultralytics (AGPL-3.0). Only this module imports ultralytics, and only when it is used."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from archive.digest import file_sha256
from models.inference.pool import InferencePool
from models.vision.detectors.detector import DetectorError, to_features, to_tensor
from models.vision.detectors.nms import select
from models.vision.images.canvas import Canvas
from models.vision.images.features import GRID_SIDE, ImageFeatures


class YoloDetector:
    """An ultralytics detector. See `Detector`. Its grid is the output of the last layer of its backbone, from the same pass.

    Args:
        spec: `.pt` file or name (ultralytics downloads it), `.yaml` name (random weights), or folder with `config.json`
            and `model.safetensors`.
        device: of the network.
        threads: pictures that run in parallel on a CPU.
        precision: number format.
    """

    side = 640
    engine = "torch float32"

    def __init__(self, spec: str, device: str, threads: int, precision: str = "float32") -> None:
        folder = Path(spec)
        if (folder / "config.json").is_file():
            network, self.names, self.name = _from_folder(folder)
        else:
            network, self.names, self.name = _from_ultralytics(spec)
        self._device = torch.device(device)
        self._pool = InferencePool(self._device, threads)
        self._network = network.to(self._device, memory_format=torch.channels_last)
        backbone = network.model[len(network.yaml["backbone"]) - 1]
        backbone.register_forward_hook(self._store_features)
        self._hooked = threading.local()
        blank = Canvas(np.zeros((self.side, self.side, 3), np.uint8), 0, 0, self.side, self.side, self.side, self.side)
        (found,) = self.detect([blank])
        assert found.grid is not None
        self.grid_width = found.grid.shape[1]

    @staticmethod
    def accepts(spec: str) -> bool:
        """Return True for `.pt` and `.yaml` names, and for folders with `config.json`."""
        return Path(spec).suffix in (".pt", ".yaml") or (Path(spec) / "config.json").is_file()

    def detect(self, canvases: Sequence[Canvas]) -> list[ImageFeatures]:
        """Return the objects and the grid of each picture."""
        return self._pool.run(self._detect, canvases)

    def _detect(self, canvases: Sequence[Canvas]) -> list[ImageFeatures]:
        pixels = to_tensor(canvases).to(self._device, memory_format=torch.channels_last)
        output = self._network(pixels)
        found = select(output[0] if isinstance(output, tuple) else output)
        grids = [self._grid(canvas, features) for canvas, features in zip(canvases, self._hooked.features, strict=True)]
        return [to_features(canvas, objects, grid) for canvas, objects, grid in zip(canvases, found, grids, strict=True)]

    def _store_features(self, _module: Any, _inputs: Any, features: Tensor) -> None:
        self._hooked.features = features  # shape: (B, C, S / 32, S / 32); per thread, since several threads may detect at once

    def _grid(self, canvas: Canvas, features: Tensor) -> Tensor:
        """Pool the part of a feature map (C, H, W) that shows the picture, without its grey border, to (49, C)."""
        stride = self.side / features.shape[1]
        left, top = int(canvas.left / stride), int(canvas.top / stride)
        right, bottom = max(left + 1, -int(-canvas.right // stride)), max(top + 1, -int(-canvas.bottom // stride))
        shown = features[:, top:bottom, left:right].float()
        return functional.adaptive_avg_pool2d(shown, GRID_SIDE).flatten(1).T


def _ultralytics() -> Any:
    """Import ultralytics without its side effects.

    It may not run code in weights, change the number of threads, write settings into the home folder, or change Pillow:
    it replaces `PIL.Image.open` by a function that installs a plugin if a file is not a picture. How numpy and torch print
    numbers, warnings and the environment stay those of the notebook that it is imported in.
    """
    threads, threads_of_opencv, pil_open = torch.get_num_threads(), cv2.getNumThreads(), Image.open
    if "YOLO_CONFIG_DIR" not in os.environ:
        os.environ["YOLO_CONFIG_DIR"] = tempfile.mkdtemp(prefix="postner-yolo-")
        atexit.register(shutil.rmtree, os.environ["YOLO_CONFIG_DIR"], ignore_errors=True)
    os.environ.setdefault("YOLO_AUTOINSTALL", "0")
    os.environ.setdefault("YOLO_VERBOSE", "0")
    environment, print_options, print_options_of_torch = dict(os.environ), np.get_printoptions(), copy(torch._tensor_str.PRINT_OPTS)
    filters = [*warnings.filters]
    import ultralytics
    from ultralytics.nn import tasks

    tasks.SAFE_LOAD = True  # its environment variable has no effect if another module has imported it already
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)
    warnings.filters[:] = filters  # type: ignore[index]
    np.set_printoptions(**print_options)
    torch._tensor_str.PRINT_OPTS = print_options_of_torch
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads_of_opencv)
    Image.open = pil_open
    return ultralytics


def _from_ultralytics(spec: str) -> tuple[Any, tuple[str, ...], str]:
    is_random = spec.endswith(".yaml")
    if is_random:
        os.environ.setdefault("YOLO_OFFLINE", "1")
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = _ultralytics().YOLO(spec)
    except Exception as error:  # ultralytics passes on any exception of the download or of the file
        text = " ".join(str(error).split())[:200]
        raise DetectorError(
            f"--detector {spec!r} is not available: {text}; give a file on this machine, or leave it out for the shipped one"
        ) from error
    if model.task != "detect":
        raise DetectorError(f"--detector {spec!r} is a model for {model.task!r}: give one for 'detect', such as yolo11n.pt")
    network = model.model.fuse().eval()
    names = tuple(str(network.names[i]) for i in range(len(network.names)))
    digest = "random" if is_random else file_sha256(Path(model.ckpt_path))[:12]
    return network, names, f"{Path(spec).name}@{digest}"


def _from_folder(folder: Path) -> tuple[Any, tuple[str, ...], str]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not config.get("architecture", "").endswith(".yaml"):  # any other name ultralytics would open as a file that may hold code
        raise DetectorError(f"--detector {str(folder)!r}: the architecture in config.json is no name of an ultralytics .yaml")
    weights = folder / "model.safetensors"
    if not weights.is_file() or file_sha256(weights) != config["sha256"]:
        raise DetectorError(f"--detector {str(folder)!r}: model.safetensors is not the file that config.json describes: copy it again")
    network = empty_network(config["architecture"])
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(weights).items()})
    return network, tuple(config["names"]), f"{config['name']}@{config['sha256'][:12]}"


def empty_network(architecture: str) -> Any:
    """Return an ultralytics network with random weights, in eval mode, batch normalisation fused into its convolutions."""
    os.environ.setdefault("YOLO_OFFLINE", "1")
    with torch.random.fork_rng():
        return _ultralytics().YOLO(architecture, task="detect").model.fuse().eval()
