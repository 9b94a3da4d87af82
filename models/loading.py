"""Load both models from the options, once per process, on the worker that uses them.

The worker resolves the defaults (shipped models, any device, all cores). On a cluster it runs on another machine than the
command that submitted the job.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import torch

from archive.stores import resolve
from models.inference.options import ModelOptions
from models.tagging.annotate import Annotator
from models.tagging.bundle import BundleError, load_bundle, read_settings
from models.vision.vision_model import VisionModel


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
