"""Networks of ultralytics (AGPL-3.0). Only this module imports ultralytics, and only when a network of it is built."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from archive.digest import file_sha256
from models.vision.detectors.detector import DetectorError

WEIGHTS, INT8_FILES = "model.safetensors", ("int8.xml", "int8.bin")
"""Files of a folder; `config.json` has their SHA-256, of the second ones under `int8`."""


@dataclass(frozen=True)
class NetworkSource:
    """A network of ultralytics that is known by its weights, and can be built.

    Attributes:
        name: name of the file, and the first digits of its SHA-256.
        names: class names by id.
        digest: SHA-256 of the weights.
        weight_bytes: of the weights, about.
        build: returns the network, in eval mode, batch normalisation fused into its convolutions.
        int8: file of the network for OpenVINO, quantised by `models.vision.quantize`; None where there is none.
    """

    name: str
    names: tuple[str, ...]
    digest: str
    weight_bytes: int
    build: Callable[[], Any]
    int8: Path | None = None


def find_network(spec: str) -> NetworkSource:
    """Return the network of a folder with `config.json` and `model.safetensors`, or of a `.pt` or `.yaml` name.

    For a folder ultralytics is imported by `build` only. Raises DetectorError.
    """
    folder = Path(spec)
    return _from_folder(folder) if (folder / "config.json").is_file() else _from_ultralytics(spec)


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


def _from_ultralytics(spec: str) -> NetworkSource:
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
    weights, weight_bytes = hashlib.sha256(), 0
    for tensor in network.state_dict().values():
        weights.update(tensor.numpy().tobytes())
        weight_bytes += tensor.numpy().nbytes
    return NetworkSource(f"{Path(spec).name}@{digest}", names, weights.hexdigest(), weight_bytes, lambda: network)


def _from_folder(folder: Path) -> NetworkSource:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not config.get("architecture", "").endswith(".yaml"):  # any other name ultralytics would open as a file that may hold code
        raise DetectorError(f"--detector {str(folder)!r}: the architecture in config.json is no name of an ultralytics .yaml")
    _check_files(folder, {WEIGHTS: config["sha256"]} | config.get("int8", {}))

    def build() -> Any:
        network = empty_network(config["architecture"])
        network.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()})
        return network

    int8 = folder / INT8_FILES[0] if "int8" in config else None
    size = (folder / WEIGHTS).stat().st_size
    return NetworkSource(f"{config['name']}@{config['sha256'][:12]}", tuple(config["names"]), config["sha256"], size, build, int8)


def _check_files(folder: Path, digests: dict[str, str]) -> None:
    for name, digest in digests.items():
        if name not in (WEIGHTS, *INT8_FILES) or not (folder / name).is_file() or file_sha256(folder / name) != digest:
            raise DetectorError(f"--detector {str(folder)!r}: {name} is not the file that config.json describes: copy it again")


def empty_network(architecture: str) -> Any:
    """Return an ultralytics network with random weights, in eval mode, batch normalisation fused into its convolutions."""
    os.environ.setdefault("YOLO_OFFLINE", "1")
    with torch.random.fork_rng():
        return _ultralytics().YOLO(architecture, task="detect").model.fuse().eval()
