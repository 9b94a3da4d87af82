"""Beam's RunInference over the two models.

The element is a slice: sorting, batching and the overlap of decoding with the network happen inside it, where the
whole of it is at hand, so the same batches are made on every engine.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, RunInference

from archive.images.decode import Limits
from models.loading import ModelOptions, load_annotator, load_vision_model, max_pictures
from transforms.detect import DetectedSlice, SliceDetector
from transforms.locate_images import LocatedSlice
from transforms.tag import AnnotatedSlice, SliceTagger


class AnnotateSlices(beam.PTransform):
    """Located slices to annotated slices: detect objects in the pictures, then tag the texts.

    Args:
        options: which models, and how to run them.
        limits: on bytes and pixels of a picture.
    """

    def __init__(self, options: ModelOptions, limits: Limits) -> None:
        super().__init__()
        self._options = options
        self._limits = limits

    def expand(self, slices: beam.PCollection) -> beam.PCollection:
        return (
            slices
            | "Detect" >> RunInference(_DetectHandler(self._options, self._limits))
            | "Tag" >> RunInference(_TagHandler(self._options)).with_output_types(AnnotatedSlice)
        )


_ONE_SLICE = threading.Lock()


class _SliceHandler(ModelHandler):
    """A model over slices; each comes alone, since it is a batch itself.

    Engines run several threads over the models of a process. One slice at a time keeps memory and batches what they
    are on one machine; a slice uses all the threads and the whole GPU by itself.
    """

    def run_inference(self, batch: Sequence[Any], model: Any, inference_args: dict[str, Any] | None = None) -> Iterable[Any]:
        with _ONE_SLICE:
            return [self.process(model, slice_) for slice_ in batch]

    def process(self, model: Any, slice_: Any) -> Any:
        raise NotImplementedError

    def batch_elements_kwargs(self) -> dict[str, Any]:
        return {"min_batch_size": 1, "max_batch_size": 1}


class _DetectHandler(_SliceHandler):
    def __init__(self, options: ModelOptions, limits: Limits) -> None:
        super().__init__()
        self._options = options
        self._limits = limits

    def load_model(self) -> SliceDetector:
        return SliceDetector(load_vision_model(self._options), self._limits, self._options.batch_size, max_pictures(self._options))

    def process(self, model: SliceDetector, slice_: LocatedSlice) -> DetectedSlice:
        return model.detect(slice_)

    def get_metrics_namespace(self) -> str:
        return "postner_detect"


class _TagHandler(_SliceHandler):
    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self._options = options

    def load_model(self) -> SliceTagger:
        return SliceTagger(load_annotator(self._options), load_vision_model(self._options).names)

    def process(self, model: SliceTagger, slice_: DetectedSlice) -> AnnotatedSlice:
        return model.tag(slice_)

    def get_metrics_namespace(self) -> str:
        return "postner_tag"
