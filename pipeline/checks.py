"""Load the models before the work begins, and check what they need."""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.inference.precision import has_runtime
from models.loading import load_annotator, load_vision_model
from models.tagging.bundle import BundleError
from models.vision.detectors import DetectorError
from models.vision.text_readers import TextReaderError
from pipeline.options import RunOptions, UsageError
from transforms.prefetch_slices import DetectorSettings, load_slice_detector


@dataclass(frozen=True)
class LoadedModels:
    """Models that load.

    Attributes:
        tagger: name and hash of the bundle.
        detector: name and hash of the detector, None where there is none.
        ocr: name and hash of the text reader, None where there is none.
        notes: what the user should know before reading the results.
        precision: number format of the networks on this machine; on an engine, what its workers are asked for.
        engines: what runs the detector and the tagger here, and in which number format.
    """

    tagger: str
    detector: str | None
    ocr: str | None
    notes: list[str]
    precision: str
    engines: dict[str, str]


def load_models(options: RunOptions, local: bool) -> LoadedModels:
    """Load the models; if the work runs on other machines, on the CPU here. Raises UsageError with one sentence."""
    try:
        if options.compile and options.device == "cpu":
            options.models.here()  # refuses, also for workers
        models = options.models if local else replace(options.models, device="cpu", precision="float32", compile=False)  # of other machines
        vision_model = load_vision_model(models)
        if local and options.images and options.local_workers == 1:
            load_slice_detector(DetectorSettings(models, options.limits, options.decode_threads, options.local_workers)).prepare()
        annotator = load_annotator(models)
    except (BundleError, DetectorError, TextReaderError, ValueError, OSError) as error:
        raise UsageError(str(error)) from error
    notes = []
    settings = annotator.bundle.settings
    if settings.grid and vision_model.grid_id != settings.grid:
        reads = (
            "with this detector the tagger reads objects only" if vision_model.detector_id else "without it the tagger reads texts alone"
        )
        notes.append(f"the picture features of {settings.name} are those of {settings.grid}: {reads}")
    engines = {"detector": vision_model.engine, "tagger": annotator.engine} if vision_model.engine else {"tagger": annotator.engine}
    here = models.here()
    if here.device == "cpu":
        why = "cannot run it" if has_runtime() else "is not installed"
        asked = ("detector",) if here.precision == "float32" else ("detector", "tagger")  # a tagger in float32 is torch's
        notes += [
            f"the {network} runs by {engines[network]}, more slowly: openvino {why}"
            for network in asked
            if engines.get(network, "").startswith("torch")
        ]
    if local and options.compile and "compiled" not in (vision_model.engine or ""):
        notes.append("--compile does nothing for this detector")
    if local and options.precision != "auto":
        others = {network: engine for network, engine in engines.items() if not engine.endswith(options.precision)}
        notes += [
            f"--precision {options.precision}: the {network} cannot compute in it and runs by {others[network]}" for network in others
        ]
    precision = here.precision if local else options.precision
    return LoadedModels(
        annotator.bundle.label, vision_model.detector_id, vision_model.text_reader_id, notes, precision, engines if local else {}
    )
