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
from models.loading import ModelOptions, load_annotator, load_vision_model
from transforms.look import PictureReader
from transforms.tag import AnnotatedSlice, SliceTagger


class AnnotateSlices(beam.PTransform):
    """Slices to annotated slices: look at the pictures, then tag the texts.

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
            | "LookBatch" >> beam.Map(_alone)
            | "Look" >> RunInference(_LookHandler(self._options, self._limits))
            | "TagBatch" >> beam.Map(_alone)
            | "Tag" >> RunInference(_TagHandler(self._options)).with_output_types(AnnotatedSlice)
        )


def _alone(element: Any) -> list[Any]:
    return [element]


_ONE_SLICE = threading.Lock()


class _SliceHandler(ModelHandler):
    """A model over slices; each comes alone, since it is a batch itself.

    Engines run several threads over the models of a process. One slice at a time keeps memory and batches what they
    are on one machine; a slice uses all the threads and the whole GPU by itself.
    """

    def run_inference(self, batch: Sequence[Any], model: Any, inference_args: dict[str, Any] | None = None) -> Iterable[Any]:
        with _ONE_SLICE:
            return [model.read(slice_) for slice_ in batch]

    def should_skip_batching(self) -> bool:
        return True


class _LookHandler(_SliceHandler):
    def __init__(self, options: ModelOptions, limits: Limits) -> None:
        super().__init__()
        self._options = options
        self._limits = limits

    def load_model(self) -> PictureReader:
        return PictureReader(
            load_vision_model(self._options), self._limits, self._options.batch_size, load_annotator(self._options).max_pictures
        )

    def get_metrics_namespace(self) -> str:
        return "postner_look"


class _TagHandler(_SliceHandler):
    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self._options = options

    def load_model(self) -> SliceTagger:
        return SliceTagger(load_annotator(self._options), load_vision_model(self._options).names)

    def get_metrics_namespace(self) -> str:
        return "postner_tag"
