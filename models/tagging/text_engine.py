"""Run the tagger's text side, nearly all of its computation, by OpenVINO on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from models.inference.compiled_cache import CompiledCache
from models.inference.engine import ANY_SHAPE, Engine
from models.inference.stored_int8 import with_int8_weights
from models.tagging.bundle import Bundle
from models.tagging.tagger import Batch, Tagger
from models.tagging.words import SHAPES

if TYPE_CHECKING:
    import openvino

VERSION = 1
"""Of what `_convert` makes of a bundle; compiled networks of another version are not used."""

SETTINGS = {
    "float32": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"},
    "bfloat16": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"},
    "int8": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "32", "INFERENCE_PRECISION_HINT": "f32"},
}
"""Properties of the network by precision.

For int8, each 32 activations of a subword get a scale of their own when they are computed. So there is nothing to
calibrate, and a subword's result does not depend on the others of its batch. All but matrix products is in float32. Groups
of 128 are a fifth faster, and change ten times as many entities (docs/performance.md).
"""

LARGEST_ERROR = 0.1
"""Mean difference from torch, in standard deviations, of a network that is used. Measured: 0.01 for int8, 0.004 for bfloat16."""

TRACED_SHAPE, CHECKED_SHAPES = (2, 32), ((3, 8), (2, 56))
"""Rows and subwords of the texts with which a network is traced, and of those on which it is compared with torch, beside
one of the largest length."""


class TextEngineError(ValueError):
    """OpenVINO cannot run the text side of a bundle. The message says why."""


class TextEngine:
    """Computes `Tagger.read_text` for batches of any shape. Several threads may call it at once.

    Each network is compared with torch when it is new. The whole tagger, which takes a second and more to load, is needed
    for that and for the conversion; later processes find the compiled network in the cache.

    Args:
        bundle: names the network; its tagger may lack the text parts.
        whole: returns the tagger with its text parts, on the CPU.
        precision: `float32`, `bfloat16` or `int8`.
        threads: calls that run in parallel, at most.
        cache: where compiled networks are kept.

    Attributes:
        name: the runtime and the precision.

    Raises:
        TextEngineError: the encoder cannot be converted, or the result differs too much from torch's.
    """

    def __init__(
        self, bundle: Bundle, whole: Callable[[], Tagger], precision: str, threads: int, cache: CompiledCache | None = None
    ) -> None:
        cache = cache or CompiledCache()
        key = f"text {VERSION} {bundle.sha256}"
        longest = bundle.settings.max_pieces

        def convert() -> openvino.Model:
            return _convert(whole(), longest)

        try:
            self._engine = Engine(key, convert, precision, threads, cache, any_shape=True, settings=SETTINGS[precision])
            self._engine.prepare(ANY_SHAPE)
            checked = f"{key} {self._engine.name} checked"
            if cache.get(checked) is None:
                self._check(whole(), longest)
                cache.put(checked, b"")
        except TextEngineError:
            raise
        except Exception as error:  # encoders are of any kind, and what converts them raises errors of several libraries
            raise TextEngineError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
        self.name = self._engine.name

    def __call__(self, batch: Batch) -> Tensor:
        """Return M of the texts of a batch: (B, L, D) float32."""
        (M,) = self._engine([batch.subwords.numpy(), batch.mask.numpy(), batch.augmentation.numpy(), batch.shapes.numpy()])
        return torch.from_numpy(M.copy())

    def _check(self, tagger: Tagger, longest: int) -> None:
        """Compare with torch: a traced network may hold what was true only for the shapes that it was traced with."""
        for rows, length in (*CHECKED_SHAPES, (1, longest)):
            batch = _example(tagger, rows, min(length, longest))
            with torch.inference_mode():
                wanted = tagger.read_text(*batch[:4])
            error = (self(batch) - wanted)[batch.mask].abs().mean() / wanted[batch.mask].std()
            if not error <= LARGEST_ERROR:  # also if it is no number
                raise TextEngineError(f"its results differ from those of torch by {error:.2f} standard deviations")


class _Text(nn.Module):
    """`Tagger.read_text` as a module, which is what is converted."""

    def __init__(self, tagger: Tagger) -> None:
        super().__init__()
        self.tagger = tagger

    def forward(self, subwords: Tensor, mask: Tensor, augmentation: Tensor, shapes: Tensor) -> Tensor:
        return self.tagger.read_text(subwords, mask, augmentation, shapes)


def _convert(tagger: Tagger, longest: int) -> openvino.Model:
    import openvino

    rows, length = TRACED_SHAPE
    example = tuple(_example(tagger, rows, min(length, longest))[:4])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # those of tracing; `_check` looks for what they warn of
        model = openvino.convert_model(_Text(tagger), example_input=example)
    for place in model.inputs:
        place.get_node().set_partial_shape(openvino.PartialShape([-1, -1]))
    model.validate_nodes_and_infer_types()
    return with_int8_weights(model)


def _example(tagger: Tagger, rows: int, length: int) -> Batch:
    """Return a batch of texts of random subwords, the first one with padding."""
    chance = np.random.default_rng(0)
    shape = (rows, length)
    mask = np.ones(shape, bool)
    mask[0, length // 2 :] = False
    vocabulary = tagger.encoder.get_input_embeddings().num_embeddings
    subwords = chance.integers(0, vocabulary, shape)
    augmentation = chance.integers(0, len(tagger.table), shape) if tagger.config.augmentation != "none" else np.zeros(shape, np.int64)
    shapes = chance.integers(0, SHAPES, shape)
    return Batch(torch.from_numpy(subwords), torch.from_numpy(mask), torch.from_numpy(augmentation), torch.from_numpy(shapes), ())
