"""Measure the shipped detector by engine, precision and shape of the picture, each picture in turn by all of them.

    python -m bench.detectors [--images 'images-*.tar'] [--photos 40]

It prints pictures per second of CPU time on one thread: what a core does, also while other programs use the machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from statistics import median
from time import process_time

import numpy as np
import torch

from archive.command_line import HelpFormatter
from archive.images import fetch, find_shards, members_by_name
from archive.images.decode import Limits
from archive.images.image_error import ImageError
from models.inference.precision import usable_precision
from models.pretrained import PRETRAINED
from models.vision.detectors.ultralytics_network import find_network
from models.vision.detectors.yolo import YoloDetector
from models.vision.detectors.yolo_networks import YoloNetwork, YoloOnOpenVino, YoloOnTorch
from models.vision.images.canvas import Canvas, crop
from models.vision.images.preprocess import Preprocess


def main(argv: Sequence[str]) -> int:
    """Print one line for each way to run the detector, and return the exit status."""
    parser = argparse.ArgumentParser(prog="bench.detectors", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--images", default="demo/archive/images-*.tar", help="glob of image shards, or a folder")
    parser.add_argument("--photos", type=int, default=40, help="how many photos to use: the first ones")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    canvases = _canvases(options.images, options.photos)
    ways = _ways()
    spent: dict[str, list[float]] = {f"{name:<28} {shape}": [] for name in ways for shape in ("square", "rectangle")}
    for canvas in canvases:
        for name, run in ways.items():
            for shape, picture in (("square", canvas), ("rectangle", crop(canvas))):
                pixels = [np.ascontiguousarray(picture.pixels)]
                run(pixels)  # compiles the shape, fills the caches
                started = process_time()
                run(pixels)
                spent[f"{name:<28} {shape}"].append(process_time() - started)
    share = np.mean([crop(canvas).pixels.size / canvas.pixels.size for canvas in canvases])
    print(f"{len(canvases)} photos; rectangles have {share:.2f} of the pixels of squares")
    for name, seconds in spent.items():
        print(f"{name:<40} {1 / np.mean(seconds):6.1f} pictures/s of a core; median {1000 * median(seconds):.1f} ms")
    return 0


def _ways() -> dict[str, Callable[[Sequence[np.ndarray]], object]]:
    source = find_network(str(PRETRAINED / "detector"))
    ways: dict[str, Callable[[Sequence[np.ndarray]], object]] = {}
    for precision in ("float32", "bfloat16", "int8"):
        try:
            usable_precision(precision, "cpu")
        except ValueError as error:
            print(error)
            continue
        if precision != "int8":
            on_torch = YoloOnTorch(YoloNetwork(source.build()), torch.device("cpu"), precision)
            ways[on_torch.name] = torch.inference_mode()(on_torch)
        if precision != "int8" or source.int8:
            on_openvino = YoloOnOpenVino(source, 1, precision, YoloDetector.side)
            ways[on_openvino.name] = on_openvino
    return ways


def _canvases(images: str, count: int) -> list[Canvas]:
    preprocess = Preprocess(Limits(), YoloDetector.side)
    members = [*members_by_name(find_shards([images], "--images").shards)[0].values()][:count]
    canvases: list[Canvas] = []
    for _, data in fetch(members, Limits.max_image_bytes):
        try:
            if isinstance(data, bytes):
                canvases.append(preprocess(data).canvas)
        except ImageError:
            continue
    return canvases


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
