"""Run a network on the CPU by OpenVINO, compiled once for each shape of its inputs, or once for all shapes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from models.inference import early
from models.inference.compiled_cache import CompiledCache

if TYPE_CHECKING:
    import openvino

Shapes = tuple[tuple[int, ...], ...]
"""The shape of each input."""

ANY_SHAPE: Shapes = ()
"""Stands for all shapes where one compiled network serves them."""

HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
"""What OpenVINO calls the precisions; in an int8 network it is that of the layers that are not quantised."""


class Engine:
    """A network for the CPU. Several threads may call it at once; each call computes on one thread.

    The result of a call depends on its inputs alone: it has its own request, and OpenVINO chooses the kernels by the shape
    of the inputs, so neither other calls nor the number of threads change it.

    Args:
        key: names the network; equal keys must mean equal networks, such as the SHA-256 of the weights and what was made of them.
        convert: returns the network; called if the cache has no compiled network of this key and shape.
        precision: `float32`, `bfloat16`, or `int8` for a network that is quantised.
        threads: calls that run in parallel, at most.
        cache: where compiled networks are kept.
        any_shape: compile once for all shapes. One compiled for each shape is a tenth faster, and holds its own weights.
        settings: properties of OpenVINO's CPU device beside ours, which they replace.
    """

    def __init__(
        self,
        key: str,
        convert: Callable[[], openvino.Model],
        precision: str,
        threads: int,
        cache: CompiledCache | None = None,
        any_shape: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        import openvino  # takes half a second

        self._core = openvino.Core()
        self._key = key
        self._convert = convert
        self._model: openvino.Model | None = None
        self._settings = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "NUM_STREAMS": str(threads),
            "INFERENCE_NUM_THREADS": str(threads),
            "ENABLE_CPU_PINNING": False,  # local workers share the cores
            **(settings or {}),
        }
        self._any_shape = any_shape
        self.name = f"openvino {openvino.__version__.split('-')[0]} {precision}"
        self._cache = cache or CompiledCache()
        self._compiled: dict[Shapes, openvino.CompiledModel] = {}
        self._compiling: dict[Shapes, threading.Lock] = {}
        self._converting = threading.Lock()
        self._requests = _Requests()

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs for these inputs, in the order of the network's own.

        They lie in the memory of the request: the next call of the same thread with these shapes overwrites them.
        """
        shapes = ANY_SHAPE if self._any_shape else tuple(array.shape for array in inputs)
        request = self._request(shapes)
        return list(request.infer(list(inputs), share_inputs=True, share_outputs=True).values())

    def prepare(self, shapes: Shapes) -> None:
        """Compile the network for these shapes of inputs, if it is not."""
        with self._compiling.setdefault(shapes, threading.Lock()):
            if shapes not in self._compiled:
                self._compiled[shapes] = self._compile(shapes)
                if self._any_shape:  # what is converted would stay in memory for nothing
                    del self._convert, self._model

    def prepare_meanwhile(self, several: Sequence[Shapes]) -> None:
        """Compile the network for each of these shapes in another thread, which ends early if the process does."""

        def compile_each() -> None:
            for shapes in several:
                if not threading.main_thread().is_alive():
                    return
                with suppress(Exception):  # raised again where the shape is used
                    self.prepare(shapes)

        threading.Thread(target=compile_each, name="compile").start()

    def _request(self, shapes: Shapes) -> Any:
        requests = self._requests.by_shapes
        if shapes not in requests:
            self.prepare(shapes)
            requests[shapes] = self._compiled[shapes].create_infer_request()
        return requests[shapes]

    def _compile(self, shapes: Shapes) -> openvino.CompiledModel:
        key = f"{self._key} {self.name} {shapes} {sorted(self._settings.items())}"
        path = self._cache.path(key)
        if (loaded := early.take(path, self._settings)) is not None:
            return loaded
        blob = self._cache.read(path)
        if blob is not None:
            try:
                return self._core.import_model(blob, "CPU", self._settings)
            except RuntimeError:  # made by another build of OpenVINO, or for another CPU
                pass
        with self._converting:
            if self._model is None:
                self._model = self._convert()
            model = self._model.clone()
        if not self._any_shape:
            model.reshape(dict(zip(model.inputs, map(list, shapes), strict=True)))
        compiled = self._core.compile_model(model, "CPU", self._settings)
        self._cache.write(path, compiled.export_model().getvalue())
        return compiled


class _Requests(threading.local):
    """The requests of one thread."""

    def __init__(self) -> None:
        self.by_shapes: dict[Shapes, Any] = {}
