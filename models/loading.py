"""Load both models from the options, once per process, on the worker that uses them.

The worker resolves the defaults (shipped models, any device, all cores). On a cluster it runs on another machine than the
command that submitted the job.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch

from archive.stores import resolve
from models.inference.devices import usable_cores, usable_device
from models.pretrained import PRETRAINED, SHIPPED
from models.tagging.annotate import Annotator
from models.tagging.bundle import BundleError, load_bundle, read_settings
from models.vision.vision_model import VisionModel


@dataclass(frozen=True)
class ModelOptions:
    """Which models to load, on which device.

    Attributes:
        model: folder or address of a model bundle, or `shipped`.
        detector: ultralytics `.pt` or `.yaml` name, `.onnx` file, folder of a detector, or `shipped`; None for no detector.
        ocr: name of the text reader; None for no text reader.
        device: `cpu`, `cuda`, `cuda:1`, or `auto`.
        batch_size: windows of text per call of the tagger.
        threads: of both models on a CPU; 0 for one per core.
    """

    model: str = SHIPPED
    detector: str | None = SHIPPED
    device: str = "auto"
    batch_size: int = 32
    threads: int = 0
    ocr: str | None = None

    def here(self) -> ModelOptions:
        """Return the options with the defaults of this machine filled in. Raises ValueError if it lacks the device."""
        return replace(
            self,
            model=str(PRETRAINED / "default") if self.model == SHIPPED else self.model,
            detector=str(PRETRAINED / "detector") if self.detector == SHIPPED else self.detector,
            device=usable_device(self.device),
            threads=self.threads or usable_cores(),
        )


@cache
def load_vision_model(options: ModelOptions) -> VisionModel:
    """Return the vision model, without loading the tagger. Raises DetectorError, BundleError."""
    torch.set_num_threads(1)  # `InferencePool` runs several items in parallel instead
    options = options.here()
    folder = local_folder(options.model)
    backbone = read_settings(folder).backbone
    if backbone is not None and (folder / backbone).is_dir():
        backbone = str(folder / backbone)
    return VisionModel.load(options.detector, backbone, options.device, options.threads, options.ocr)


@cache
def load_annotator(options: ModelOptions) -> Annotator:
    """Return the annotator for the objects and grids of the vision model. Raises DetectorError, BundleError."""
    vision_model = load_vision_model(options)
    options = options.here()
    bundle = load_bundle(local_folder(options.model))
    return Annotator(bundle, vision_model.names, vision_model.grid_id, options.device, options.batch_size, options.threads)


def max_pictures(options: ModelOptions) -> int:
    """Return how many pictures of a post the tagger reads, without loading the tagger. Raises BundleError."""
    return read_settings(local_folder(options.here().model)).max_pictures


@cache
def local_folder(address: str) -> Path:
    """Return the folder of a bundle on this machine. A bundle on an object store is copied to a temporary folder first."""
    try:
        filesystem, path = resolve(address)
        if "file" in filesystem.protocol:
            return Path(path)
        copy = Path(tempfile.mkdtemp(prefix="postner-model-"))
        filesystem.get(path.rstrip("/") + "/", f"{copy}/", recursive=True)
    except (OSError, ValueError) as error:
        raise BundleError(f"--model {address} cannot be read ({error}): give the folder of a bundle") from error
    return copy
