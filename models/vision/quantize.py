"""Quantise a detector to int8, for CPUs: the shipped one.

    python -m models.vision.quantize --images 'images-0000[01].tar' [--photos 90] [--detector models/pretrained/detector]

It writes `int8.xml` and `int8.bin` into the folder of the detector, and their hashes into its `config.json`. Weights are
quantised per channel, activations by the mean of their ranges on the photos. The first three layers, the last convolutions
of the head and the decoding of boxes stay in float: with the first layers in int8 too, the mAP50 against float32 is 0.09
lower. It needs the `nncf` package, a development dependency.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import nncf
import numpy as np
import openvino
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, AdvancedSmoothQuantParameters

from archive.command_line import HelpFormatter
from archive.digest import file_sha256
from archive.images import fetch, find_shards, members_by_name
from archive.images.decode import Limits
from archive.images.image_error import ImageError
from models.pretrained import PRETRAINED
from models.vision.detectors.detector import DetectorError
from models.vision.detectors.ultralytics_network import INT8_FILES, find_network
from models.vision.detectors.yolo import YoloDetector, converted
from models.vision.images.preprocess import Preprocess

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


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="models.vision.quantize", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--detector", type=Path, default=PRETRAINED / "detector", help="folder of the detector (default: the shipped one)")
    parser.add_argument("--images", required=True, help="glob of image shards, or a folder")
    parser.add_argument("--photos", type=int, default=90, help="how many photos to use, spread over the shards")
    options = parser.parse_args(argv)
    try:
        source = find_network(str(options.detector))
        photos = _photos(options.images, options.photos)
    except (DetectorError, ValueError, OSError) as error:
        print(f"models.vision.quantize: {error}", file=sys.stderr)
        return 2
    openvino.save_model(quantize(converted(source), photos), options.detector / INT8_FILES[0])
    path = options.detector / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["int8"] = {name: file_sha256(options.detector / name) for name in INT8_FILES}
    path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return 0


def _photos(images: str, count: int) -> list[np.ndarray]:
    preprocess = Preprocess(Limits(), YoloDetector.side)
    members = [*members_by_name(find_shards([images], "--images").shards)[0].values()]
    photos: list[np.ndarray] = []
    for _, data in fetch(members[:: max(1, len(members) // count)][:count], Limits.max_image_bytes):
        try:
            if isinstance(data, bytes):
                photos.append(preprocess(data).canvas.pixels)
        except ImageError:
            continue
    return photos


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
