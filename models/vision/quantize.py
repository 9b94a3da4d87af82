"""Quantise a detector to int8, for CPUs: the shipped one.

    python -m models.vision.quantize --images 'images-0000[01].tar' [--photos 90] [--detector models/pretrained/detector]

It writes `int8.xml` and `int8.bin` into the folder of the detector, and their hashes into its `config.json`. Weights are
quantised per channel, activations by the mean of their ranges on the photos. The first three layers, the last convolutions
of the head and the decoding of boxes stay in float: with the first layers in int8 too, the mAP50 against float32 is 0.09
lower. It needs the `nncf` package, a development dependency.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from archive.command_line import Parser
from archive.digest import file_sha256
from archive.images.decode import Limits
from models.pretrained import PRETRAINED
from models.vision.images.photos import read_photos
from models.vision.images.preprocess import Preprocess


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = Parser("models.vision.quantize", __doc__)
    parser.add_argument("--detector", type=Path, default=PRETRAINED / "detector", help="folder of the detector (default: the shipped one)")
    parser.add_argument("--images", required=True, help="glob of image shards, or a folder")
    parser.add_argument("--photos", type=int, default=90, help="how many photos to use, spread over the shards")
    options = parser.parse_args(argv)
    import openvino  # takes seconds, as torch does

    from models.vision.detectors.int8 import quantize
    from models.vision.detectors.ultralytics_network import INT8_FILES, find_network
    from models.vision.detectors.yolo import YoloDetector
    from models.vision.detectors.yolo_networks import converted

    try:
        source = find_network(str(options.detector))
        preprocess = Preprocess(Limits(), YoloDetector.side)
        photos = [photo.canvas.pixels for photo in read_photos(options.images, options.photos, preprocess, is_spread=True)]
    except (ValueError, OSError) as error:
        print(f"models.vision.quantize: {error}", file=sys.stderr)
        return 2
    openvino.save_model(quantize(converted(source), photos), options.detector / INT8_FILES[0])
    path = options.detector / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["int8"] = {name: file_sha256(options.detector / name) for name in INT8_FILES}
    path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
