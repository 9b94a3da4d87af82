"""Beam's RunInference over the two models.

The element is a slice, or a group of small ones: sorting, batching and the overlap of decoding with the network happen
inside it, where the whole of it is at hand.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam

from archive.images.decode import Limits
from models.inference.options import ModelOptions
from models.loading import load_annotator, load_vision_model
from transforms.beam_inference import ModelHandler, RunInference
from transforms.detect import DetectedSlice, SliceDetector
from transforms.group_slices import GroupSlices
from transforms.locate_images import LocatedSlice
from transforms.prefetch_slices import DetectorSettings, PrefetchSlices, load_slice_detector, overlaps
from transforms.tag import AnnotatedSlice, SliceTagger


class AnnotateSlices(beam.PTransform):
    """Located slices to annotated slices: detect objects in the pictures, then tag the texts.

    Args:
        options: which models, and how to run them.
        limits: on bytes and pixels of a picture.
        decode_threads: pictures that are decoded at a time, by all local workers together; 0 for what a machine allows.
        local_workers: processes that share a machine.
    """

    def __init__(self, options: ModelOptions, limits: Limits, decode_threads: int = 0, local_workers: int = 1) -> None:
        super().__init__()
        self._options = options
        self._settings = DetectorSettings(options, limits, decode_threads, local_workers)

    def expand(self, slices: beam.PCollection) -> beam.PCollection:
        return (
            slices
            | "Prefetch" >> PrefetchSlices(self._settings)
            | "Slice to detect" >> beam.Map(_alone)
            | "Detect" >> RunInference(_DetectHandler(self._settings)).with_output_types(DetectedSlice)
            | "Group" >> GroupSlices()
            | "Tag" >> RunInference(_TagHandler(self._options)).with_output_types(AnnotatedSlice)
        )


def _alone(slice_: Any) -> list[Any]:
    return [slice_]


_DETECTING, _TAGGING = threading.Lock(), threading.Lock()


class _SliceHandler(ModelHandler):
    """A model over slices. The batch of an element is a slice alone, or a group of small ones.

    Engines run several threads over the models of a process. One batch at a time keeps memory and batches what they
    are on one machine; it uses all the threads and the whole GPU by itself. Only on a GPU one slice is detected while
    another one is tagged.
    """

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self._options = options

    def run_inference(self, batch: Sequence[Any], model: Any, inference_args: dict[str, Any] | None = None) -> Iterable[Any]:
        with self.lock:
            return self.process(model, batch)

    @property
    def lock(self) -> threading.Lock:
        raise NotImplementedError

    def process(self, model: Any, slices: Sequence[Any]) -> Iterable[Any]:
        raise NotImplementedError

    def should_skip_batching(self) -> bool:
        """Beam's batching passes on a batch when the next element comes, so each slice would wait for the next one."""
        return True


class _DetectHandler(_SliceHandler):
    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__(settings.models)
        self._settings = settings

    @property
    def lock(self) -> threading.Lock:
        return _DETECTING

    def load_model(self) -> SliceDetector:
        return load_slice_detector(self._settings)

    def process(self, model: SliceDetector, slices: Sequence[LocatedSlice]) -> list[DetectedSlice]:
        return [model.detect(located) for located in slices]

    def get_metrics_namespace(self) -> str:
        return "postner_detect"


class _TagHandler(_SliceHandler):
    @property
    def lock(self) -> threading.Lock:
        return _TAGGING if overlaps(self._options) else _DETECTING

    def load_model(self) -> SliceTagger:
        return SliceTagger(load_annotator(self._options), load_vision_model(self._options).names)

    def process(self, model: SliceTagger, slices: Sequence[DetectedSlice]) -> list[AnnotatedSlice]:
        return model.tag(slices)

    def get_metrics_namespace(self) -> str:
        return "postner_tag"
