"""Check inputs and models before the work begins."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from archive.images import find_shards
from archive.posts.find import find_posts
from models.loading import load_annotator, load_vision_model
from models.tagging.bundle import BundleError
from models.vision.detectors import DetectorError
from pipeline.options import RunOptions, UsageError


@dataclass(frozen=True)
class ResolvedInputs:
    """Inputs that exist and models that load.

    Attributes:
        posts: addresses of the posts files.
        shards: addresses of the image shards.
        model: name and hash of the bundle.
        detector: name and hash of the detector, None where there is none.
        notes: what the user should know before reading the results.
    """

    posts: list[str]
    shards: list[str]
    model: str
    detector: str | None
    notes: list[str]


def check(options: RunOptions, local: bool) -> ResolvedInputs:
    """Find the inputs and load the models; if the work runs on other machines, on the CPU here. Raises UsageError with one sentence."""
    try:
        posts = find_posts(options.posts, "--posts")
        shards = find_shards([options.images], "--images").shards if options.images else []
        models = options.models if local else replace(options.models, device="cpu")
        vision_model, annotator = load_vision_model(models), load_annotator(models)
    except (BundleError, DetectorError, ValueError, OSError) as error:
        raise UsageError(str(error)) from error
    for name in posts + shards:
        if _path(name).startswith(_path(options.output) + "/"):
            raise UsageError(f"--output {options.output} holds the input {name}: give a folder of its own")
    notes = []
    settings = annotator.bundle.settings
    if settings.grid and vision_model.grid_id != settings.grid:
        reads = (
            "with this detector the tagger reads objects only" if vision_model.detector_id else "without it the tagger reads texts alone"
        )
        notes.append(f"the picture features of {settings.name} are those of {settings.grid}: {reads}")
    return ResolvedInputs(posts, shards, annotator.bundle.label, vision_model.detector_id, notes)


def _path(address: str) -> str:
    """An address by which two can be compared."""
    return address if "://" in address else os.path.realpath(address)
