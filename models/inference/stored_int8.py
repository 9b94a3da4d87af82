"""Give a network the int8 weights that its bundle stores, instead of their float32 copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import openvino

ROUNDING = 1e-6
"""Largest difference of a weight that is stored in int8 from the float32 one, over the largest weight of its row."""

USES = {"MatMul": 1, "Gather": 0}
"""Operations whose weights are stored in int8, and the input that holds them."""


def with_int8_weights(model: openvino.Model) -> openvino.Model:
    """Return the model, changed: matrices that are int8 with one scale per row are stored so, a quarter of the size.

    `models.tagging.bundle` stores matrices in this form. Other matrices stay as they are: nothing is rounded here.
    """
    from openvino import opset13 as op

    for node in model.get_ops():
        place = USES.get(node.get_type_name())
        if place is None:
            continue
        source = node.input_value(place)
        if source.get_node().get_type_name() != "Constant":
            continue
        if node.get_type_name() == "MatMul" and not node.get_attributes()["transpose_b"]:
            continue
        if (parts := _parts(source.get_node().get_data())) is not None:
            quantised, scale = parts
            weights = op.multiply(op.convert(op.constant(quantised), "f32"), op.constant(scale))
            node.input(place).replace_source_output(weights.output(0))
    return model


def _parts(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Split a matrix (N, M) into int8 (N, M) and scales (N, 1), or return None if it is not their product."""
    if matrix.ndim != 2 or matrix.dtype != np.float32:
        return None
    largest = np.abs(matrix).max(1, keepdims=True)
    scale = np.maximum(largest / 127, np.finfo(np.float32).tiny).astype(np.float32)
    quantised = np.rint(matrix / scale)
    if (np.abs(quantised * scale - matrix) > ROUNDING * largest).any():
        return None
    return quantised.astype(np.int8), scale
