"""Load both models from the options, once per process, on the worker that uses them.

The worker resolves the defaults (shipped models, any device, all cores). On a cluster it runs on another machine than the
command that submitted the job.
"""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path

import torch

from archive.scratch import scratch_folder
from archive.stores import resolve
from models.inference.options import ModelOptions
from models.tagging.annotate import Annotator
from models.tagging.bundle import FILES, BundleError, load_bundle, read_settings
from models.tagging.tokenizers import limit_tokenizers
from models.vision.vision_model import VisionModel

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
"""Id of a repository on the Hugging Face hub: `organisation/name`."""


@cache
def load_vision_model(options: ModelOptions) -> VisionModel:
    """Return the vision model, without loading the tagger. Raises DetectorError, BundleError."""
    torch.set_num_threads(1)  # `InferencePool` runs several items in parallel instead
    options = options.here()
    folder = local_folder(options.model)
    backbone = read_settings(folder).backbone
    if backbone is not None and (folder / backbone).is_dir():
        backbone = str(folder / backbone)
    vision_model = VisionModel.load(options.detector, backbone, options.device, options.threads, options.ocr, options.precision)
    if options.compile:
        vision_model.compile()
    return vision_model


@cache
def load_annotator(options: ModelOptions) -> Annotator:
    """Return the annotator for the objects and grids of the vision model. Raises DetectorError, BundleError."""
    vision_model = load_vision_model(options)
    here = options.here()
    limit_tokenizers(here.threads)
    return Annotator(
        load_bundle(local_folder(here.model), reads_text=here.device != "cpu" or here.precision == "float32"),
        vision_model.names,
        vision_model.grid_id,
        here.device,
        here.batch_size,
        here.threads,
        here.precision,
    )


def max_pictures(options: ModelOptions) -> int:
    """Return how many pictures of a post the tagger reads, without loading the tagger. Raises BundleError."""
    return read_settings(local_folder(options.here().model)).max_pictures


@cache
def local_folder(address: str) -> Path:
    """Return the folder of a bundle on this machine.

    A bundle on an object store is copied to a temporary folder, one of the Hugging Face hub to the hub's cache. A local
    folder comes before a hub id of the same name. Files of the hub are checked like all others, by the hashes in `config.json`.

    Raises:
        BundleError: it cannot be had.
    """
    if HUB_ID.fullmatch(address) and not Path(address).exists():
        return _from_hub(address)
    try:
        filesystem, path = resolve(address)
        if "file" in filesystem.protocol:
            return Path(path)
        copy = Path(tempfile.mkdtemp(prefix="model-", dir=scratch_folder()))
        filesystem.get(path.rstrip("/") + "/", f"{copy}/", recursive=True)
    except (OSError, ValueError) as error:
        raise BundleError(f"--model {address} cannot be read ({error}): give the folder of a bundle") from error
    return copy


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download  # only for a bundle of the hub

    try:
        return Path(snapshot_download(name, allow_patterns=[*FILES, "README.md"]))
    except Exception as error:  # the hub's client passes on those of several libraries
        reason = " ".join(str(error).split())[:200]
        raise BundleError(
            f"--model {name} is no folder here and cannot be had from the Hugging Face hub ({type(error).__name__}: {reason}): "
            f"give the folder of a bundle, or run 'hf download {name}' where there is a network"
        ) from error
