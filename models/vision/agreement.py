"""Measure how well a detector agrees with another one on photos.

    python -m models.vision.agreement --images images-00002.tar [--detector models/pretrained/detector] [--teacher yolov8n_int8.onnx]

Without a teacher it is the detector itself, an ultralytics one, run by torch in float32 on squares.
The objects that the teacher detects with a confidence of at least 0.25 are the ground truth.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import numpy as np
import torch
from torchvision.ops import box_iou
from tqdm import tqdm

from archive.command_line import Parser
from archive.images import fetch, find_shards, members_by_name
from archive.images.decode import Limits
from archive.images.image_error import ImageError
from models.inference.precision import PRECISIONS, usable_precision
from models.pretrained import PRETRAINED
from models.vision.detectors import DetectorError, YoloDetector, load_detector
from models.vision.images.features import ImageFeatures
from models.vision.vision_model import PreprocessedImage, VisionModel

IOU = 0.5
PERSON = "person"


def agreement(student: Sequence[ImageFeatures], teacher: Sequence[ImageFeatures], names: Sequence[str]) -> dict[str, float]:
    """Return scores of the student's objects against the teacher's.

    Args:
        student: features of each picture.
        teacher: features of the same pictures, taken as ground truth.
        names: class names of both detectors, by id.

    Returns:
        `map50`: average precision at IoU 0.5 (area under the interpolated precision-recall curve), mean over the classes
        that the teacher detected; `recall`; `precision`; `mean_iou` of matched boxes; `recall_person`, NaN without persons.
    """
    kinds = sorted({int(label) for image_features in teacher for label in image_features.labels})
    per_class, matched, ious = {}, 0, []
    for kind in kinds:
        hits, scores, truths = _match(student, teacher, kind)
        matched += int((hits > 0).sum())
        ious += hits[hits > 0].tolist()
        per_class[kind] = (average_precision(hits > 0, scores, truths), (hits > 0).sum() / truths)
    found, wanted = (sum(len(image_features.labels) for image_features in features) for features in (student, teacher))
    person = names.index(PERSON) if PERSON in names else -1
    return {
        "map50": float(np.mean([ap for ap, _ in per_class.values()])),
        "recall": matched / max(wanted, 1),
        "precision": matched / max(found, 1),
        "mean_iou": float(np.mean(ious)) if ious else 0.0,
        "recall_person": float(per_class[person][1]) if person in per_class else float("nan"),
    }


def average_precision(hits: np.ndarray, scores: np.ndarray, truths: int) -> float:
    """Return the area under the interpolated precision-recall curve (Everingham et al. 2015, all points).

    Args:
        hits: (N,) bool, whether a detected object is a true one.
        scores: (N,) of the detected objects.
        truths: number of true objects.
    """
    right = np.cumsum(hits[np.argsort(-scores, kind="stable")])
    precision = right / np.arange(1, len(hits) + 1)
    recall = np.concatenate([[0], right / truths])
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * best_from_here).sum())


def _match(student: Sequence[ImageFeatures], teacher: Sequence[ImageFeatures], kind: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Match the student's objects of a class to true ones: IoU with the match or 0, (N,); scores, (N,); number of true objects."""
    hits, scores, truths = [], [], 0
    for mine, theirs in zip(student, teacher, strict=True):
        true = theirs.boxes[theirs.labels == kind]
        truths += len(true)
        free = np.ones(len(true), bool)
        ious = box_iou(torch.from_numpy(mine.boxes[mine.labels == kind]), torch.from_numpy(true)).numpy()
        for row, score in zip(ious, mine.scores[mine.labels == kind], strict=True):
            overlap = np.where(free, row, 0)
            best = int(overlap.argmax()) if len(true) else -1
            is_match = best >= 0 and overlap[best] >= IOU
            if is_match:
                free[best] = False
            hits.append(overlap[best] if is_match else 0.0)
            scores.append(score)
    return np.array(hits), np.array(scores), truths


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
    try:
        precision = usable_precision(options.precision, "cpu")
        detector = load_detector(options.detector, "cpu", options.threads, precision)
        if options.teacher:
            teacher = load_detector(options.teacher, "cpu", options.threads)
        else:
            teacher = YoloDetector(options.detector, "cpu", options.threads, as_on_gpu=True)
        vision_models = {"detector": VisionModel(detector, None), "teacher": VisionModel(teacher, None)}
        preprocessed = _photos(options.images, options.photos, vision_models["detector"])
    except (DetectorError, ValueError, OSError) as error:
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


def _photos(images: str, count: int, vision_model: VisionModel) -> list[PreprocessedImage]:
    members = list(members_by_name(find_shards([images], "--images").shards)[0].values())[:count]
    preprocessed = []
    for _, data in fetch(members, Limits.max_image_bytes):
        try:
            if isinstance(data, bytes):
                preprocessed.append(vision_model.preprocess(data, Limits()))
        except ImageError:
            continue
    return preprocessed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
