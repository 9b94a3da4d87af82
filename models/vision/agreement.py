"""Measure how well a detector agrees with another one on photos.

    python -m models.vision.agreement --images images-00002.tar [--detector models/pretrained/detector] [--teacher yolov8n_int8.onnx]

Without a teacher it is the detector itself, an ultralytics one, run by torch in float32 on squares.
The objects that the teacher detects with a confidence of at least 0.25 are the ground truth.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from tqdm import tqdm

from archive.command_line import Parser
from archive.images.decode import Limits
from models.inference.precision import PRECISIONS, usable_precision
from models.pretrained import PRETRAINED
from models.vision.images.photos import read_photos

if TYPE_CHECKING:
    from models.vision.images.features import ImageFeatures


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = Parser("models.vision.agreement", __doc__)
    add = parser.add_argument
    add("--detector", default=str(PRETRAINED / "detector"), help="detector to score (default: the shipped one)")
    add("--teacher", help="detector whose objects are the ground truth (default: the detector itself, by torch in float32 on squares)")
    add("--precision", default="auto", choices=PRECISIONS.split("|"), help="number format of the detector")
    add("--images", required=True, help="glob of image shards, or a folder")
    add("--photos", type=int, default=200, help="how many photos to use: the first ones")
    add("--threads", type=int, default=1, help="of torch")
    options = parser.parse_args(argv)
    from models.vision.detection_scores import agreement  # takes seconds: torch
    from models.vision.detectors import YoloDetector, load_detector
    from models.vision.vision_model import VisionModel

    try:
        precision = usable_precision(options.precision, "cpu")
        detector = load_detector(options.detector, "cpu", options.threads, precision)
        if options.teacher:
            teacher = load_detector(options.teacher, "cpu", options.threads)
        else:
            teacher = YoloDetector(options.detector, "cpu", options.threads, as_on_gpu=True)
        vision_models = {"detector": VisionModel(detector, None), "teacher": VisionModel(teacher, None)}
        preprocessed = read_photos(options.images, options.photos, vision_models["detector"].preprocessing(Limits()))
    except (ValueError, OSError) as error:
        print(f"models.vision.agreement: {error}", file=sys.stderr)
        return 2
    if vision_models["detector"].names != vision_models["teacher"].names:
        print("models.vision.agreement: the two detectors have different class names, so their objects cannot be compared", file=sys.stderr)
        return 2
    features: dict[str, list[ImageFeatures]] = {"detector": [], "teacher": []}
    seconds = dict.fromkeys(features, 0.0)
    for photo in tqdm(preprocessed, desc="photos", disable=None):
        for name, vision_model in vision_models.items():
            started = time.perf_counter()
            features[name] += vision_model.extract([photo])
            seconds[name] += time.perf_counter() - started
    scores = agreement(features["detector"], features["teacher"], vision_models["teacher"].names)
    rates = {f"{name}_photos_per_second": len(preprocessed) / spent for name, spent in seconds.items()}
    engines = {name: vision_model.engine for name, vision_model in vision_models.items()}
    counts = engines | {"photos": len(preprocessed), "objects": sum(len(image_features.labels) for image_features in features["teacher"])}
    print(json.dumps(counts | {name: round(value, 4) for name, value in (scores | rates).items()}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
