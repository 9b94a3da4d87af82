"""Quantise a detector to int8: what `models.vision.quantize` does."""

from __future__ import annotations

import re

import nncf
import numpy as np
import openvino
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, AdvancedSmoothQuantParameters

from models.vision.detectors.yolo import YoloDetector

LAYER = re.compile(r"\.model\.\d+")
"""Of the name of an operation, what names its layer."""

FIRST = re.compile(r"\.model\.[0-2]\.")
"""Names of operations in the first three layers, at the largest sides of feature maps."""

LAST = re.compile(r"cv[23]\.\d\.2/|/dfl|\.dfl")
"""Names of the last convolutions of the head."""

DECODING = ("Add", "Subtract", "Multiply", "Divide", "Sigmoid", "Softmax")
"""Kinds of operations that decode boxes and scores in the head."""


def quantize(model: openvino.Model, photos: list[np.ndarray]) -> openvino.Model:
    """Return the network in int8.

    Args:
        model: from `converted`.
        photos: (640, 640, 3) uint8 RGB, to measure the ranges of activations on.
    """
    side = YoloDetector.side
    model.reshape([1, side, side, 3])
    operations = model.get_ordered_ops()
    convolutions = [one.get_friendly_name() for one in operations if one.get_type_name() == "Convolution"]
    head = max((LAYER.search(name)[0] for name in convolutions), key=lambda layer: int(layer.split(".")[-1]))  # type: ignore[index]
    in_float = [name for name in convolutions if FIRST.search(name) or (f"{head}." in name and LAST.search(name))]
    decoding = [one.get_friendly_name() for one in operations if one.get_type_name() in DECODING]
    in_float += [name for name in decoding if f"{head}/" in name or f"{head}.dfl/" in name]
    quantised = nncf.quantize(
        model,
        nncf.Dataset(photos, lambda pixels: pixels[None]),
        subset_size=len(photos),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=in_float, validate=False),
        advanced_parameters=AdvancedQuantizationParameters(
            smooth_quant_alphas=AdvancedSmoothQuantParameters(convolution=-1, matmul=-1),
        ),
    )
    quantised.reshape([1, -1, -1, 3])
    return quantised
