"""The job as people write it: ultralytics' `predict` on the pictures of a post, then a Hugging Face pipeline on its text.

`predict` pads a picture to a rectangle, not to a square. The detector is the shipped one.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import cv2
from safetensors.torch import load_file
from ultralytics import YOLO

from bench.peers.rows import Found, Row
from bench.peers.task import Task
from bench.peers.token_classifier import entities_of, load_token_classifier
from models.pretrained import PRETRAINED


def main(argv: list[str]) -> int:
    """Do a task."""
    task = Task.parse(argv)
    tag = load_token_classifier(task.classifier, task.threads)
    detector = _shipped_detector()
    posts = task.read_posts()
    detector.predict(cv2.imread(posts[0]["files"][0]), verbose=False, device="cpu")  # its first call prepares the network
    ready, rows = time.time(), []
    for post in posts:
        pictures = tuple(_objects(detector, path) for path in post["files"])
        rows.append(Row(post["id"], entities_of(tag(post["text"])), pictures).to_json())
    task.answer(rows, ready)
    return 0


def _shipped_detector() -> Any:
    config = json.loads((PRETRAINED / "detector" / "config.json").read_text(encoding="utf-8"))
    detector: Any = YOLO(config["architecture"], task="detect")
    weights = load_file(PRETRAINED / "detector" / "model.safetensors")
    detector.model.fuse().load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    detector.model.names = dict(enumerate(config["names"]))
    return detector


def _objects(detector: Any, path: str) -> tuple[Found, ...]:
    (result,) = detector.predict(cv2.imread(path), verbose=False, device="cpu")
    found = zip(result.boxes.cls.int().tolist(), result.boxes.xyxy.tolist(), result.boxes.conf.tolist(), strict=True)
    return tuple(Found(result.names[label], tuple(box), score) for label, box, score in found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
